"""Several sentences as one score."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from findcli.scoring.as_read import combine_cosines, combine_probabilities

P = st.floats(1e-6, 1 - 1e-6)


@given(P, P, P)
def test_any_all_and_not_of_probabilities(a: float, b: float, c: float) -> None:
    clauses = [(False, [(0, 1.0), (1, 1.0)]), (True, [(2, 1.0)])]
    odds = combine_probabilities(np.array([[a, b, c]]), clauses)
    assert np.isclose(expit(odds[0]), (1 - (1 - a) * (1 - b)) * (1 - c), rtol=1e-6)


@given(P)
def test_one_sentence_stays_what_it_is(p: float) -> None:
    assert np.isclose(expit(combine_probabilities(np.array([[p]]), [(False, [(0, 1.0)])])[0]), p, rtol=1e-6)


def test_a_sentence_counts_by_its_share() -> None:
    p = np.array([[0.5, 0.5]])
    half = expit(combine_probabilities(p, [(False, [(0, 1.0), (1, 0.5)])])[0])
    assert np.isclose(half, 1 - 0.5 * 0.75)


def test_the_extremes_stay_finite_and_in_order() -> None:
    odds = combine_probabilities(np.array([[0.0], [1e-9], [1.0]]), [(False, [(0, 1.0)])])
    assert np.isfinite(odds).all()
    assert (np.diff(odds) > 0).all()


def test_cosines_combine_as_largest_smallest_and_negative() -> None:
    cosines = np.array([[0.2, 0.6, 0.1]])
    assert combine_cosines(cosines, [(False, [(0, 1.0), (1, 1.0)])])[0] == 0.6
    assert combine_cosines(cosines, [(False, [(0, 1.0)]), (False, [(1, 1.0)])])[0] == 0.2
    assert combine_cosines(cosines, [(False, [(1, 1.0)]), (True, [(2, 1.0)])])[0] == -0.1
