"""Measures of scores: AUC, KS, figures of selections and recall at k, with bootstrap intervals over users.

Shapes: N users, S columns, R bootstrap replicates; in 1 + R rows, the first is the observation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata


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
class SelectionFigures:
    """Figures of selecting the best users, under R weightings of them; each (R,).

    Attributes:
        average_precision: area under the precision-recall curve, without a threshold.
        lift: share of positives in the best tenth, over the share among all.
        accuracy, precision, recall: of selecting as many users as are positive, which makes the last two equal but
            for the last user.
    """

    average_precision: np.ndarray
    lift: np.ndarray
    accuracy: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


def weighted_selection(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> SelectionFigures:
    """Measure selections under many weightings of the same users at once; ties are broken by position.

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
        return SelectionFigures(
            at_each.sum(1) / positives,
            hits[rows, tenth] / chosen[rows, tenth] / (positives / total),
            (hit + (total - positives) - (taken - hit)) / total,
            hit / taken,
            hit / positives,
        )


def recall_at(scores: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Mean share of each row's true columns, at most k, among its k best; rows without a true column are left out.

    Args:
        scores: (N, S).
        truth: bool (N, S).
        k: number of best columns.
    """
    best = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]  # (N, k)
    hits = np.take_along_axis(truth, best, 1).sum(1)
    reachable = np.minimum(truth.sum(1), k)
    kept = reachable > 0
    return float((hits[kept] / reachable[kept]).mean()) if kept.any() else float("nan")


def r_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Share of positives among the P best users, P being the number of positives; NaN if that is 0.

    Args:
        scores: (N,); ties are broken by position.
        truth: bool (N,).
    """
    best = np.argsort(-scores, kind="stable")[: truth.sum()]
    return float(truth[best].mean()) if len(best) else float("nan")


def bootstrap_weights(n: int, replicates: int, *, seed: int | np.random.Generator = 0) -> np.ndarray:
    """How often each of n users counts: once as observed, then in each resampling with replacement.

    Args:
        n: number of users.
        replicates: number of resamplings, R.
        seed: of the draws, or the generator to draw from.

    Returns:
        int (1 + R, n), the first row all ones.
    """
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), replicates)
    return np.vstack([np.ones(n, np.int64), draws])


def grouped_weights(groups: Sequence[object], replicates: int) -> np.ndarray:
    """How often each user counts where groups of them, such as the accounts of one person, are drawn together.

    Args:
        groups: the group of each user, (N,); where all differ, this is `bootstrap_weights`.
        replicates: number of resamplings, R.

    Returns:
        int (1 + R, N), the first row all ones.
    """
    return Bootstrap(list(dict.fromkeys(groups)), replicates).weights(groups)


class Bootstrap:
    """A bootstrap over users or categories, in which a member counts the same in every measurement.

    Args:
        members: all members, each once.
        replicates: number of resamplings, R.
        seed: of the draws, or the generator to draw from.
    """

    def __init__(self, members: Sequence[object], replicates: int, *, seed: int | np.random.Generator = 0) -> None:
        self._column = {member: i for i, member in enumerate(members)}
        self._weights = bootstrap_weights(len(members), replicates, seed=seed)

    def weights(self, members: Sequence[object]) -> np.ndarray:
        """How often each of these members counts: int (1 + R, len(members)), the first row all ones."""
        return self._weights[:, [self._column[member] for member in members]]


def resampled_means(values: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """The mean over groups, such as seeds or demands: as observed, then with the groups resampled too.

    Args:
        values: a figure of each group, as observed and in each replicate, (G, ..., 1 + R).
        picked: the groups of each replicate, drawn with replacement, int (G, R).

    Returns:
        (..., 1 + R).
    """
    index = np.ascontiguousarray(picked).reshape(len(picked), *[1] * (values.ndim - 2), -1)
    resampled = np.take_along_axis(values[..., 1:], index, 0).mean(0)
    return np.concatenate([values[..., :1].mean(0), resampled], axis=-1)


def interval(values: np.ndarray) -> Interval:
    """A figure with its 95 % percentile interval.

    Args:
        values: the figure as observed, then in each bootstrap replicate, (1 + R,); NaN replicates are left out, and
            if all are NaN so are both ends.
    """
    replicates = values[1:]
    if np.isnan(replicates).all():
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.nanpercentile(replicates, [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))


def bootstrap_p(values: np.ndarray) -> float:
    """The two-sided p-value of a difference of 0, of a normal law with the replicates' standard deviation.

    NOTE: the share of replicates past 0 cannot fall below 1 / R, which no correction for tens of columns lets through.

    Args:
        values: the difference as observed, then in each bootstrap replicate, (1 + R,); NaN replicates are left out.

    Returns:
        NaN where the replicates are all alike, as those of a figure less itself are.
    """
    replicates = values[1:][~np.isnan(values[1:])]
    if not len(replicates) or not np.ptp(replicates):
        return float("nan")
    return float(2 * norm.sf(abs(values[0]) / replicates.std()))


def holm(p: np.ndarray) -> np.ndarray:
    """P-values corrected for their number by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p: (n,); NaN is no test and is not counted.

    Returns:
        (n,), NaN where p is; those below a level are rejected with at most that chance of any error.
    """
    corrected, order = np.full(len(p), np.nan), np.argsort(p)[: int((~np.isnan(p)).sum())]
    times = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(times * p[order]), 1)
    return corrected
