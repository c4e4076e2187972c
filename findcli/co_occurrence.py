"""Who does what together: a linear autoencoder and a low-rank factorisation of users' habits.

Both are fitted on histories alone, without any label: what speaks for a concept that a user has never met are the
concepts that come with it. The autoencoder is EASE (Steck 2019, arXiv 1905.03375), the factorisation a truncated SVD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

FLOOR = 0.05  # added to a concept's spread, lest a rare one weigh without bound
FEWEST = 10


@dataclass(frozen=True)
class CoOccurrence:
    """What was learned of M concepts.

    Attributes:
        spread: standard deviation of each concept's level, float32 (M,).
        weights: what the level of one concept (row) adds to another's (column), float32 (M, M), zero on the diagonal.
        factors: low-rank directions, float32 (M, R).
    """

    spread: np.ndarray
    weights: np.ndarray
    factors: np.ndarray

    def tensors(self) -> dict[str, np.ndarray]:
        """Its arrays by name, as `from_tensors` reads them."""
        return {"spread": self.spread, "weights": self.weights, "factors": self.factors}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> CoOccurrence:
        """The inverse of `tensors`."""
        return cls(tensors["spread"], tensors["weights"], tensors["factors"])

    def scale(self, levels: sparse.csr_matrix) -> sparse.csr_matrix:
        """Levels (N, M) in units of each concept's spread."""
        return levels.multiply(1 / self.spread).tocsr()


def choose_concepts(levels: sparse.csr_matrix, *, most: int) -> np.ndarray:
    """The columns of the concepts that enough users have met, at most so many of the best supported, ascending.

    Where none has met enough users, all of the best are taken.
    """
    support = np.bincount(levels.indices, minlength=levels.shape[1])
    best = np.argsort(-support, kind="stable")[:most]
    enough = best[support[best] >= min(FEWEST, max(1, levels.shape[0] // 10))]
    return np.sort(enough if len(enough) else best)


def fit_co_occurrence(levels: sparse.csr_matrix, *, ridge: float, factors: int, seed: int) -> CoOccurrence:
    """Learn what comes with what.

    Args:
        levels: log recency counts of N users, (N, M).
        ridge: L2 penalty of the autoencoder, a multiple of the number of users.
        factors: directions of the factorisation at most.
        seed: of the factorisation's start.
    """
    users, concepts = levels.shape
    mean = np.asarray(levels.mean(0)).ravel()
    square = np.asarray(levels.multiply(levels).mean(0)).ravel()
    spread = (np.sqrt(np.maximum(square - mean**2, 0)) + FLOOR).astype(np.float32)
    scaled = levels.multiply(1 / spread).tocsr()
    gram = (scaled.T @ scaled).toarray().astype(np.float64)
    gram[np.diag_indices(concepts)] += ridge * users
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    rank = min(factors, concepts - 1, users - 1)
    directions = np.zeros((concepts, 1), np.float32)
    if rank >= 1:
        directions = TruncatedSVD(rank, random_state=seed).fit(scaled).components_.T
    return CoOccurrence(spread, weights.astype(np.float32), np.ascontiguousarray(directions, np.float32))
