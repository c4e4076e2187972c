"""Which positions see which, and how a mask opens."""

from __future__ import annotations

import pytest
import torch

from findcli.models.anchor.masks import Schedule, attention_bias, positions_of, suffix_bias

VALID = torch.tensor([[True] * 4, [False, True, True, True], [True, True, False, False]])
BEHAVIOUR = torch.tensor([True, True, True, False]).expand(3, -1)


def seen(kind: str, **more: object) -> torch.Tensor:
    bias = attention_bias(kind, VALID, **more)
    assert bias is not None
    assert not bias.isneginf().all(-1).any(), "no position sees nothing"
    return bias[:, 0] > -torch.inf


@pytest.mark.parametrize(
    ("kind", "of_whole"),
    [
        ("causal", [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]),
        ("hybrid", [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]]),
        ("bidirectional", [[1] * 4] * 4),
        ("scheduler", [[1] * 4] * 4),
        ("ggsm", [[1] * 4] * 4),
    ],
)
def test_each_kind_sees_what_it_says_and_padding_is_seen_by_itself_alone(kind: str, of_whole: list[list[int]]) -> None:
    sees = seen(kind, behaviour=BEHAVIOUR)
    expected = torch.tensor(of_whole).bool()
    assert torch.equal(sees[0], expected)
    for user in (1, 2):
        allowed = expected & VALID[user] | torch.eye(4, dtype=torch.bool)
        assert torch.equal(sees[user], allowed)


def test_openness_multiplies_the_odds_of_later_positions_and_of_no_others() -> None:
    whole = torch.ones(1, 3, dtype=torch.bool)
    bias = attention_bias("ggsm", whole, openness=torch.tensor([[0.5, 0.25, 0.0]]), floor=1e-4)
    assert bias is not None
    expected = torch.tensor([[0, 0.25, 1e-4], [0, 0, 1e-4], [0, 0, 0]])
    torch.testing.assert_close(bias[0, 0].exp(), torch.where(expected == 0, torch.ones(3, 3), expected))


def test_the_models_own_mask_serves_where_it_is_the_same() -> None:
    assert attention_bias("causal", torch.ones(2, 5, dtype=torch.bool)) is None


def test_a_suffix_sees_the_prefix_and_itself_alone() -> None:
    sees = suffix_bias(VALID[1:2], 2, 2)[0, 0] > -torch.inf
    assert sees.int().tolist() == [
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0, 0, 1, 0],
        [0, 1, 1, 1, 0, 0, 1, 1],
    ]
    assert positions_of(VALID).tolist() == [[0, 1, 2, 3], [0, 0, 1, 2], [0, 1, 1, 1]]


def test_a_schedule_opens_to_the_end_and_trains_on_there() -> None:
    schedule = Schedule(steps=100)
    opened = [schedule.scheduler(step) for step in range(100)]
    assert opened[0] == 0
    assert opened == sorted(opened)
    assert opened[90:] == [1.0] * 10
    assert opened[45] == pytest.approx(0.125)
    assert Schedule(steps=100, curve=1).scheduler(45) == pytest.approx(0.5)


def test_guidance_begins_closed_goes_half_way_at_most_and_ends_open_everywhere() -> None:
    schedule, shares = Schedule(steps=100, curve=1), torch.tensor([0.0, 0.5, 1.0])
    assert schedule.guided(0, shares).tolist() == [0, 0, 0]
    assert schedule.guided(10, shares).tolist() == [0, 0.25, 0.5]
    assert schedule.guided(50, shares).tolist() == pytest.approx([0.5, 0.625, 0.75])
    assert schedule.guided(90, shares).tolist() == [1, 1, 1]
