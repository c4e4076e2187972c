"""Truncated SVD of log counts, plus the log count itself and recent activity.

The settings were chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals import inputs
from findcli.evaluation.rivals.inputs import RankingInputs
from findcli.evaluation.rivals.low_rank import log_counts, svd_scores


@dataclass(frozen=True, kw_only=True)
class Svd:
    """Directions of the training users' purchases, others folded in.

    Args:
        rank: directions.
        decay: what a purchase keeps of its worth a week.
        own: weight of the user's own log count.
        activity: weight of the log activity.
        activity_decay: what a purchase keeps of its worth a week in the activity.
    """

    rank: int = 16
    decay: float = 1.0
    own: float = 1.0
    activity: float = 0.1
    activity_decay: float = 0.9
    name = "svd"
    version = 2

    def scores(self, given: RankingInputs) -> np.ndarray:
        """Reconstructed log counts plus the user's own and the log activity, float32 (U, C)."""
        at = given.test_date
        history = inputs.window(given.purchases, start=at - given.history, end=at)
        counts = log_counts(history, given.training_users, given.users, list(given.categories), at=at, decay=self.decay)
        found = svd_scores(counts, rank=self.rank, seed=inputs.random_seed(given.seed, self.name))
        active = np.log1p(inputs.activity(history, given.users, at=at, decay=self.activity_decay))[:, None]
        scores: np.ndarray = found + self.own * counts.own[:, counts.wanted] + self.activity * active
        return scores.astype(np.float32)
