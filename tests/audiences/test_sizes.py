"""Sizes: what they bring grows with them, and goals make an audience as large as they allow."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.select import rank
from findcli.audiences.sizes import Goal, likely_at_depth, size_of, sizes
from findcli.errors import FindCLIError
from findcli.scoring.reliability import Reliability
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code
from tests.scoring.test_reliability import reliability

CHANCES = st.lists(st.floats(0.001, 0.99), min_size=1, max_size=300)


def ranking(p: list[float]) -> pl.DataFrame:
    likely = np.sort(np.array(p))[::-1]
    return rank(pl.Series(range(len(p))), np.arange(len(p), 0, -1.0), likely)


@given(CHANCES)
def test_more_users_bring_more_responders_and_less_precision(p: list[float]) -> None:
    rows = sizes(ranking(p), reliability())
    assert [row.users for row in rows] == sorted({row.users for row in rows})
    assert all(one.responders <= other.responders + 1e-9 for one, other in pairwise(rows))
    assert all(one.precision >= other.precision - 1e-9 for one, other in pairwise(rows))
    assert rows[-1].users == len(p)


def test_without_a_probability_there_is_no_number() -> None:
    ranked = rank(pl.Series([1, 2]), np.array([1.0, 0.5]))
    assert sizes(ranked, reliability()) == []
    assert size_of(ranked, 2, reliability()) is None
    assert size_of(ranking([0.5, 0.4]), 2, None) is None


@given(CHANCES, st.floats(0.05, 0.9))
def test_a_precision_takes_the_largest_size_that_surely_keeps_it(p: list[float], precision: float) -> None:
    ranked, measured = ranking(p), reliability()
    try:
        most = Goal(precision=precision).most(ranked, measured)
    except FindCLIError:
        most = 0
    if most:
        size = size_of(ranked, most, measured)
        assert size is not None
        assert size.surely / most >= precision
    everyone = size_of(ranked, len(p), measured)
    assert everyone is not None
    assert (most == len(p)) == (everyone.surely / len(p) >= precision)


def test_a_budget_buys_as_many_messages_as_it_pays_for_even_without_probabilities() -> None:
    ranked = rank(pl.Series(range(100)), np.arange(100.0))
    assert Goal(budget=10, cost=0.1).most(ranked, None) == 100
    assert Goal(budget=0.3, cost=0.1).most(ranked, None) == 3


@given(CHANCES)
def test_nobody_is_kept_who_costs_more_than_he_brings(p: list[float]) -> None:
    ranked, measured = ranking(p), reliability()
    goal = Goal(cost=1, value=4)
    assert goal.break_even == 0.25
    likely = likely_at_depth(ranked, measured)
    most = goal.most(ranked, measured)
    assert (likely[:most] >= 0.25).all()
    assert (likely[most:] < 0.25).all()


@pytest.mark.parametrize(
    "aims",
    [
        {"budget": 5.0},
        {"cost": 1.0},
        {"value": 2.0},
        {"precision": 1.5},
        {"precision": -0.1},
        {"budget": 0.0, "cost": 1.0},
    ],
)
def test_figures_that_do_not_go_together_are_refused(aims: dict[str, float]) -> None:
    with pytest.raises(FindCLIError) as error:
        Goal(**aims)
    assert error.value.hint


def test_a_goal_that_needs_probabilities_says_so() -> None:
    ranked = rank(pl.Series([1, 2]), np.array([1.0, 0.5]))
    with pytest.raises(FindCLIError, match="no expected number"):
        Goal(precision=0.3).most(ranked, None)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a model of sixty users had enough of them to measure."""
    monkeypatch.setattr(Reliability, "of", lambda *_: reliability())


@pytest.mark.usefixtures("measured")
def test_size_and_the_first_lines_of_target_tell_the_same(
    trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--workspace", str(trained_workspace.folder), "--as-of", "2024-09-09", "--device", "cpu"]
    assert exit_code("size", "The user purchased tea.", "--percents", "20", "--json", *here) == 0
    (row,) = json.loads(capsys.readouterr().out)["sizes"]
    assert exit_code("target", "The user purchased tea.", "--top-percent", "20", "--json", *here) == 0
    (audience,) = json.loads(capsys.readouterr().out)
    assert audience["expected"] == row
    assert audience["selected"] == row["users"]
    assert exit_code("target", "The user purchased tea.", "--top-percent", "20", *here) == 0
    printed = capsys.readouterr().out
    assert f"expected to come true for {row['responders']:,.0f}" in printed
    assert exit_code("size", "The user purchased tea.", *here) == 0
    assert "90 % interval" in capsys.readouterr().out


@pytest.mark.usefixtures("measured")
def test_a_budget_and_its_break_even_are_said(trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    here = ["--workspace", str(trained_workspace.folder), "--as-of", "2024-09-09", "--device", "cpu"]
    words = ["target", "The user purchased tea.", "--budget", "3", "--cost", "0.5", "--value", "100", *here]
    assert exit_code(*words) == 0
    printed = capsys.readouterr().out
    assert "6 messages cost 3.00 of 3.00" in printed
    assert "a chance of 0.5%" in printed
