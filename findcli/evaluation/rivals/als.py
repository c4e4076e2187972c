"""Alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008), plus own counts and recent activity.

The settings were chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

from findcli.evaluation.rivals.low_rank import als_scores, log_counts
from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, random_seed, window


@dataclass(frozen=True, kw_only=True)
class Als:
    """Category factors are fitted to the training users; other users' factors are solved for.

    Args:
        rank: width of the factors.
        decay: weekly decay of a purchase's weight.
        confidence: weight of a log count relative to an empty cell.
        penalty: L2 penalty of the factors.
        sweeps: number of alternations.
        own: weight of the user's own log count, added to the standardised score.
        activity: weight of the standardised log activity, added to the standardised score.
        activity_decay: weekly decay of a purchase's weight in the activity.
    """

    rank: int = 16
    decay: float = 0.97
    confidence: float = 2.0
    penalty: float = 15.0
    sweeps: int = 10
    own: float = 3.0
    activity: float = 0.2
    activity_decay: float = 0.8
    name = "als"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """The standardised score plus the weighted activity and own log count, float32 (U, C).

        Raises:
            FindCLIError: the package `implicit` is not installed.
        """
        at = inputs.test_date
        history = window(inputs.purchases, start=at - inputs.history, end=at)
        counts = log_counts(
            history, inputs.training_users, inputs.users, list(inputs.categories), at=at, decay=self.decay
        )
        liked, learned = als_scores(
            counts, rank=self.rank, confidence=self.confidence, penalty=self.penalty, sweeps=self.sweeps,
            seed=random_seed(inputs.seed, self.name),
        )  # fmt: skip
        active, others = (
            np.log1p(activity(history, ids, at=at, decay=self.activity_decay))[:, None]
            for ids in (inputs.users, inputs.training_users)
        )
        scores: np.ndarray = _standard(liked, like=learned) + self.activity * _standard(active, like=others)
        return (scores + self.own * counts.evaluated[:, counts.wanted]).astype(np.float32)


def _standard(values: np.ndarray, *, like: np.ndarray) -> np.ndarray:
    """Standardise each column by the mean and deviation of `like`'s."""
    scaled: np.ndarray = StandardScaler().fit(like).transform(values)
    return scaled
