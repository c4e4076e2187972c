"""Rivals that learn from the same few seed users: on frozen vectors of ours, or as a rule over concepts.

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
    """Vectors (N, D) with the mean and the spread of each dimension taken out; labels take no part."""
    scaled: np.ndarray = ((vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)).astype(np.float32)
    return scaled


def regressed(vectors: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Logistic regression with L2 on the seeds: the log odds of all users, (N,).

    Args:
        vectors: standardised, (N, D).
        positives: rows of the positive seeds.
        negatives: rows of the negative ones.
    """
    rows = np.concatenate([positives, negatives])
    truth = np.arange(len(rows)) < len(positives)
    # Scaled by the width, so that one strength serves vectors of any.
    scaled = vectors / np.sqrt(vectors.shape[1])
    model = LogisticRegression(C=STRENGTH * vectors.shape[1], max_iter=1000).fit(scaled[rows], truth)
    odds: np.ndarray = model.decision_function(scaled)
    return odds


def nearest_prototype(vectors: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """The cosine with the mean of the positive seeds less that with the mean of the negative ones: (N,).

    Args:
        vectors: standardised, (N, D).
        positives: rows of the positive seeds.
        negatives: rows of the negative ones.
    """
    prototypes = np.stack([vectors[positives].mean(0), vectors[negatives].mean(0)], 1)  # (D, 2)
    cosine = vectors @ (prototypes / np.linalg.norm(prototypes, axis=0))
    cosine /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
    difference: np.ndarray = cosine[:, 0] - cosine[:, 1]
    return difference


def by_rule(
    levels: sparse.csr_matrix, activity: np.ndarray, likeness: np.ndarray, positives: np.ndarray, negatives: np.ndarray
) -> np.ndarray:
    """A rule in the manner of ARALLM: users whose history holds one of three concepts, by how often it does: (N,).

    Without seeds the concepts are those nearest to the demand; with seeds, of the twenty nearest those that set the
    positive seeds apart from the negative ones. Ties by all that a user does.

    Args:
        levels: of concepts, (N, n).
        activity: of users, (N,).
        likeness: cosine of each concept with the demand, (n,).
        positives: rows of the positive seeds, or none.
        negatives: rows of the negative ones, or none.
    """
    nearest = np.argsort(-likeness, kind="stable")[:CANDIDATES]
    if len(positives):
        near = levels[:, nearest]
        apart = np.asarray(near[positives].mean(0)) - np.asarray(near[negatives].mean(0))
        nearest = nearest[np.argsort(-apart.ravel(), kind="stable")]
    held = np.asarray(levels[:, nearest[:RULE]].sum(1)).ravel()
    scores: np.ndarray = held + 1e-3 * activity / max(float(activity.max()), 1e-12)
    return scores
