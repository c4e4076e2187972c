"""Popularity: what training users did most, ever or lately.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.questions import Questions

LATELY = 28 * 86_400


class Popularity:
    """The same order for everybody.

    Args:
        shares: of the tokens, (V,).
        name: of the baseline.
    """

    def __init__(self, shares: np.ndarray, name: str = "popularity") -> None:
        self.shares, self.name = shares, name

    @classmethod
    def ever(cls, teaching: Teaching) -> Self:
        """What was most popular over all of the training time."""
        return cls(teaching.popularity)

    @classmethod
    def lately(cls, teaching: Teaching) -> Self:
        """What was most popular in the last four weeks; of an order without times, in its last tenth."""
        histories = teaching.histories
        seconds = histories.seconds[teaching.learned_from]
        start = np.quantile(seconds, 0.9) if teaching.ordered_alone else seconds.max() - LATELY
        known = teaching.learned_from & (histories.token >= 0) & (histories.seconds >= start)
        counts = np.bincount(histories.token[known], minlength=teaching.tokens)
        return cls(counts + teaching.popularity, "popularity of the last 4 weeks")

    def scores(self, asked: Questions) -> np.ndarray:
        """The shares, for every question."""
        return np.tile(self.shares, (len(asked), 1))
