"""Calibration of probabilities, pooled over all pairs of a user and a category.

Tested in tests/evaluation/benchmark/test_figures.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

BINS = 15
SMALLEST = 1e-6


@dataclass(frozen=True)
class Calibration:
    """How good one ranker's probabilities are, over seen or held-out categories.

    Attributes:
        by: name of the ranker.
        column: "seen" or "held-out".
        pairs: number of pairs of a user and a category.
        brier_skill: 1 minus the ratio of the Brier score to that of the base rates known at the test date.
        log_loss_skill: the same for the log loss.
        slope: of a logistic regression of the truth on the log odds; below 1 they are too extreme, above 1 too
            cautious.
        intercept: of the same regression; 0 if the odds are neither too low nor too high.
        error: mean absolute difference of mean probability and mean truth, over bins with equal numbers of pairs.
    """

    by: str
    column: str
    pairs: int
    brier_skill: float
    log_loss_skill: float
    slope: float
    intercept: float
    error: float


def calibration(
    by: str, column: str, probabilities: np.ndarray, truth: np.ndarray, base_rates: np.ndarray
) -> Calibration:
    """Measure one ranker.

    Args:
        by: its name.
        column: which categories these are.
        probabilities: of every pair, (P,).
        truth: bool (P,), with both values.
        base_rates: base rate of each pair's category, known at the test date, (P,).
    """
    predicted, base = (np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST) for p in (probabilities, base_rates))
    odds = logit(predicted)[:, None]
    line = LogisticRegression(C=np.inf).fit(odds, truth)
    return Calibration(
        by, column, len(truth),
        1 - brier_score_loss(truth, predicted) / brier_score_loss(truth, base),
        1 - log_loss(truth, predicted) / log_loss(truth, base),
        float(line.coef_[0, 0]), float(line.intercept_[0]), calibration_error(predicted, truth),
    )  # fmt: skip


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, *, bins: int = BINS) -> float:
    """Mean absolute difference of mean probability and mean truth, over bins with equal numbers of pairs.

    Args:
        probabilities: (P,).
        truth: bool (P,).
        bins: number of bins, at most.
    """
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(part) * abs(probabilities[part].mean() - truth[part].mean()) for part in parts]
    return float(np.sum(gaps) / len(order))


def pooled(pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of several splits, concatenated: probabilities, truth and base rates, (P,) each."""
    probabilities, truth, base = zip(*pairs, strict=True)
    return np.concatenate(probabilities), np.concatenate(truth), np.concatenate(base)
