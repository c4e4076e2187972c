"""Expected numbers: they hold at the promised rate in any population, and never leave what is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.models.ranker.reliability import calibrate, measure
from findcli.scoring.reliability import Reliability
from tests.models.ranker.test_reliability import tried


def reliability(**figures: float) -> Reliability:
    values = {"bias": 0.0, "spread": 0.3, "low": -1.6, "least": -1.3, "high": 1.7} | figures
    columns = {name: np.full(2, value) for name, value in values.items()}
    return Reliability(share=np.array([0.02, 1.0]), **columns)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=200),
    st.floats(-1, 1),
    st.floats(0, 2),
    st.data(),
)
def test_numbers_stay_within_what_is_possible(p: list[float], bias: float, spread: float, data: st.DataObject) -> None:
    users = np.array([data.draw(st.integers(1, len(p)))])
    expected = reliability(bias=bias, spread=spread).expected(np.sort(p)[::-1], users)
    assert 0 <= expected.low[0] <= expected.surely[0] <= expected.responders[0] + 1e-9
    assert expected.responders[0] <= expected.high[0] + 1e-9
    assert expected.high[0] <= users[0]


def test_what_was_promised_too_little_is_corrected_at_its_depth() -> None:
    measured = Reliability(np.array([0.1, 1.0]), np.array([np.log(12 / 7), 0.0]), *(np.zeros(2) for _ in range(4)))
    p = np.full(100, 0.2)
    assert measured.expected(p, np.array([10, 100])).responders.tolist() == pytest.approx([3, 20])


def test_intervals_keep_their_promise_in_a_larger_population() -> None:
    """Measured on 200 users, told of 3,000: nine sentences in ten are within."""
    trials = [tried(spread=0.4, users=200, seed=seed) for seed in range(6)]
    lines = calibrate(trials)
    rows = measure(trials, lines).filter(kind="things")
    names = ("share", "bias", "spread", "low", "least", "high")
    measured = Reliability(*(rows[name].to_numpy() for name in names))
    later = tried(spread=0.4, users=3000, sentences=300, seed=99)
    within, surely = [], []
    for column in range(290):
        order = np.argsort(-later.odds[:, column])
        line, mean = lines["things"], later.odds[:, column].astype(float).mean()
        p = 1 / (
            1
            + np.exp(-(line["slope"] * (later.odds[order, column] - mean) + line["between"] * mean + line["intercept"]))
        )
        expected = measured.expected(p, np.array([300]))
        came = later.true[order[:300], column].sum()
        within.append(expected.low[0] <= came <= expected.high[0])
        surely.append(came >= expected.surely[0])
    assert 0.82 < np.mean(within) < 0.97
    assert np.mean(surely) > 0.82
