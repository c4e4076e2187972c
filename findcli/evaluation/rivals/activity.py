"""Whoever bought much lately buys again, whatever it is: recency-weighted activity.

The decay was chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, window


@dataclass(frozen=True, kw_only=True)
class Activity:
    """All purchases of a user.

    Args:
        decay: what a purchase keeps of its worth a week.
    """

    decay: float = 0.9
    name = "activity"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """The same for every category: float32 (U, C)."""
        history = window(inputs.purchases, start=inputs.test_date - inputs.history, end=inputs.test_date)
        active = activity(history, inputs.users, at=inputs.test_date, decay=self.decay)
        return np.repeat(active[:, None], len(inputs.categories), axis=1)
