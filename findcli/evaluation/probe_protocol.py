"""The protocol of the linear probe on one set of vectors (FIND section 1.9), and the other heads of rivals.

Vectors are standardised. Logistic regression with L2 (C = 0.01) is fitted to one fifth of the users and evaluated on
the rest, stratified, in ten draws; or, as cross-validation, to all folds but one. Users who are one person are drawn
together. Intervals are by bootstrap over people.

Tested in tests/evaluation/test_probe.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.one4all import u_mlp
from findcli.evaluation.rivals.probe_inputs import Head
from findcli.metrics import Interval, bootstrap_weights, interval, r_precision, weighted_auc_ks

DRAWS, FIT_SHARE, STRENGTH = 10, 0.2, 0.01
REPLICATES = 200
Draws = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class ProbeRow:
    """The figures of one kind of vector.

    Attributes:
        vectors: the kind, such as "embeddings" or "sequence".
        width: width of the vectors.
        auc: area under the ROC curve, mean over draws.
        ks: Kolmogorov-Smirnov statistic, mean over draws.
        precision: share of positives among the P best users, P being the number of positives, mean over draws.
        rival: whether the vectors are a rival's.
        seconds: the time a rival took to train and to describe all users.
    """

    vectors: str
    width: int
    auc: Interval
    ks: Interval
    precision: float
    rival: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Ceiling:
    """The figures of the true probability: the best possible."""

    auc: float
    ks: float
    precision: float


def linear_probe(kind: str, vectors: np.ndarray, truth: np.ndarray) -> ProbeRow:
    """Apply the protocol to one set of vectors.

    Args:
        kind: name of the vectors.
        vectors: (N, D), users in ascending order of id.
        truth: bool (N,).
    """
    return probe_vectors(kind, vectors, truth, head="linear", weights=bootstrap_weights(len(truth), REPLICATES))[0]


def probe_vectors(
    kind: str, vectors: np.ndarray, truth: np.ndarray, *, head: Head, weights: np.ndarray, draws: Draws | None = None
) -> tuple[ProbeRow, np.ndarray]:
    """Apply the protocol to one set of vectors; with the AUC under every weighting of the users, (1 + R,).

    Args:
        kind: name of the vectors.
        vectors: (N, D), users in ascending order of id.
        truth: bool (N,).
        head: the model that is fitted.
        weights: how often each user counts, the first row all ones, (1 + R, N).
        draws: the rows to fit and to evaluate; default: those of `probe_draws`.
    """
    figures, precisions = [], []
    for fitted, evaluated in draws or probe_draws(truth):
        scores = fit_head(head, vectors[fitted], truth[fitted], vectors[evaluated])
        figures.append(weighted_auc_ks(scores, truth[evaluated], weights[:, evaluated]))
        precisions.append(r_precision(scores, truth[evaluated]))
    areas, gaps = np.mean(figures, axis=0)
    return ProbeRow(kind, vectors.shape[1], interval(areas), interval(gaps), float(np.mean(precisions))), areas


def ceiling(probabilities: np.ndarray, truth: np.ndarray, draws: Draws | None = None) -> Ceiling:
    """The figures of the true probabilities on the users that the probe evaluates.

    Args:
        probabilities: (N,), users in ascending order of id.
        truth: bool (N,).
        draws: as in `probe_vectors`.
    """
    figures = []
    for _, evaluated in draws or probe_draws(truth):
        scores, labels = probabilities[evaluated], truth[evaluated]
        auc, ks = weighted_auc_ks(scores, labels, np.ones((1, len(labels))))
        figures.append((auc[0], ks[0], r_precision(scores, labels)))
    return Ceiling(*(float(mean) for mean in np.mean(figures, axis=0)))


def probe_draws(
    truth: np.ndarray, groups: pl.Series | None = None, *, folds: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows to fit and the rows to evaluate, of each draw.

    Args:
        truth: bool (N,).
        groups: the person of each user, (N,), all of whose users are drawn together; None if users are people.
        folds: cross-validation in so many folds; None draws a fifth to fit, ten times.
    """
    if groups is None and folds is None:
        yield from StratifiedShuffleSplit(DRAWS, train_size=FIT_SHARE, random_state=0).split(truth, truth)
        return
    codes = np.arange(len(truth)) if groups is None else groups.rank("dense").to_numpy()
    if folds is not None:
        yield from StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(truth, truth, codes)
        return
    parts = round(1 / FIT_SHARE)
    for i in range(DRAWS // parts):
        for others, fifth in StratifiedGroupKFold(parts, shuffle=True, random_state=i).split(truth, truth, codes):
            yield fifth, others


def fit_head(head: Head, vectors: np.ndarray, truth: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Fit a head to some users and score others.

    Args:
        head: the model to fit.
        vectors: (N, D).
        truth: bool (N,).
        others: (M, D).

    Returns:
        Scores, higher is likelier, (M,).

    Raises:
        FindCLIError: the head is boosted trees, and the package `lightgbm` is not installed.
    """
    if head == "perceptron":
        return u_mlp(vectors, truth).scores(others)
    if head == "boosted":
        return _boosted(vectors, truth, others)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    scores: np.ndarray = model.fit(vectors, truth).decision_function(others)
    return scores


def _boosted(vectors: np.ndarray, truth: np.ndarray, others: np.ndarray) -> np.ndarray:
    try:
        import lightgbm
    except ImportError as error:
        raise FindCLIError(
            "boosted trees need the package lightgbm", hint='pip install "findcli[benchmark]"'
        ) from error
    model = lightgbm.LGBMClassifier(
        n_estimators=150, num_leaves=7, learning_rate=0.03, min_child_samples=10, subsample=0.8, subsample_freq=1,
        colsample_bytree=0.2, reg_lambda=10.0, n_jobs=1, verbose=-1, deterministic=True, force_col_wise=True,
        random_state=0,
    )  # fmt: skip
    model.fit(vectors, truth)
    return np.asarray(model.booster_.predict(others, raw_score=True))
