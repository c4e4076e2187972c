"""Truncated SVD of log counts, plus the log count itself and recent activity.

The settings were chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.low_rank import log_counts, svd_scores
from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, random_seed, window


@dataclass(frozen=True, kw_only=True)
class Svd:
    """Directions are fitted to the training users' purchases; other users are projected onto them.

    Args:
        rank: number of directions.
        decay: weekly decay of a purchase's weight.
        own: weight of the user's own log count.
        activity: weight of the log activity.
        activity_decay: weekly decay of a purchase's weight in the activity.
    """

    rank: int = 16
    decay: float = 1.0
    own: float = 1.0
    activity: float = 0.1
    activity_decay: float = 0.9
    name = "svd"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Reconstructed log counts plus the weighted own log count and log activity, float32 (U, C)."""
        at = inputs.test_date
        history = window(inputs.purchases, start=at - inputs.history, end=at)
        counts = log_counts(
            history, inputs.training_users, inputs.users, list(inputs.categories), at=at, decay=self.decay
        )
        low_rank = svd_scores(counts, rank=self.rank, seed=random_seed(inputs.seed, self.name))
        active = np.log1p(activity(history, inputs.users, at=at, decay=self.activity_decay))[:, None]
        scores: np.ndarray = low_rank + self.own * counts.evaluated[:, counts.wanted] + self.activity * active
        return scores.astype(np.float32)
