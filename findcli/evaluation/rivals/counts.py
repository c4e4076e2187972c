"""Whoever bought a category buys it again: its count, ties by recent activity.

The settings were chosen on the tuning splits of Complete Journey. There a weight that falls with age ranks worse than
none: it leaves fewer ties for the activity to break.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals import inputs
from findcli.evaluation.rivals.inputs import RankingInputs


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

    def scores(self, given: RankingInputs) -> np.ndarray:
        """Ranks, float32 (U, C)."""
        at, users = given.test_date, given.users
        history = inputs.window(given.purchases, start=at - given.history, end=at)
        counts = inputs.decayed_counts(history, users, given.categories, at=at, decay=self.decay)
        return inputs.with_ties_by(counts, inputs.activity(history, users, at=at, decay=self.activity_decay))
