"""How good scores are: AUC and KS, with intervals by bootstrap over users, and recall at k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def auc_by_column(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The area under the ROC curve of each column, ties counted half.

    Args:
        scores: (N, S).
        truth: bool (N, S).

    Returns:
        (S,), NaN where a column has no positive or no negative.
    """
    positives = truth.sum(0)
    negatives = len(truth) - positives
    rank_sums = (rankdata(scores, axis=0) * truth).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        area: np.ndarray = (rank_sums - positives * (positives + 1) / 2) / (positives * negatives)
    return np.where((positives > 0) & (negatives > 0), area, np.nan)


def weighted_auc_ks(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC and Kolmogorov-Smirnov statistic under many weightings of the same users at once.

    Args:
        scores: (N,).
        truth: bool (N,).
        weights: non-negative, (R, N).

    Returns:
        AUC (R,) and KS (R,); NaN where a weighting leaves no positive or no negative.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    weighted = weights[:, order]
    hits = np.where(truth[order], weighted, 0).cumsum(1)[:, last_of_ties]  # (R, distinct scores)
    alarms = np.where(truth[order], 0, weighted).cumsum(1)[:, last_of_ties]
    with np.errstate(invalid="ignore", divide="ignore"):
        tpr, fpr = hits / hits[:, -1:], alarms / alarms[:, -1:]
    auc = np.trapezoid(np.pad(tpr, ((0, 0), (1, 0))), np.pad(fpr, ((0, 0), (1, 0))), axis=1)
    return auc, np.maximum(tpr - fpr, 0).max(1)


@dataclass(frozen=True)
class Selection:
    """What selecting the best users comes to, under R weightings of them; each (R,).

    Attributes:
        average_precision: area under the precision-recall curve, no user selected by a threshold.
        lift: share of positives in the best tenth over that among all.
        accuracy, precision, recall: of selecting as large a share as are positive, which makes the last two equal
            but for the last user.
    """

    average_precision: np.ndarray
    lift: np.ndarray
    accuracy: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


def weighted_selection(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> Selection:
    """Measure selections under many weightings of the same users at once; of ties the first come first.

    Args:
        scores: (N,).
        truth: bool (N,).
        weights: non-negative, (R, N); NaN where a weighting leaves no positive.
    """
    order = np.argsort(-scores, kind="stable")
    weighted = weights[:, order].astype(np.float64)
    hits = np.where(truth[order], weighted, 0).cumsum(1)
    chosen = weighted.cumsum(1)
    total, positives = chosen[:, -1], hits[:, -1]
    at_each = np.where(truth[order], weighted, 0) * hits / np.maximum(chosen, 1e-12)
    rows = np.arange(len(weights))
    tenth = (chosen < 0.1 * total[:, None]).sum(1)
    base = np.minimum((chosen < positives[:, None] - 1e-9).sum(1), len(truth) - 1)
    hit, taken = hits[rows, base], chosen[rows, base]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Selection(
            at_each.sum(1) / positives,
            hits[rows, tenth] / chosen[rows, tenth] / (positives / total),
            (hit + (total - positives) - (taken - hit)) / total,
            hit / taken,
            hit / positives,
        )


def recall_at(scores: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Mean share of each row's true columns among its k best, at most k of them counted; rows without any left out.

    Args:
        scores: (N, S).
        truth: bool (N, S).
        k: columns looked at.
    """
    best = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]  # (N, k)
    found = np.take_along_axis(truth, best, 1).sum(1)
    reachable = np.minimum(truth.sum(1), k)
    kept = reachable > 0
    return float((found[kept] / reachable[kept]).mean()) if kept.any() else float("nan")


def r_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Share of positives among the best users, as many as there are positives; NaN without any.

    Args:
        scores: (N,); of ties the first come first.
        truth: bool (N,).
    """
    best = np.argsort(-scores, kind="stable")[: truth.sum()]
    return float(truth[best].mean()) if len(best) else float("nan")


def percentile_interval(value: float, replicates: np.ndarray) -> Interval:
    """The 95 % percentile interval of bootstrap replicates, those without a value left out."""
    low, high = np.nanpercentile(replicates, [2.5, 97.5])
    return Interval(value, float(low), float(high))
