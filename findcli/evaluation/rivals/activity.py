"""Whoever bought much lately buys again, whatever it is: recency-weighted activity.

The decay was chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals import inputs
from findcli.evaluation.rivals.inputs import RankingInputs


@dataclass(frozen=True, kw_only=True)
class Activity:
    """All purchases of a user.

    Args:
        decay: what a purchase keeps of its worth a week.
    """

    decay: float = 0.9
    name = "activity"
    version = 2

    def scores(self, given: RankingInputs) -> np.ndarray:
        """The same for every category: float32 (U, C)."""
        history = inputs.window(given.purchases, start=given.test_date - given.history, end=given.test_date)
        found = inputs.activity(history, given.users, at=given.test_date, decay=self.decay)
        return np.repeat(found[:, None], len(given.categories), axis=1)
