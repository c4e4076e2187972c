"""The smallest lift that an experiment can see."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from findcli.audiences.experiment.power import smallest_rate


@pytest.mark.parametrize(
    ("users", "base", "lift"),
    [(1_000, 0.05, 1.81), (10_000, 0.05, 0.46), (100_000, 0.05, 0.13), (1_000, 0.15, 0.82), (1_000_000, 0.15, 0.022)],
)
def test_a_tenth_held_out_sees_what_the_textbook_says(users: int, base: float, lift: float) -> None:
    rate = smallest_rate(users * 9 // 10, users // 10, base)
    assert rate is not None
    assert isclose(rate / base - 1, lift, abs_tol=0.006)


def test_it_is_seen_in_four_of_five_simulated_experiments() -> None:
    reached, held, base = 9_000, 1_000, 0.1
    rate = smallest_rate(reached, held, base)
    assert rate is not None
    rng = np.random.default_rng(0)
    x, y = rng.binomial(reached, rate, 4_000), rng.binomial(held, base, 4_000)
    pooled = (x + y) / (reached + held)
    z = (x / reached - y / held) / np.sqrt(pooled * (1 - pooled) * (1 / reached + 1 / held))
    assert 0.77 < (np.abs(z) > norm.isf(0.025)).mean() < 0.83


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0.001, 0.999))
def test_more_users_see_no_less(reached: int, held: int, base: float) -> None:
    few, many = smallest_rate(reached, held, base), smallest_rate(reached * 2, held * 2, base)
    if few is not None:
        assert many is not None
        assert base < many <= few + 1e-9


@pytest.mark.parametrize(("reached", "held", "base"), [(0, 5, 0.1), (5, 0, 0.1), (90, 10, 0.0), (3, 1, 0.9)])
def test_what_cannot_be_seen_is_none(reached: int, held: int, base: float) -> None:
    assert smallest_rate(reached, held, base) is None
