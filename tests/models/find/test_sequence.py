import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.models.find.sequence import SequenceEncoder
from findcli.training.losses import forecast_contrast

KINDS = ("transformer", "gru")


def encoder(kind, **changes):
    torch.manual_seed(0)
    sizes = {"d_input": 6, "d_model": 16, "layers": 2, "heads": 2, "max_steps": 12, "dropout": 0.1, "positives": 3}
    return SequenceEncoder(kind=kind, **(sizes | changes)).eval()


def histories(users=5, steps=8):
    generator = torch.Generator().manual_seed(1)
    lengths = torch.arange(users) % steps + 1
    valid = torch.arange(steps) >= steps - lengths[:, None]
    return torch.randn(users, steps, 6, generator=generator), valid


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filling", [0.0, 1e3, float("nan")])
def test_leading_padding_changes_nothing(kind, filling):
    model, (steps, valid) = encoder(kind), histories()
    longer = torch.cat([torch.full((5, 4, 6), filling), steps.masked_fill(~valid[..., None], filling)], 1)
    longer_valid = torch.cat([torch.zeros(5, 4, dtype=torch.bool), valid], 1)
    context, padded = model(steps, valid), model(longer, longer_valid)
    torch.testing.assert_close(padded[:, 4:], context, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.pool(padded, longer_valid), model.pool(context, valid), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(5)), holes=st.lists(st.booleans(), min_size=40, max_size=40))
def test_batch_order_and_holes_change_no_user(kind, order, holes):
    model, (steps, _) = encoder(kind), histories()
    valid = torch.tensor(holes).view(5, 8)
    alone = torch.cat([model(steps[i : i + 1], valid[i : i + 1]) for i in order])
    together = model(steps[order], valid[order])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert torch.equal(together[~valid[order]], torch.zeros(int((~valid).sum()), 16))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [1, 4, 7])
def test_no_step_sees_a_later_one(kind, at):
    model, (steps, _) = encoder(kind), histories()
    valid = torch.ones(5, 8, dtype=torch.bool)
    changed = steps.clone()
    changed[:, at] += 5
    before, after = model(steps, valid), model(changed, valid)
    torch.testing.assert_close(after[:, :at], before[:, :at], atol=1e-6, rtol=0)
    assert not torch.allclose(after[:, at:], before[:, at:], atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_without_steps_is_zero_and_gradients_stay_finite(kind):
    model, (steps, valid) = encoder(kind).train(), histories()
    valid[0] = False
    vectors = model.pool(model(steps, valid), valid)
    assert torch.equal(vectors[0], torch.zeros(16))
    vectors.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.time.parameters())


def test_pool_averages_valid_steps():
    context = torch.arange(12.0).view(1, 3, 4)
    pooled = encoder("gru").pool(context, torch.tensor([[False, True, True]]))
    assert torch.equal(pooled, context[:, 1:].mean(1))


def test_the_same_steps_at_another_distance_from_the_cutoff_differ():
    model, (steps, _) = encoder("transformer"), histories(users=1, steps=4)
    padding = torch.zeros(1, 4, 6)
    recent = torch.tensor([[False] * 4 + [True] * 4])
    late = model(torch.cat([padding, steps], 1), recent)[:, 4:]
    early = model(torch.cat([steps, padding], 1), recent.flip(1))[:, :4]
    assert not torch.allclose(late, early, atol=1e-4)


def test_too_long_a_history_is_refused():
    with pytest.raises(ValueError, match="at most 12 steps, not 13"):
        encoder("gru")(torch.zeros(1, 13, 6), torch.ones(1, 13, dtype=torch.bool))


@pytest.mark.parametrize("kind", KINDS)
def test_learns_to_foresee_a_repeating_pattern(kind):
    model = encoder(kind, dropout=0.0).train()
    generator = torch.Generator().manual_seed(2)
    steps = torch.randn(8, 3, 6, generator=generator).repeat(1, 4, 1)  # each user repeats three vectors
    valid = torch.ones(8, 12, dtype=torch.bool)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        context = model(steps, valid)
        loss = forecast_contrast(
            model.predictions(context), model.targets(steps), valid, valid, torch.tensor(2.7),
            anchors=64, negatives=48, generator=generator,
        )  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 3.5  # chance is ln 49 = 3.9
    assert losses[-1] < 2.6  # equal steps: not below ln 4
