import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.models.find.fusion import Concatenation, Fusion
from findcli.training.losses import contrastive_loss

WIDTHS = {"sequence": 6, "tabular": 4, "search": 5}


def model(kind):
    torch.manual_seed(0)
    if kind == "concat":
        return Concatenation(d_inputs=WIDTHS, d_model=16).eval()
    skip = 3 if kind in ("skip", "gates") else 0
    gates = kind == "gates"
    return Fusion(d_inputs=WIDTHS, d_model=16, layers=2, heads=2, dropout=0.1, skip=skip, gates=gates).eval()


def users(count=8):
    generator = torch.Generator().manual_seed(1)
    vectors = {name: torch.randn(count, width, generator=generator) for name, width in WIDTHS.items()}
    return vectors, {name: torch.ones(count, dtype=torch.bool) for name in WIDTHS}


@pytest.mark.parametrize("kind", ["attention", "skip", "gates", "concat"])
@settings(max_examples=25, deadline=None)
@given(mask=st.lists(st.booleans(), min_size=24, max_size=24), order=st.permutations(range(8)))
def test_missing_vectors_and_batch_order_have_no_influence(kind, mask, order):
    fusion, (vectors, _) = model(kind), users()
    present = dict(zip(WIDTHS, torch.tensor(mask).view(3, 8), strict=True))
    clean = fusion(vectors, present)
    spoilt = {name: v.masked_fill(~present[name][:, None], float("nan")) for name, v in vectors.items()}
    assert torch.equal(fusion(spoilt, present), clean)
    shuffled = fusion({n: v[order] for n, v in vectors.items()}, {n: p[order] for n, p in present.items()})
    torch.testing.assert_close(shuffled, clean[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["attention", "skip", "gates", "concat"])
@pytest.mark.parametrize("name", WIDTHS)
def test_a_present_modality_has_influence_whatever_its_value(kind, name):
    fusion, (vectors, present) = model(kind), users()
    full = fusion(vectors, present)
    without = fusion(vectors, present | {name: torch.zeros(8, dtype=torch.bool)})
    zero = fusion(vectors | {name: torch.ones_like(vectors[name])}, present)
    for other in (without, zero):
        assert (full - other).abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("kind", ["attention", "skip", "gates", "concat"])
def test_users_without_anything_share_one_learned_vector(kind):
    fusion, (vectors, present) = model(kind), users()
    fused = fusion(vectors, {name: ~there for name, there in present.items()})
    assert fused.isfinite().all()
    torch.testing.assert_close(fused, fused[:1].expand(8, -1))
    fused.square().sum().backward()
    learned = fusion.missing["search"] if kind == "concat" else fusion.null
    assert learned.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["attention", "skip", "gates", "concat"])
def test_a_spoilt_missing_vector_leaves_gradients_finite(kind):
    fusion, (vectors, present) = model(kind), users()
    vectors["search"][0], present["search"][0] = float("nan"), False
    fusion(vectors, present).square().sum().backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in fusion.parameters())


@pytest.mark.parametrize("kind", ["attention", "skip", "gates", "concat"])
def test_eight_pairs_can_be_overfitted(kind):
    fusion, (vectors, present) = model(kind), users()
    texts = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    optimizer = torch.optim.AdamW(fusion.parameters(), lr=5e-3)
    for _ in range(60):
        fused = torch.nn.functional.normalize(fusion(vectors, present), dim=1)
        loss = contrastive_loss(fused, texts, torch.eye(8, dtype=torch.bool), torch.tensor(2.7))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_each_modality_has_columns_to_itself_past_the_attention():
    fusion, (vectors, present) = model("skip"), users()
    before = fusion(vectors, present)
    after = fusion(vectors | {"tabular": vectors["tabular"] + torch.randn(4)}, present)
    changed = (before - after).abs().amax(0) > 1e-6
    assert before.shape == (8, 16)
    assert changed.tolist() == [True] * 7 + [False] * 3 + [True] * 3 + [False] * 3


def test_a_closed_gate_leaves_nothing_of_a_modality_past_the_attention():
    fusion, (vectors, present) = model("gates"), users()
    with torch.no_grad():
        fusion.gates["tabular"].open.bias.fill_(-1e4)
    other = vectors | {"tabular": torch.randn(8, WIDTHS["tabular"])}
    torch.testing.assert_close(fusion(vectors, present), fusion(other, present))
    assert not torch.equal(fusion(vectors, present), fusion(vectors | {"search": -vectors["search"]}, present))


def test_a_gate_that_closes_lets_less_of_a_modality_through_the_attention():
    torch.manual_seed(0)
    fusion, (vectors, present) = Fusion(d_inputs=WIDTHS, d_model=16, layers=2, heads=2, dropout=0, gates=True), users()
    changed = vectors | {"tabular": -vectors["tabular"]}

    def moves(bias):
        with torch.no_grad():
            fusion.gates["tabular"].open.bias.fill_(bias)
            return (fusion(vectors, present) - fusion(changed, present)).norm().item()

    assert moves(2.0) > 2 * moves(-4.0) > 100 * moves(-15.0)
