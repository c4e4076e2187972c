"""Two groups compared: textbook intervals, and tests that are wrong as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact, ttest_ind

from findcli.audiences.experiment.proportions import Arm, compare, compare_amounts, newcombe, sample_ratio


@pytest.mark.parametrize(
    ("one", "other", "interval"),  # Newcombe (1998), table II, method 10
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((10, 10), (0, 10), (0.6075, 1.0000)),
    ],
)
def test_the_difference_has_newcombes_interval(
    one: tuple[int, int], other: tuple[int, int], interval: tuple[float, float]
) -> None:
    assert newcombe(Arm(one[1], one[0]), Arm(other[1], other[0])) == pytest.approx(interval, abs=1e-4)


@pytest.mark.parametrize(
    ("users", "held", "base"), [(900, 100, 0.1), (9_000, 1_000, 0.03), (450, 450, 0.3), (20_000, 200, 0.5)]
)
def test_of_a_thousand_nulls_about_one_in_twenty_is_rejected(users: int, held: int, base: float) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.binomial(users, base, 1_000), rng.binomial(held, base, 1_000)
    rejected = np.mean(
        [compare(Arm(users, int(a)), Arm(held, int(b))).p_value < 0.05 for a, b in zip(x, y, strict=True)]
    )
    assert 0.03 <= rejected <= 0.07


def test_small_cells_are_tested_exactly_and_never_too_often() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.binomial(60, 0.08, 200), rng.binomial(20, 0.08, 200)
    done = [compare(Arm(60, int(a)), Arm(20, int(b))) for a, b in zip(x, y, strict=True)]
    assert {each.test for each in done} <= {"barnard", "z"}
    assert sum(each.test == "barnard" for each in done) > 190
    assert np.mean([each.p_value < 0.05 for each in done]) <= 0.07
    large = compare(Arm(50_000, 20), Arm(500, 2))
    assert large.test == "fisher"
    assert large.p_value == pytest.approx(fisher_exact([[20, 2], [49_980, 498]]).pvalue)


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_a_comparison_of_any_two_groups_is_sound(users: int, held: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, users)), data.draw(st.integers(0, held))
    done = compare(Arm(users, x), Arm(held, y))
    low, high = done.difference_interval
    assert -1 - 1e-9 <= low <= done.difference + 1e-9
    assert done.difference - 1e-9 <= high <= 1 + 1e-9
    assert 0 <= done.p_value <= 1 + 1e-9
    assert (done.ratio is None) == (y == 0)
    if done.ratio_interval is not None:
        assert done.ratio_interval[0] <= float(done.ratio or 0) <= done.ratio_interval[1]


def test_amounts_are_compared_by_welch() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.gamma(2, 3, 80), rng.gamma(2, 2, 30)
    done = compare_amounts(one, other)
    test = ttest_ind(one, other, equal_var=False)
    assert done.p_value == pytest.approx(test.pvalue)
    assert done.interval is not None
    assert done.interval[0] < done.difference < done.interval[1]
    assert compare_amounts(np.zeros(5), np.zeros(5)).interval is None


def test_a_wrong_sample_ratio_is_rare_by_chance() -> None:
    assert sample_ratio(100, 1_000, 0.1) > 0.9
    assert sample_ratio(60, 1_000, 0.1) < 0.001
    assert sample_ratio(60, 1_000, 0.1) == binomtest(60, 1_000, 0.1).pvalue
