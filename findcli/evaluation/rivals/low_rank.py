"""Low-rank scores, from log recency counts of the training and the evaluated users.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.ranking_inputs import decayed_counts


@dataclass(frozen=True)
class LogCounts:
    """Log recency counts of every category in the histories.

    Attributes:
        training: those of the training users, float32 (N, K).
        evaluated: those of the evaluated users, float32 (U, K).
        wanted: the column of each category to score, int (C,).
    """

    training: np.ndarray
    evaluated: np.ndarray
    wanted: np.ndarray


def log_counts(
    history: pl.DataFrame, training: pl.Series, users: pl.Series, categories: list[str], *, at: datetime, decay: float
) -> LogCounts:
    """Count the histories.

    Args:
        history: the purchases of one window that ends at `at`.
        training: users that factors may be fitted to, (N,).
        users: users to score, (U,).
        categories: the categories to score, (C,); those that nobody bought become columns of zeros.
        at: the instant that ages are counted to.
        decay: weekly decay of a purchase's weight.
    """
    names = sorted({*history["category"].unique(), *categories})
    column = {name: i for i, name in enumerate(names)}
    fitted, evaluated = (np.log1p(decayed_counts(history, ids, names, at=at, decay=decay)) for ids in (training, users))
    return LogCounts(fitted, evaluated, np.array([column[name] for name in categories], np.int64))


def svd_scores(counts: LogCounts, *, rank: int, seed: int) -> np.ndarray:
    """Reconstruct the evaluated users' log counts from the leading directions of the training users'.

    Args:
        counts: of the training and the evaluated users.
        rank: number of directions kept, fewer if there are fewer categories.
        seed: seed of the randomised solver.

    Returns:
        float32 (U, C).
    """
    model = TruncatedSVD(min(rank, counts.training.shape[1] - 1), random_state=seed).fit(counts.training)
    scores: np.ndarray = model.transform(counts.evaluated) @ model.components_[:, counts.wanted]
    return scores.astype(np.float32)


def als_scores(
    counts: LogCounts, *, rank: int, confidence: float, penalty: float, sweeps: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Score users by factors of implicit feedback, fitted to the training users (Hu, Koren and Volinsky 2008).

    Args:
        counts: of the training and the evaluated users.
        rank: width of the factors.
        confidence: weight of a log count relative to an empty cell.
        penalty: L2 penalty of the factors.
        sweeps: number of alternations.
        seed: seed of the initial factors.

    Returns:
        Scores of the evaluated users, float32 (U, C), and of the training users, float32 (N, C).

    Raises:
        FindCLIError: the package `implicit` is not installed.
    """
    with threadpool_limits(1, "blas"):  # it warns otherwise
        model = _implicit().AlternatingLeastSquares(
            factors=rank, regularization=penalty, alpha=confidence, iterations=sweeps, use_gpu=False, num_threads=1,
            random_state=seed,
        )  # fmt: skip
        model.fit(csr_matrix(counts.training), show_progress=False)
        users = model.recalculate_user(np.arange(len(counts.evaluated)), csr_matrix(counts.evaluated))  # (U, rank)
    items = model.item_factors[counts.wanted].T  # (rank, C)
    return users @ items, model.user_factors @ items


def _implicit() -> Any:
    try:
        from implicit import als
    except ImportError as error:
        raise FindCLIError(
            "alternating least squares needs the package implicit", hint='pip install "findcli[benchmark]"'
        ) from error
    return als
