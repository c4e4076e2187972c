"""Truncated SVD of log recency counts, plus half the log count itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.baselines import inputs
from findcli.baselines.inputs import RankingInputs
from findcli.baselines.low_rank import log_counts, svd_scores


@dataclass(frozen=True, kw_only=True)
class Svd:
    """Directions of the training users' purchases, others folded in.

    Args:
        rank: directions.
        decay: what a purchase keeps of its worth a week.
        own: weight of the user's own log count.
    """

    rank: int = 8
    decay: float = 0.9
    own: float = 0.5
    name = "svd"
    version = 1

    def scores(self, given: RankingInputs) -> np.ndarray:
        """Reconstructed log counts plus the user's own, float32 (U, C)."""
        at = given.test_date
        history = inputs.window(given.purchases, start=at - given.history, end=at)
        counts = log_counts(history, given.training_users, given.users, list(given.categories), at=at, decay=self.decay)
        found = svd_scores(counts, rank=self.rank, seed=inputs.random_seed(given.seed, self.name))
        scores: np.ndarray = found + np.float32(self.own) * counts.own[:, counts.wanted]
        return scores
