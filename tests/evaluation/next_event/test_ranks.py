"""Ranks: ties counted half, the best of a set, unknown tokens as misses, and columns by what was met."""

from __future__ import annotations

import numpy as np
import pytest

from findcli.evaluation.next_event.questions import first_after
from findcli.evaluation.next_event.ranks import compare, figure_values, ranks
from findcli.metrics import bootstrap_weights
from tests.evaluation.next_event.test_questions import histories

ASKED = first_after(histories(), 20, 10)  # true are tokens 1, met, and 2, new; the history is 0, 0, 1


@pytest.mark.parametrize(
    ("scores", "everything", "repeat", "new", "unmet"),
    [
        ([3, 2, 1], 2, 2, 3, 1),
        ([1, 2, 3], 1, 2, 1, 1),
        ([1, 1, 1], 1.5, 1.5, 1.5, 1),  # beside the true ones, one other: half of it is ahead
    ],
)
def test_the_best_ranked_of_the_set_counts_by_column(
    scores: list[int], everything: float, repeat: float, new: float, unmet: float
) -> None:
    ranked = ranks(np.array([scores], float), ASKED)
    assert [float(value[0]) for value in ranked.values()] == [everything, repeat, new, unmet]


def test_a_constant_scorer_wins_nothing() -> None:
    asked = first_after(histories(), 20, 10)
    values = figure_values(ranks(np.zeros((1, 3)), asked)["all"])
    assert values["HR@1"][0] == 0


def test_an_unknown_token_is_always_a_miss() -> None:
    unknown = first_after(histories(), 30, 10)
    ranked = ranks(np.array([[1.0, 2, 3]]), unknown)
    assert np.isinf(ranked["all"])
    assert np.isnan(ranked["repeat"])
    assert not any(value[0] for value in figure_values(ranked["all"]).values())


def test_differences_are_paired_over_users() -> None:
    columns = ("all", "repeat", "new", "new among unmet")
    good, bad = np.array([1.0, 1, 9]), np.array([4.0, 12, 9])
    by_method = {name: dict.fromkeys(columns, values) for name, values in (("good", good), ("bad", bad))}
    rows = compare(by_method, np.array([0, 0, 1]), bootstrap_weights(2, 50), against="good")
    bad_row = next(row for row in rows if row.method == "bad" and row.column == "all")
    assert bad_row.less["HR@10"].value == pytest.approx(1 / 3)
    assert bad_row.less["HR@1"].value == pytest.approx(2 / 3)
    assert bad_row.questions == 3
