"""Item-kNN: tokens that the same users do, by cosine, from each token of the history, the last ones most.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from itertools import product
from typing import Self

import numpy as np
from scipy import sparse

from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.questions import Questions

DECAYS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
TIE = 1e-9


class ItemKNN:
    """Cosine of tokens over the users who did them.

    Args:
        likeness: (V, V).
        popularity: which breaks ties, (V,).
        decay: what a token counts for each instant it is older.
        itself: whether a token is like itself, so that it may come again.
    """

    name = "item-kNN"

    def __init__(self, likeness: sparse.csr_array, popularity: np.ndarray, decay: float, *, itself: bool) -> None:
        self.popularity, self.decay, self.itself = popularity, decay, itself
        self.likeness = likeness if itself else likeness - sparse.diags_array(likeness.diagonal())

    @classmethod
    def fit(cls, teaching: Teaching) -> Self:
        """Compare tokens over training users; the decay, and whether tokens come again, are tuned."""
        histories = teaching.histories
        known = teaching.learned_from & (histories.token >= 0)
        pairs = (histories.user[known], histories.token[known])
        users = sparse.csr_array((np.ones(int(known.sum())), pairs), shape=(histories.users, teaching.tokens))
        users.data[:] = 1
        norms = np.sqrt(np.maximum(np.asarray(users.sum(0)).ravel(), 1e-12))
        scaled = sparse.csr_array(users @ sparse.diags_array(1 / norms))
        likeness = sparse.csr_array(scaled.T @ scaled)
        choices = list(product(DECAYS, (True, False)))

        def scores(choice: tuple[float, bool], asked: Questions) -> np.ndarray:
            return cls(likeness, teaching.popularity, choice[0], itself=choice[1]).scores(asked)

        decay, itself = teaching.best(choices, scores)
        return cls(likeness, teaching.popularity, decay, itself=itself)

    def scores(self, asked: Questions) -> np.ndarray:
        """The faded sum of likeness to the history."""
        likeness: np.ndarray = (asked.own(decay=self.decay) @ self.likeness).toarray() + TIE * self.popularity
        return likeness
