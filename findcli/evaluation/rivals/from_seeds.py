"""Rivals that learn from the same few seed users: on findcli's frozen vectors, or by a rule over concepts.

Shapes: N users, D width of their vectors, n concepts.

Tested in tests/evaluation/test_few_shot.py.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

STRENGTH = 0.1
RULE, CANDIDATES = 3, 20


def standardised(vectors: np.ndarray) -> np.ndarray:
    """Standardise each dimension of vectors, (N, D), without labels."""
    scaled: np.ndarray = ((vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)).astype(np.float32)
    return scaled


def regressed(vectors: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Fit logistic regression with L2 to the seeds: the log odds of all users, (N,).

    Args:
        vectors: standardised, (N, D).
        positives: rows of the positive seeds.
        negatives: rows of the negative seeds.
    """
    rows = np.concatenate([positives, negatives])
    truth = np.arange(len(rows)) < len(positives)
    # Scaled by the width, so that one strength serves vectors of any.
    scaled = vectors / np.sqrt(vectors.shape[1])
    model = LogisticRegression(C=STRENGTH * vectors.shape[1], max_iter=1000).fit(scaled[rows], truth)
    odds: np.ndarray = model.decision_function(scaled)
    return odds


def nearest_prototype(vectors: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """The cosine with the mean of the positive seeds minus that with the mean of the negative seeds: (N,).

    Args:
        vectors: standardised, (N, D).
        positives: rows of the positive seeds.
        negatives: rows of the negative seeds.
    """
    prototypes = np.stack([vectors[positives].mean(0), vectors[negatives].mean(0)], 1)  # (D, 2)
    cosine = vectors @ (prototypes / np.linalg.norm(prototypes, axis=0))
    cosine /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
    difference: np.ndarray = cosine[:, 0] - cosine[:, 1]
    return difference


def by_rule(
    levels: sparse.csr_matrix, activity: np.ndarray, likeness: np.ndarray, positives: np.ndarray, negatives: np.ndarray
) -> np.ndarray:
    """A rule in the manner of ARALLM: score users by how often their history has one of three concepts, (N,).

    Without seeds, the concepts are the three nearest to the demand. With seeds, they are the three of the twenty
    nearest that best separate positive seeds from negative seeds. Ties are broken by activity.

    Args:
        levels: the users' levels of each concept, (N, n).
        activity: the users' activity, (N,).
        likeness: cosine of each concept with the demand, (n,).
        positives: rows of the positive seeds, or none.
        negatives: rows of the negative seeds, or none.
    """
    nearest = np.argsort(-likeness, kind="stable")[:CANDIDATES]
    if len(positives):
        near = levels[:, nearest]
        apart = np.asarray(near[positives].mean(0)) - np.asarray(near[negatives].mean(0))
        nearest = nearest[np.argsort(-apart.ravel(), kind="stable")]
    held = np.asarray(levels[:, nearest[:RULE]].sum(1)).ravel()
    scores: np.ndarray = held + 1e-3 * activity / max(float(activity.max()), 1e-12)
    return scores
