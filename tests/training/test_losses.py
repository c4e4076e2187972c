import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity, logsigmoid, normalize

from findcli.training.losses import (
    contrastive_loss,
    cyclic_regulariser,
    effective_rank,
    forecast_contrast,
    infonce_loss,
    masked_value_loss,
    paper_cyclic_regulariser,
    paper_forecast_contrast,
    paper_infonce,
    replaced_value_loss,
    sigmoid_loss,
)

SCALE = torch.tensor(1.3)
seeds = given(seed=st.integers(0, 10_000))
few = settings(max_examples=25, deadline=None)


def pairs(seed, users=5, texts=4):
    generator = torch.Generator().manual_seed(seed)
    left = normalize(torch.randn(users, 6, generator=generator), dim=1)
    right = normalize(torch.randn(texts, 6, generator=generator), dim=1)
    return left, right, torch.rand(users, texts, generator=generator) < 0.4


def log_share(scores, at):
    return math.log(math.exp(scores[at]) / sum(math.exp(score) for score in scores))


def naive_multi_positive(logits, true):
    rows = [
        -sum(log_share(scores, s) for s in range(len(scores)) if holds[s]) / sum(holds)
        for scores, holds in zip(logits, true, strict=True)
        if any(holds)
    ]
    return sum(rows) / len(rows) if rows else 0.0


@few
@seeds
def test_contrastive_loss(seed):
    users, texts, true = pairs(seed)
    logits = SCALE.exp() * users @ texts.T
    there = naive_multi_positive(logits.tolist(), true.tolist())
    back = naive_multi_positive(logits.T.tolist(), true.T.tolist())
    assert contrastive_loss(users, texts, true, SCALE).item() == pytest.approx((there + back) / 2, abs=1e-5)


def test_contrastive_loss_of_nothing_true_is_zero_with_a_gradient():
    users, texts, true = pairs(0)
    users.requires_grad_()
    loss = contrastive_loss(users, texts, torch.zeros_like(true), SCALE)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(users.grad, torch.zeros_like(users))


@few
@seeds
def test_infonce_loss(seed):
    users, texts, true = pairs(seed)
    positive = torch.arange(5) % 4
    true[torch.arange(5), positive] = True
    logits = (SCALE.exp() * users @ texts.T).tolist()
    total = 0.0
    for b, own in enumerate(positive.tolist()):
        across = [logits[b][own]] + [logits[b][s] for s in range(4) if not true[b, s]]
        down = [logits[b][own]] + [logits[u][own] for u in range(5) if not true[u, own]]
        total -= (log_share(across, 0) + log_share(down, 0)) / 2
    assert infonce_loss(users, texts, positive, true, SCALE).item() == pytest.approx(total / 5, abs=1e-5)


def test_infonce_loss_ignores_other_true_sentences():
    users, texts, _ = pairs(0, users=2, texts=3)
    true, positive = torch.tensor([[True, False, True], [False, True, True]]), torch.tensor([0, 1])
    before = infonce_loss(users, texts, positive, true, SCALE)
    texts[2] = -texts[2]
    assert torch.equal(infonce_loss(users, texts, positive, true, SCALE), before)


@few
@seeds
def test_sigmoid_loss(seed):
    users, texts, true = pairs(seed)
    bias = torch.tensor(-2.0)
    expected = 0.0
    for b in range(5):
        for s in range(4):
            logit = SCALE.exp() * users[b] @ texts[s] + bias
            expected -= logsigmoid(logit if true[b, s] else -logit).item() / 20
    assert sigmoid_loss(users, texts, true, SCALE, bias).item() == pytest.approx(expected, abs=1e-5)


@few
@seeds
def test_paper_infonce(seed):
    users, texts, _ = pairs(seed, users=4)
    expected = 0.0
    for b in range(4):
        expected -= log_share([cosine_similarity(users[b], text, dim=0).item() for text in texts], b) / 4
    assert paper_infonce(3 * users, 0.2 * texts).item() == pytest.approx(expected, abs=1e-5)


def test_paper_infonce_cannot_fall_below_its_floor():
    unit = torch.eye(256)
    assert paper_infonce(unit, unit).item() > 3.57


def sequences(seed, users=3, steps=6, ahead=2):
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.randn(users, steps, ahead, 4, generator=generator)
    targets = torch.randn(users, steps, 4, generator=generator)
    valid = torch.arange(steps) >= torch.randint(steps + 1, (users, 1), generator=generator)
    observed = valid & (torch.rand(users, steps, generator=generator) < 0.7)
    return predictions, targets, observed, valid


def naive_forecast_contrast(predictions, targets, observed, valid):
    users, steps, ahead, _ = predictions.shape
    everything = [(b, t) for b in range(users) for t in range(steps) if observed[b, t]]
    losses = []
    for b in range(users):
        for t in range(steps):
            for i in range(1, ahead + 1):
                if valid[b, t] and t + i < steps and observed[b, t + i]:
                    query = predictions[b, t, i - 1]
                    scores = [
                        (SCALE.exp() * cosine_similarity(query, targets[place], dim=0)).item() for place in everything
                    ]
                    losses.append(-log_share(scores, everything.index((b, t + i))))
    return sum(losses) / len(losses) if losses else 0.0


def forecast(case, anchors=1000, negatives=1000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return forecast_contrast(*case, SCALE, anchors=anchors, negatives=negatives, generator=generator)


@few
@seeds
def test_forecast_contrast(seed):
    case = sequences(seed)
    assert forecast(case).item() == pytest.approx(naive_forecast_contrast(*case), abs=1e-5)


def test_forecast_contrast_reaches_ahead_of_more_steps_than_there_are():
    case = sequences(3, steps=2, ahead=4)
    assert forecast(case).item() == pytest.approx(naive_forecast_contrast(*case), abs=1e-5)


def test_forecast_contrast_sampled_is_repeatable_and_near_the_whole():
    case = sequences(1, users=20, steps=12)
    whole = forecast(case).item()
    sampled = [forecast(case, anchors=100, seed=seed).item() for seed in range(20)]
    assert forecast(case, anchors=100, negatives=50).item() == forecast(case, anchors=100, negatives=50).item()
    assert sum(sampled) / 20 == pytest.approx(whole, rel=0.03)
    assert forecast(case, negatives=10).item() < whole


@pytest.mark.parametrize("nothing", ["observed", "valid"])
def test_forecast_contrast_of_nothing_is_zero_with_a_gradient(nothing):
    predictions, targets, observed, valid = sequences(0)
    predictions.requires_grad_()
    if nothing == "valid":
        valid = torch.zeros_like(valid)
    loss = forecast((predictions, targets, observed & False, valid))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(predictions.grad, torch.zeros_like(predictions))


@few
@seeds
def test_paper_forecast_contrast(seed):
    context, targets, _, valid = sequences(seed, ahead=1)
    context = context[:, :, 0].requires_grad_()
    users = []
    for c, z, steps in zip(context, targets, valid.sum(1).tolist(), strict=True):
        c, z = c[6 - steps :], z[6 - steps :]
        loss = 0.0
        for t in range(steps):
            scores = [cosine_similarity(c[t], later, dim=0).item() for later in z]
            loss -= sum(log_share(scores, t + i) for i in (1, 2) if t + i < steps) / (2 * steps)
        if steps:
            users.append(loss)
    actual = paper_forecast_contrast(context, targets, valid, 2)
    assert actual.item() == pytest.approx(sum(users) / max(len(users), 1), abs=1e-5)
    actual.backward()
    assert context.grad.isfinite().all()


@few
@seeds
def test_cyclic_regulariser(seed):
    context, _, _, valid = sequences(seed, ahead=1)
    context = context[:, :, 0].requires_grad_()
    divergences = []
    for b in range(3):
        for t in range(4):
            if valid[b, t] and valid[b, t + 2]:
                now, then = context[b, t].softmax(0), context[b, t + 2].softmax(0)
                divergences.append((now * (now / then).log()).sum().item())
    expected = sum(divergences) / max(len(divergences), 1)
    for regulariser in (cyclic_regulariser, paper_cyclic_regulariser):
        assert regulariser(context, valid, 2).item() == pytest.approx(expected, abs=1e-5)


def test_only_the_papers_regulariser_moves_the_later_context():
    context, valid = torch.randn(1, 2, 4, requires_grad=True), torch.ones(1, 2, dtype=torch.bool)
    (ours,) = torch.autograd.grad(cyclic_regulariser(context, valid, 1), context)
    (paper,) = torch.autograd.grad(paper_cyclic_regulariser(context, valid, 1), context)
    assert torch.equal(ours[0, 1], torch.zeros(4))
    assert paper[0, 1].abs().sum() > 0
    torch.testing.assert_close(ours[0, 0], paper[0, 0])


@pytest.mark.parametrize("period", [6, 9])
def test_cyclic_regulariser_of_a_short_history_is_zero(period):
    context, _, _, valid = sequences(0, ahead=1)
    assert cyclic_regulariser(context[:, :, 0], valid, period).item() == 0


@few
@seeds
def test_masked_value_loss(seed):
    generator = torch.Generator().manual_seed(seed)
    logits, codes = torch.randn(4, 3, 5, generator=generator), torch.randint(2, 5, (4, 3), generator=generator)
    masked = torch.rand(4, 3, generator=generator) < 0.5
    total = -sum(log_share(logits[b, f].tolist(), codes[b, f]) for b, f in masked.nonzero().tolist())
    mean = masked_value_loss(logits, codes, masked)
    paper = masked_value_loss(logits, codes, masked, reduction="sum")
    assert mean.item() == pytest.approx(total / max(int(masked.sum()), 1), abs=1e-5)
    assert paper.item() == pytest.approx(total / 4, abs=1e-5)


def test_masked_value_loss_bears_columns_without_values():
    logits = torch.full((2, 2, 3), -math.inf)
    logits[:, 0, 2] = 1
    logits.requires_grad_()
    masked = torch.tensor([[True, False], [False, False]])
    masked_value_loss(logits, torch.full((2, 2), 2), masked).backward()
    assert logits.grad.isfinite().all()


@few
@seeds
def test_replaced_value_loss(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 3, generator=generator)
    replaced, present = (torch.rand(2, 4, 3, generator=generator) < 0.5).unbind(0)
    signed = torch.where(replaced, logits, -logits)
    total = -sum(logsigmoid(signed[b, f]).item() for b, f in present.nonzero().tolist())
    mean = replaced_value_loss(logits, replaced, present)
    paper = replaced_value_loss(logits, replaced, present, reduction="sum")
    assert mean.item() == pytest.approx(total / max(int(present.sum()), 1), abs=1e-5)
    assert paper.item() == pytest.approx(total / 4, abs=1e-5)


def test_effective_rank_counts_directions():
    axes = torch.eye(4).repeat(50, 1) * torch.tensor([-1.0, 1.0]).repeat(100).view(200, 1)
    signs = torch.cat([axes, -axes])
    assert effective_rank(signs) == pytest.approx(4, abs=1e-3)
    assert effective_rank(signs * torch.tensor([1.0, 0, 0, 0])) == pytest.approx(1)
    assert effective_rank(torch.full((9, 4), 0.3)) == pytest.approx(1)
