"""A user's own history: the last token, the most frequent, and counts that fade; ties by popularity.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.questions import Questions

DECAYS = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.6)
TIE = 1e-6


class OwnCounts:
    """Counts of a user's own tokens.

    Args:
        name: of the baseline.
        popularity: which breaks ties, (V,).
        decay: what an event counts for each instant it is older.
        last_only: whether the last instant alone counts.
    """

    def __init__(self, name: str, popularity: np.ndarray, *, decay: float = 1.0, last_only: bool = False) -> None:
        self.name, self.popularity, self.decay, self.last_only = name, popularity, decay, last_only

    @classmethod
    def last(cls, teaching: Teaching) -> Self:
        """The tokens of the last instant."""
        return cls("last token", teaching.popularity, last_only=True)

    @classmethod
    def frequent(cls, teaching: Teaching) -> Self:
        """The most frequent token of the history."""
        return cls("most frequent own token", teaching.popularity)

    @classmethod
    def recent(cls, teaching: Teaching) -> Self:
        """Counts that fade, at the rate that is best on the tuning questions."""

        def scores(decay: float, asked: Questions) -> np.ndarray:
            return cls("", teaching.popularity, decay=decay).scores(asked)

        decay = teaching.best(DECAYS, scores)
        return cls("own recency counts", teaching.popularity, decay=decay)

    def scores(self, asked: Questions) -> np.ndarray:
        """The counts, plus next to nothing of the popularity."""
        counts: np.ndarray = asked.own(decay=self.decay, last_only=self.last_only).toarray() + TIE * self.popularity
        return counts
