"""Rank by recency-weighted activity: users who bought much lately buy again, whatever it is.

The decay was chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, window


@dataclass(frozen=True, kw_only=True)
class Activity:
    """All purchases of a user, weighted by recency.

    Args:
        decay: weekly decay of a purchase's weight.
    """

    decay: float = 0.9
    name = "activity"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Scores, the same for every category: float32 (U, C)."""
        history = window(inputs.purchases, start=inputs.test_date - inputs.history, end=inputs.test_date)
        active = activity(history, inputs.users, at=inputs.test_date, decay=self.decay)
        return np.repeat(active[:, None], len(inputs.categories), axis=1)
