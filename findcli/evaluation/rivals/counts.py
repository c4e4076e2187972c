"""Whoever bought a category buys it again: its count, ties by recent activity.

The settings were chosen on the tuning splits of Complete Journey. There a weight that falls with age ranks worse than
none: it leaves fewer ties for the activity to break.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, decayed_counts, window, with_ties_by


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A user's purchases of the category.

    Args:
        decay: what a purchase keeps of its worth a week; 1 counts.
        activity_decay: the same, of the activity that breaks ties.
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
