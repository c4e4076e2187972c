"""What gradients say of where a mask opens."""

from __future__ import annotations

import torch

from findcli.models.anchor.masks import Schedule
from findcli.models.anchor.openness import AGES, EMA, Openness

KINDS = torch.tensor([[0, 1, 2, 2], [0, 1, 2, 2]])
STEPS = torch.tensor([[0.0, 0.0, 40.0, 1.0], [0.0, 0.0, 40.0, 1.0]])
VALID = torch.tensor([[True] * 4, [True, True, True, False]])


def test_shares_are_ranks_of_gradients_by_kind_and_age_smoothed_over_steps() -> None:
    openness = Openness(kinds=3, positions=4)
    buckets = openness.buckets(KINDS, STEPS)
    assert buckets[0].tolist() == [0, AGES, 2 * AGES + 5, 2 * AGES + 1]
    norms = torch.tensor([[1.0, 2.0, 3.0, 4.0], [3.0, 2.0, 1.0, 99.0]])
    openness.observe(norms, VALID, buckets)
    asked = openness(buckets)[0]
    torch.testing.assert_close(asked, torch.tensor([0.5, (1 / 3 + 0.5) / 2, 1 / 3, 1.0]))
    before = asked.clone()
    openness.observe(norms.flip(1), VALID, buckets)
    after = openness(buckets)[0]
    assert after[3] == EMA * before[3]  # it now ranks last
    mean, spread = openness.spread()
    assert 0 < mean < 1
    assert spread > 0


def test_padding_teaches_nothing_and_what_was_never_seen_stays_closed() -> None:
    openness = Openness(kinds=3, positions=4)
    norms = torch.rand(2, 4)
    openness.observe(norms, VALID & False, openness.buckets(KINDS, STEPS))
    assert openness.spread() == (0.0, 0.0)
    assert not openness.asked(10, Schedule(steps=100), openness.buckets(KINDS, STEPS)).any()


def test_the_papers_form_is_half_open_from_the_first_step_and_tells_positions_apart_by_nothing() -> None:
    openness = Openness(kinds=3, positions=4, paper=True)
    buckets = openness.buckets(KINDS, STEPS)
    openness.observe(torch.full((2, 4), 1e-3), torch.ones(2, 4, dtype=torch.bool), buckets)
    asked = openness.asked(0, Schedule(steps=100, curve=1), buckets)
    torch.testing.assert_close(asked, torch.full((2, 4), torch.tensor(2e-3).sigmoid().item()))
    assert openness.spread()[1] == 0
    assert bool((openness.asked(90, Schedule(steps=100, curve=1), buckets) == 1).all())


def test_the_last_layers_gradient_guides_nothing_under_mean_pooling() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(3, 5, 8, requires_grad=True)
    (hidden.mean(1) * torch.randn(3, 8)).sum().backward()
    norms = hidden.grad.norm(dim=-1)
    assert norms.std(1).max() < 1e-6
