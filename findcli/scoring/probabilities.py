"""Probabilities of log odds that the ranker gave to questions about concepts, by the lines of `findcli align`.

Tested in tests/models/ranker/test_user_snapshot.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from findcli.data.questions import Question
from findcli.models.ranker.queries import NAMED, Pick, Query, kind_of
from findcli.models.ranker.reliability import ALL, to_probabilities
from findcli.models.trained import TrainedModel

FILE = "calibration.json"


class Calibrator:
    """Turns log odds into probabilities, for the users of one population.

    Args:
        model: gives the lines.
        rows: the row of each concept by its text.
        population: gives the log odds of the population's active users for a query, (n, Q).
    """

    def __init__(self, model: TrainedModel, rows: dict[str, int], population: Callable[[Query], np.ndarray]) -> None:
        self.lines = model.aligned.json(FILE) if model.aligned.files(FILE) else {}
        self.rows, self._population = rows, population
        self._means: dict[Question, float] = {}

    def kinds(self, questions: Sequence[Question], picks: Sequence[Pick], query: Query) -> list[str]:
        """The kind of lesson that each question is like; empty where it names what is no concept, or nothing fits."""
        return [
            kind_of(pick, anything=self.rows.get(question.sentences[0]) == query.scopes[i])
            if self._is_known(question, pick, float(query.nearest[i]))
            else ""
            for i, (question, pick) in enumerate(zip(questions, picks, strict=True))
        ]

    def probabilities(
        self, odds: np.ndarray, questions: Sequence[Question], kinds: Sequence[str], query: Query
    ) -> np.ndarray:
        """Calibrated probabilities, float64 (N, Q); NaN where a question is of no kind."""
        likely = np.full(odds.shape, np.nan)
        if self.lines and any(kinds):
            means = self._means_of(questions, query)
            for i, kind in enumerate(kinds):
                if kind:
                    line = self.lines.get(kind, self.lines[ALL])
                    likely[:, i] = to_probabilities(odds[:, i], line, mean=means[i])
        return likely

    def place(self, questions: Sequence[Question], odds: np.ndarray) -> None:
        """Keep the mean log odds of the active users, (n, Q), for each question: others are placed among them."""
        self._means |= dict(zip(questions, map(float, odds.astype(np.float64).mean(0)), strict=True))

    def _is_known(self, question: Question, pick: Pick, nearest: float) -> bool:
        return all(text in self.rows for text in question.sentences) or (pick.members is None and nearest >= NAMED)

    def _means_of(self, questions: Sequence[Question], query: Query) -> np.ndarray:
        """The mean log odds of the active users for each question, (Q,)."""
        if any(question not in self._means for question in questions):
            self.place(questions, self._population(query))
        return np.array([self._means[question] for question in questions])
