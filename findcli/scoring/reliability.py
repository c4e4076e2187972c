"""Probabilities, and for how many users a demand comes true, with an interval, from what `findcli align` measured.

The sum of probabilities errs with depth, and sentences differ by more than chance: a season, a promotion. Both are
measured on validation users before the outcome window (`models/ranker/reliability.py`) and stored as
`reliability.parquet`. Here they correct the sum at any depth and give the interval.

Legend: N ranked users, best first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.data.questions import Question
from findcli.errors import FindCLIError
from findcli.models.ranker.queries import NAMED, Pick, Query, kind_of
from findcli.models.ranker.reliability import ALL, shift, to_probabilities
from findcli.models.trained import TrainedModel

FILE, LINES = "reliability.parquet", "calibration.json"


@dataclass(frozen=True)
class Expected:
    """How many of the best K users, for each of some K, a demand is expected to come true for.

    Attributes:
        users: K, (n,).
        responders: the expectation, (n,).
        low: of the 90 % interval, (n,).
        high: of the 90 % interval, (n,).
        surely: at least so many, but for one sentence in ten, (n,).
    """

    users: np.ndarray
    responders: np.ndarray
    low: np.ndarray
    high: np.ndarray
    surely: np.ndarray


@dataclass(frozen=True)
class Reliability:
    """What was measured at some depths, each a share of the population, ascending.

    Attributes:
        share: the depths, (D,).
        bias: what log odds lack, on average, (D,).
        spread: by how much sentences differ beyond chance, in log odds, (D,).
        low: 5 % of the sentences were further below the expectation, in standard deviations, (D,).
        least: 10 % were, (D,).
        high: 5 % were further above it, (D,).
    """

    share: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    low: np.ndarray
    least: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, model: TrainedModel, kind: str) -> Reliability | None:
        """That of a trained model for one kind of lesson.

        Args:
            model: the model.
            kind: of `Scored.kinds`; demands of several questions have none, and nothing was measured of them.

        Returns:
            None if nothing was measured, or too little came true of the validation users.
        """
        if not kind or not model.aligned.files(FILE):
            return None
        table = model.aligned.table(FILE)
        rows = table.filter(pl.col("kind") == (kind if kind in table["kind"] else ALL))
        if rows.is_empty():
            return None
        return cls(*(rows[name].to_numpy() for name in ("share", "bias", "spread", "low", "least", "high")))

    def expected(self, probabilities: pl.Series | np.ndarray, users: np.ndarray) -> Expected:
        """How many of the best users respond.

        Args:
            probabilities: of the N ranked users, best first.
            users: K, whole numbers from 1 to N, (n,).
        """
        p = np.asarray(probabilities, np.float64)
        sums, chance = np.cumsum(p)[users - 1], np.cumsum(p * (1 - p))[users - 1]
        depth = np.log(users / len(p))
        bias, spread, low, least, high = (
            np.interp(depth, np.log(self.share), each)
            for each in (self.bias, self.spread, self.low, self.least, self.high)
        )
        responders = shift(sums, users, bias)
        deviation = np.sqrt(chance + (spread * responders * (1 - responders / users)) ** 2)
        bounds = (np.clip(responders + far * deviation, 0, users) for far in (low, high, least))
        return Expected(users, responders, *bounds)


class Calibrator:
    """Turns log odds into probabilities, for the users of one population.

    Args:
        model: gives the lines.
        rows: the row of each concept by its text.
        population: gives the log odds of the population's active users for a query, (n, Q).

    Raises:
        FindCLIError: the lines are those of an earlier findcli.
    """

    def __init__(self, model: TrainedModel, rows: dict[str, int], population: Callable[[Query], np.ndarray]) -> None:
        self.lines = model.aligned.json(LINES) if model.aligned.files(LINES) else {}
        if any("between" not in line for line in self.lines.values()):
            hint = "train it again with: findcli align --force"
            raise FindCLIError(
                f"the probabilities of {model.aligned.folder} are those of an earlier findcli", hint=hint
            )
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
