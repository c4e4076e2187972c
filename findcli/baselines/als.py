"""Alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008), plus recent activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import zscore
from threadpoolctl import threadpool_limits

from findcli.baselines import inputs
from findcli.baselines.inputs import RankingInputs
from findcli.baselines.low_rank import LogCounts, log_counts
from findcli.errors import FindCLIError


@dataclass(frozen=True, kw_only=True)
class Als:
    """Factors of categories from the training users; other users are solved for.

    Args:
        rank: width of the factors.
        decay: what a purchase keeps of its worth a week.
        confidence: how much a log count weighs beside an empty cell.
        penalty: of the factors' squares.
        sweeps: alternations.
        activity: weight of the standardised log activity beside the standardised score.
        activity_decay: what a purchase keeps of its worth a week in the activity.
    """

    rank: int = 16
    decay: float = 0.9
    confidence: float = 2.0
    penalty: float = 1.0
    sweeps: int = 10
    activity: float = 0.5
    activity_decay: float = 0.8
    name = "als"
    version = 1

    def scores(self, given: RankingInputs) -> np.ndarray:
        """Standardised a category, float32 (U, C).

        Raises:
            FindCLIError: the package `implicit` is not installed.
        """
        at = given.test_date
        history = inputs.window(given.purchases, start=at - given.history, end=at)
        counts = log_counts(history, given.training_users, given.users, list(given.categories), at=at, decay=self.decay)
        liked = self._liked(counts, seed=inputs.random_seed(given.seed, self.name))
        active = np.log1p(inputs.activity(history, given.users, at=at, decay=self.activity_decay))  # (U,)
        found: np.ndarray = _standard(liked) + self.activity * _standard(active[:, None])
        return found.astype(np.float32)

    def _liked(self, counts: LogCounts, *, seed: int) -> np.ndarray:
        """The factors' products, (U, C)."""
        with threadpool_limits(1, "blas"):  # it warns otherwise
            model = _implicit().AlternatingLeastSquares(
                factors=self.rank, regularization=self.penalty, alpha=self.confidence, iterations=self.sweeps,
                use_gpu=False, num_threads=1, random_state=seed,
            )  # fmt: skip
            model.fit(csr_matrix(counts.training), show_progress=False)
            users = model.recalculate_user(np.arange(len(counts.own)), csr_matrix(counts.own))  # (U, rank)
        liked: np.ndarray = users @ model.item_factors[counts.wanted].T
        return liked


def _standard(values: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and deviation 1; 0 where it does not vary."""
    varied = values.std(0) > 0
    found = np.zeros_like(values)
    found[:, varied] = zscore(values[:, varied], axis=0)
    return found


def _implicit() -> Any:
    try:
        from implicit import als
    except ImportError as error:
        raise FindCLIError(
            "the rival als needs the package implicit", hint='pip install "findcli[benchmark]"'
        ) from error
    return als
