"""Ranks of what came next among all tokens, and their figures: hit rates and NDCG, with intervals over users.

The rank of a token is 1 + the number of tokens strictly above it + half of those beside it, so that a constant score
wins nothing. Of a set, its best-ranked member counts. A token outside the vocabulary is always a miss.

Legend: Q questions, V tokens, R bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from findcli.evaluation.next_event.questions import Questions
from findcli.metrics import Interval, interval

COLUMNS = ("all", "repeat", "new", "new among unmet")
FIGURES = ("HR@1", "HR@5", "HR@10", "NDCG@10")


def ranks(scores: np.ndarray, asked: Questions) -> dict[str, np.ndarray]:
    """The best rank of what came next, by column.

    Args:
        scores: of every token, (Q, V).
        asked: Q questions.

    Returns:
        For each of `COLUMNS` float64 (Q,): infinite where all was outside the vocabulary, NaN where a question has no
        such token. "new among unmet" ranks among the tokens that are not in the history.
    """
    place = _ranks_of(scores, asked)
    met = asked.met
    columns = {"all": _best(place, asked, np.ones(len(place), bool)), "repeat": _best(place, asked, met)}
    columns["new"] = _best(place, asked, ~met)
    columns["new among unmet"] = _best(_ranks_of(scores, asked, unmet=True), asked, ~met)
    return columns


def best_ranks(scores: np.ndarray, asked: Questions) -> np.ndarray:
    """The column "all" of `ranks` alone, (Q,)."""
    return _best(_ranks_of(scores, asked), asked, np.ones(len(asked.token), bool))


def _ranks_of(scores: np.ndarray, asked: Questions, *, unmet: bool = False) -> np.ndarray:
    """The rank of each true token among all, or among those that are not in the history: (M,)."""
    question, token, _ = asked.events
    histories = np.searchsorted(question, np.arange(len(asked) + 1))
    place = np.full(len(asked.token), np.inf)
    bounds = np.searchsorted(asked.question, np.arange(len(asked) + 1))
    for row in range(len(asked)):
        members = np.arange(bounds[row], bounds[row + 1])
        members = members[asked.token[members] >= 0]
        if not len(members):
            continue
        of_row = scores[row]
        if unmet:
            of_row = of_row.astype(np.float64)
            of_row[token[histories[row] : histories[row + 1]]] = -np.inf
        wanted = of_row[asked.token[members]]
        above = (of_row > wanted[:, None]).sum(1)
        beside = (of_row == wanted[:, None]).sum(1) - (wanted[:, None] == wanted).sum(1)
        place[members] = 1 + above + beside / 2
    return place


def _best(place: np.ndarray, asked: Questions, counts: np.ndarray) -> np.ndarray:
    """The least rank of each question's tokens that count, NaN without one: (Q,)."""
    best = np.full(len(asked), np.inf)
    np.minimum.at(best, asked.question[counts], place[counts])
    has = np.bincount(asked.question[counts], minlength=len(asked)) > 0
    return np.where(has, best, np.nan)


def figure_values(ranked: np.ndarray) -> dict[str, np.ndarray]:
    """What each question contributes to each of `FIGURES`: (Q,), NaN where it is not asked."""
    absent = np.isnan(ranked)
    values = {f"HR@{k}": (ranked <= k).astype(float) for k in (1, 5, 10)}
    values["NDCG@10"] = np.where(ranked <= 10, 1 / np.log2(1 + np.maximum(ranked, 1)), 0.0)
    return {name: np.where(absent, np.nan, value) for name, value in values.items()}


@dataclass(frozen=True)
class Figures:
    """One method's figures in one column.

    Attributes:
        method: its name.
        column: one of `COLUMNS`.
        questions: how many were asked.
        values: each figure with its interval.
        less: each figure less that of the method compared with, with its interval.
    """

    method: str
    column: str
    questions: int
    values: Mapping[str, Interval]
    less: Mapping[str, Interval]


def compare(
    by_method: Mapping[str, Mapping[str, np.ndarray]], users: np.ndarray, weights: np.ndarray, *, against: str
) -> list[Figures]:
    """Every method's figures, and the differences of one method from each, on the same resampled users.

    Args:
        by_method: the ranks of each method by column, (Q,).
        users: which of N users each question is of, int64 (Q,).
        weights: how often each user counts, the first row all ones, (1 + R, N).
        against: the method whose difference from each is given.
    """
    rows = []
    for column in COLUMNS:
        asked = ~np.isnan(by_method[against][column])
        counted = weights[:, users[asked]].astype(float)  # (1 + R, Q')
        total = np.maximum(counted.sum(1), 1e-9)
        means = {
            method: {name: counted @ value[asked] / total for name, value in figure_values(columns[column]).items()}
            for method, columns in by_method.items()
        }
        for method, values in means.items():
            figures = {name: interval(value) for name, value in values.items()}
            less = {name: interval(means[against][name] - value) for name, value in values.items()}
            rows.append(Figures(method, column, int(asked.sum()), figures, less))
    return rows
