"""Co-occurrence of concepts: a linear autoencoder and a factorisation of users' habits.

Both are fitted on histories alone, without labels: concepts that a user has met are evidence for those that often occur
with them. The autoencoder is EASE (Steck 2019, arXiv 1905.03375), over histories as of several instants; the
factorisation weighs what was met by confidence (Hu, Koren and Volinsky 2008) and can place users outside its training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

FLOOR = 0.05  # added to a concept's spread, which bounds the weight of a rare one
FEWEST = 10
CONFIDENCE, PENALTY, SWEEPS = 4.0, 30.0, 6  # of the factorisation
ROWS = 2048


@dataclass(frozen=True)
class CoOccurrence:
    """A co-occurrence model of M concepts.

    Attributes:
        spread: standard deviation of each concept's level, plus `FLOOR`, float32 (M,).
        weights: what the level of one concept (row) adds to another's (column), float32 (M, M), zero on the diagonal.
        factors: each concept's factors, float32 (M, R).
    """

    spread: np.ndarray
    weights: np.ndarray
    factors: np.ndarray

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `from_tensors`."""
        return {"spread": self.spread, "weights": self.weights, "factors": self.factors}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> CoOccurrence:
        """The inverse of `tensors`."""
        return cls(tensors["spread"], tensors["weights"], tensors["factors"])

    def scale(self, levels: sparse.csr_matrix) -> sparse.csr_matrix:
        """Divide levels by each concept's spread: sparse (N, M) -> sparse (N, M)."""
        return levels.multiply(1 / self.spread).tocsr()

    def user_factors(self, levels: sparse.csr_matrix) -> np.ndarray:
        """Co-occurrence factors of users with these levels: sparse (N, M) -> float32 (N, R)."""
        return _solve(levels, self.factors)


def choose_concepts(levels: sparse.csr_matrix, *, most: int) -> np.ndarray:
    """Choose the concepts that most users have met.

    Args:
        levels: sparse (N, M).
        most: how many to choose at most.

    Returns:
        Columns, ascending, int64 (at most `most`,); those that too few users met are left out, unless all are.
    """
    support = np.bincount(levels.indices, minlength=levels.shape[1])
    best = np.argsort(-support, kind="stable")[:most]
    enough = best[support[best] >= min(FEWEST, max(1, levels.shape[0] // 10))]
    return np.sort(enough if len(enough) else best)


def fit_co_occurrence(levels: Sequence[sparse.csr_matrix], *, ridge: float, factors: int, seed: int) -> CoOccurrence:
    """Fit the autoencoder and the factorisation.

    Args:
        levels: log recency counts of N_i users as of one or more instants, sparse (N_i, M) each, the latest last. The
            factorisation reads only the last.
        ridge: L2 penalty of the autoencoder per row of levels.
        factors: width R of the factorisation at most.
        seed: of the factorisation's initial values.
    """
    every = sparse.vstack(levels, format="csr")
    rows, concepts = every.shape
    mean = np.asarray(every.mean(0)).ravel()
    square = np.asarray(every.multiply(every).mean(0)).ravel()
    spread = (np.sqrt(np.maximum(square - mean**2, 0)) + FLOOR).astype(np.float32)
    scaled = every.multiply(1 / spread).tocsr()
    gram = (scaled.T @ scaled).toarray().astype(np.float64)
    gram[np.diag_indices(concepts)] += ridge * rows
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    width = max(1, min(factors, concepts - 1, rows - 1))
    return CoOccurrence(spread, weights.astype(np.float32), _factorise(levels[-1], width, seed))


def _factorise(levels: sparse.csr_matrix, width: int, seed: int) -> np.ndarray:
    """Factors of concepts, float32 (M, width), by alternating least squares."""
    rng = np.random.default_rng(seed)
    concepts = rng.normal(0, 0.1, (levels.shape[1], width)).astype(np.float32)
    by_concept = levels.T.tocsr()
    for _ in range(SWEEPS):
        concepts = _solve(by_concept, _solve(levels, concepts))
    return concepts


def _solve(levels: sparse.csr_matrix, others: np.ndarray) -> np.ndarray:
    """Factors of N rows given the factors of their columns (Hu, Koren and Volinsky 2008, Eqs 4 and 5).

    A cell is 1 where its level is above 0, with a confidence of 1 + CONFIDENCE times the level, and 0 elsewhere.

    Args:
        levels: sparse (N, M).
        others: factors of the columns, (M, R).

    Returns:
        float32 (N, R).
    """
    width = others.shape[1]
    upper = np.triu_indices(width)
    products = CONFIDENCE * others[:, upper[0]] * others[:, upper[1]]  # (M, R (R + 1) / 2)
    shared = others.T @ others + PENALTY * np.eye(width, dtype=np.float32)  # (R, R)
    factors = np.empty((levels.shape[0], width), np.float32)
    for start in range(0, levels.shape[0], ROWS):
        block = levels[start : start + ROWS]
        matrices = np.empty((block.shape[0], width, width), np.float32)
        matrices[:, upper[0], upper[1]] = block @ products
        matrices[:, upper[1], upper[0]] = matrices[:, upper[0], upper[1]]
        trusted = sparse.csr_matrix((1 + CONFIDENCE * block.data, block.indices, block.indptr), block.shape)
        right = np.asarray(trusted @ others, np.float32)  # (n, R)
        factors[start : start + ROWS] = np.linalg.solve(matrices + shared, right[:, :, None])[:, :, 0]
    return factors
