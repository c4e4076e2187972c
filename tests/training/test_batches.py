"""Histories as time steps: windows, means, counts and masks against a loop over the events."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from findcli.training.batches import Histories

DAY = 86_400
N_USERS, N_TEXTS, WIDTH, LENGTH, STEP = 4, 6, 3, 10 * DAY, 3 * DAY
TEXTS = torch.randn(N_TEXTS, WIDTH, generator=torch.Generator().manual_seed(0))
IS_SEARCH = np.array([False, False, False, False, True, True])
EVENTS = st.lists(
    st.tuples(
        st.integers(0, N_USERS - 1), st.integers(-30, 30), st.integers(0, N_TEXTS - 1), st.floats(-5, 50, width=32)
    ),
    max_size=40,
)
# Half days, so that many events lie exactly at the ends of windows, steps and days.
ENDS = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(-20, 20)), min_size=1, max_size=6)
Event = tuple[int, int, int, float]


def histories(events: list[Event]) -> tuple[Histories, list[Event]]:
    placed = sorted(((user, half * DAY // 2, text, amount) for user, half, text, amount in events), key=lambda e: e[:2])
    columns = list(zip(*placed, strict=True)) if placed else [()] * 4
    user, time, text, amount = (
        np.array(column, kind) for column, kind in zip(columns, ("i4", "i8", "i4", "f4"), strict=True)
    )
    return Histories(user=user, seconds=time, text=text, amount=amount, is_search=IS_SEARCH), placed


def asked(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([user for user, _ in pairs]), np.array([half * DAY // 2 for _, half in pairs])


def naive_step(events: list[Event], end: int, place: int, n_steps: int) -> list[float]:
    """A step's vector: it reaches back from `end` in whole steps, the oldest one cut off where the history begins."""
    high = end - (n_steps - 1 - place) * STEP
    mine = [e for e in events if max(high - STEP, end - LENGTH) <= e[1] < high]
    mean = torch.stack([TEXTS[e[2]] for e in mine]).mean(0) * WIDTH**0.5 if mine else torch.zeros(WIDTH)
    figures = len(mine), sum(max(e[3], 0) for e in mine), len({e[1] // DAY for e in mine})
    return [*mean.tolist(), *map(math.log1p, figures)]


@given(EVENTS, ENDS)
def test_steps_are_what_a_loop_over_the_window_finds(events: list[Event], pairs: list[tuple[int, int]]) -> None:
    built, placed = histories(events)
    users, ends = asked(pairs)
    steps = built.steps(users, ends, TEXTS, length=LENGTH, step=STEP)
    assert steps.vectors.shape == (len(pairs), 4, WIDTH + 3)
    for row, (user, end) in enumerate(zip(users, ends, strict=True)):
        mine = [e for e in placed if e[0] == user and not IS_SEARCH[e[2]]]
        expected = torch.tensor([naive_step(mine, int(end), place, 4) for place in range(4)])
        torch.testing.assert_close(steps.vectors[row], expected, atol=1e-5, rtol=1e-5)
        observed = [bool(step[WIDTH] > 0) for step in expected]
        assert steps.observed[row].tolist() == observed
        assert steps.valid[row].tolist() == [any(observed[: place + 1]) for place in range(4)]


@given(EVENTS, ENDS)
def test_searches_are_the_mean_of_those_in_the_window(events: list[Event], pairs: list[tuple[int, int]]) -> None:
    built, placed = histories(events)
    users, ends = asked(pairs)
    vectors, searched = built.searches(users, ends, TEXTS, length=LENGTH)
    for row, (user, end) in enumerate(zip(users, ends, strict=True)):
        found = [TEXTS[e[2]] for e in placed if e[0] == user and IS_SEARCH[e[2]] and end - LENGTH <= e[1] < end]
        assert searched[row] == bool(found)
        torch.testing.assert_close(
            vectors[row], torch.stack(found).mean(0) if found else torch.zeros(WIDTH), atol=1e-5, rtol=1e-5
        )


@given(EVENTS, ENDS, st.randoms(use_true_random=False))
def test_who_is_beside_whom_changes_no_step(
    events: list[Event], pairs: list[tuple[int, int]], random: st.DataObject
) -> None:
    built, _ = histories(events)
    order = list(range(len(pairs)))
    random.shuffle(order)
    whole = built.steps(*asked(pairs), TEXTS, length=LENGTH, step=STEP)
    shuffled = built.steps(*asked([pairs[i] for i in order]), TEXTS, length=LENGTH, step=STEP)
    torch.testing.assert_close(shuffled.vectors, whole.vectors[order], atol=1e-5, rtol=0)
    assert torch.equal(shuffled.valid, whole.valid[order])
