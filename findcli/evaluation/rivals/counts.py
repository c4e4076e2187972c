"""Rank by the user's count of the category, with ties broken by recent activity.

The settings were chosen on the tuning splits of Complete Journey. There, a weight that decays with age ranks
worse than none: it leaves fewer ties for the activity to break.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, decayed_counts, window, with_ties_by


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Count a user's purchases of the category.

    Args:
        decay: weekly decay of a purchase's weight; 1 counts purchases.
        activity_decay: the same for the activity that breaks ties.
    """

    decay: float = 1.0
    activity_decay: float = 0.9
    name = "counts"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Ranks, float32 (U, C)."""
        at, users = inputs.test_date, inputs.users
        history = window(inputs.purchases, start=at - inputs.history, end=at)
        counts = decayed_counts(history, users, inputs.categories, at=at, decay=self.decay)
        return with_ties_by(counts, activity(history, users, at=at, decay=self.activity_decay))
