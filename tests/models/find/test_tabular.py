import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.data.profile_codes import FIRST_VALUE, MASK, MISSING
from findcli.models.find.tabular import TabularEncoder, choose_values, replace_values
from findcli.training.losses import masked_value_loss, replaced_value_loss

CARDINALITIES = (5, 3, 8, 2)  # the last has no value at all


def encoder():
    torch.manual_seed(0)
    return TabularEncoder(cardinalities=CARDINALITIES, d_token=8, layers=2, heads=2, dropout=0.1).eval()


def profiles(users=16, seed=1):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.stack([torch.randint(c, (users,), generator=generator) for c in CARDINALITIES], 1)
    codes[codes == MASK] = MISSING
    fractions = torch.rand(users, len(CARDINALITIES), generator=generator) * torch.tensor([0, 0, 1, 0])
    return codes, fractions


def test_shapes_and_batch_order():
    model, (codes, fractions) = encoder(), profiles()
    order = torch.randperm(16)
    tokens, vector = model(codes, fractions)
    shuffled_tokens, shuffled = model(codes[order], fractions[order])
    assert tokens.shape == (16, 4, 8)
    torch.testing.assert_close(shuffled, vector[order], atol=1e-5, rtol=0)
    torch.testing.assert_close(shuffled_tokens, tokens[order], atol=1e-5, rtol=0)


def test_the_same_code_in_two_columns_differs():
    tokens, _ = encoder()(torch.tensor([[2, 2, 2, 0]]), torch.zeros(1, 4))
    assert not torch.allclose(tokens[0, 0], tokens[0, 1], atol=1e-3)


def test_numbers_enter_continuously_and_linearly_within_a_bin():
    model = encoder()
    model.layers = torch.nn.Identity()
    codes = torch.tensor([[2, 2, 3, 0]] * 3 + [[2, 2, 4, 0]])
    fractions = torch.zeros(4, 4)
    fractions[:3, 2] = torch.tensor([0.0, 0.5, 1.0])
    start, middle, end, following = model(codes, fractions)[0][:, 2]
    torch.testing.assert_close(middle, (start + end) / 2)
    torch.testing.assert_close(end, following)
    assert not torch.allclose(start, end)


@pytest.mark.parametrize("code", [MISSING, MASK, 7])
def test_fraction_of_missing_masked_and_last_bin_is_without_influence(code):
    model, codes, fractions = encoder(), torch.tensor([[2, 2, code, 0]]), torch.zeros(1, 4)
    _, plain = model(codes, fractions)
    fractions[0, 2] = 0.7
    assert torch.equal(model(codes, fractions)[1], plain)


def test_heads_are_one_a_column():
    model, (codes, fractions) = encoder(), profiles()
    tokens, _ = model(codes, fractions)
    values, replaced = model.value_logits(tokens), model.replaced_logits(tokens)
    for column, cardinality in enumerate(CARDINALITIES):
        expected = tokens[:, column] @ model.value_weight[column] + model.value_bias[column]
        own = slice(FIRST_VALUE, cardinality)
        torch.testing.assert_close(values[:, column, own], expected[:, own])
        assert values[:, column, :FIRST_VALUE].isneginf().all()
        assert values[:, column, cardinality:].isneginf().all()
        expected = tokens[:, column] @ model.replaced_weight[column] + model.replaced_bias[column]
        torch.testing.assert_close(replaced[:, column], expected)


def test_chosen_values_are_about_the_share_and_never_missing():
    codes, _ = profiles(4000)
    chosen = choose_values(codes, 0.3, generator=torch.Generator().manual_seed(0))
    present = codes >= FIRST_VALUE
    assert not chosen[~present].any()
    assert chosen[present].float().mean() == pytest.approx(0.3, abs=0.03)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), how=st.sampled_from(["mlm", "marginal", "uniform"]))
def test_replacements_are_honest(seed, how):
    codes, fractions = profiles(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    chosen = choose_values(codes, 0.5, generator=generator)
    model = encoder()
    logits = model.value_logits(model(codes.masked_fill(chosen, MASK), fractions)[0])
    new, new_fractions, replaced = replace_values(codes, fractions, chosen, logits, how=how, generator=generator)
    assert torch.equal(new != codes, replaced)
    assert not replaced[~chosen].any()
    assert torch.equal(new_fractions[~replaced], fractions[~replaced])
    assert torch.equal(new == MISSING, codes == MISSING)
    assert (new < torch.tensor(CARDINALITIES)).all()
    assert not (new == MASK).any()
    assert not new_fractions.requires_grad
    if how == "marginal":
        for column in range(len(CARDINALITIES)):
            rows = set(zip(codes[:, column].tolist(), fractions[:, column].tolist(), strict=True))
            assert set(zip(new[:, column].tolist(), new_fractions[:, column].tolist(), strict=True)) <= rows


@pytest.mark.parametrize(("how", "expected"), [("mlm", [0.7, 0.2, 0.1]), ("uniform", [1 / 3] * 3)])
def test_replacements_follow_their_distribution(how, expected):
    users = 6000
    codes, fractions = torch.full((users, 1), 5), torch.zeros(users, 1)  # 5 is none of the drawn values
    logits = torch.tensor([0, 0, 0.7, 0.2, 0.1]).log().expand(users, 1, 5)
    chosen = torch.ones(users, 1, dtype=torch.bool)
    new, _, _ = replace_values(codes, fractions, chosen, logits, how=how, generator=torch.Generator().manual_seed(0))
    shares = new.flatten().bincount(minlength=5)[FIRST_VALUE:] / users
    torch.testing.assert_close(shares, torch.tensor(expected), atol=0.025, rtol=0)


def test_a_generator_repeats_itself():
    codes, fractions = profiles()
    first, second = (choose_values(codes, 0.5, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    first, second = (
        replace_values(
            codes, fractions, first, torch.zeros(16, 4, 8), how="mlm", generator=torch.Generator().manual_seed(3)
        )
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_learns_values_from_other_columns_and_spots_replaced_ones():
    torch.manual_seed(0)
    model = TabularEncoder(cardinalities=(6, 6, 6), d_token=16, layers=2, heads=2, dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(FIRST_VALUE, 6, (128, 1), generator=generator).expand(-1, 3)  # columns agree
    fractions, present = torch.zeros(128, 3), torch.ones(128, 3, dtype=torch.bool)
    for _ in range(120):
        chosen = choose_values(codes, 0.3, generator=generator)
        logits = model.value_logits(model(codes.masked_fill(chosen, MASK), fractions)[0])
        masked = masked_value_loss(logits, codes, chosen)
        new, shares, changed = replace_values(codes, fractions, chosen, logits, how="uniform", generator=generator)
        spotted = replaced_value_loss(model.replaced_logits(model(new, shares)[0]), changed, present)
        optimizer.zero_grad()
        (masked + spotted).backward()
        optimizer.step()
    assert masked.item() < 0.4  # chance is ln 4 = 1.39
    assert spotted.item() < 0.4  # the base rate alone gives 0.53
