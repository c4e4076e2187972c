"""A short vector per user, for a linear model fitted on few labels.

A penalised linear model weighs a block of columns by their number: hundreds of near-duplicate encoder columns drown out
a few that matter. So each block contributes few columns: the profile as numbers, the activity, the rhythm of each kind
of behaviour, the leading co-occurrence factors, and the leading principal directions of the fused vector, each of unit
variance. The directions are learned at alignment from training users' vectors, without labels, so that vectors of other
dates and of new users are comparable. The blocks and their sizes were chosen on the tuning split.

Legend: B users, F profile columns, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from findcli.data.profile_codes import FIRST_VALUE, ColumnCodes, ProfileCodes

DIRECTIONS, FACTORS = 8, 12
COUNTED = ("profile", "activity", "rhythm")  # the leading blocks, none of them trained
MOST_VALUES = 20  # the most frequent values of a column, each with a number of its own


@dataclass(frozen=True)
class Directions:
    """The leading principal directions of fused vectors.

    Attributes:
        mean: float32 (D,).
        matrix: a direction per column, divided by its standard deviation, float32 (D, R).
    """

    mean: np.ndarray
    matrix: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, *, most: int = DIRECTIONS) -> Directions:
        """Learn at most so many from fused vectors (N, D); fewer if the vectors span fewer."""
        mean = vectors.mean(0, dtype=np.float64)
        centred = vectors - mean
        values, directions = np.linalg.eigh(centred.T @ centred / max(1, len(vectors)))
        kept = [i for i in np.argsort(-values)[:most] if values[i] > 1e-10]
        chosen = directions[:, kept]
        # An eigenvector's sign is arbitrary: make its largest entry positive.
        signs = np.sign(np.take_along_axis(chosen, np.abs(chosen).argmax(0)[None], 0))
        return cls(mean.astype(np.float32), (chosen * signs / np.sqrt(values[kept])).astype(np.float32))

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `from_tensors`."""
        return {"mean": self.mean, "matrix": self.matrix}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Directions:
        """The inverse of `tensors`."""
        return cls(tensors["mean"], tensors["matrix"])

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Project fused vectors onto the directions: (N, D) -> float32 (N, R)."""
        return np.asarray((vectors - self.mean) @ self.matrix, np.float32)


def profile_numbers(columns: ProfileCodes, codes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """The profile as numbers between 0 and 1.

    A number becomes its quantile among training profiles, 0.5 if it is missing; each frequent value of another column
    becomes a column of 0 and 1.

    Args:
        columns: the codes of each column.
        codes: int64 (B, F).
        fractions: (B, F).

    Returns:
        float32 (B, numbers).
    """
    blocks = [_numbers(column, codes[:, i], fractions[:, i]) for i, column in enumerate(columns.columns)]
    return np.concatenate([np.empty((len(codes), 0), np.float32), *blocks], axis=1)


def _numbers(column: ColumnCodes, codes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """One column as numbers: (B,), (B,) -> float32 (B, n)."""
    if column.values:
        shown = min(len(column.values), MOST_VALUES)
        return np.asarray(codes[:, None] == FIRST_VALUE + np.arange(shown), np.float32)
    steps = max(1, column.cardinality - FIRST_VALUE - 1)
    place = (codes - FIRST_VALUE + fractions) / steps
    return np.asarray(np.where(codes >= FIRST_VALUE, place, 0.5)[:, None], np.float32)


def leading_factors(users: np.ndarray, concepts: np.ndarray) -> np.ndarray:
    """Users' co-occurrence factors along the directions in which concepts differ most: float32 (N, at most FACTORS).

    Args:
        users: the users' factors, (N, R).
        concepts: the concepts' factors, (M, R).
    """
    _, spread, axes = np.linalg.svd(concepts, full_matrices=False)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)  # an axis has no sign of its own
    return np.asarray(users @ (axes * np.sign(largest)).T[:, :FACTORS] * spread[:FACTORS], np.float32)


def summarise(
    tensors: Mapping[str, np.ndarray], directions: Directions, concepts: np.ndarray | None = None
) -> np.ndarray:
    """The short vectors: profile, activity, rhythm, factors and directions, where present: float32 (n_users, W).

    Args:
        tensors: of `users.safetensors`, by name.
        directions: learned at alignment.
        concepts: the concepts' co-occurrence factors, (M, R); None if there is no co-occurrence model.
    """
    counted = [tensors[name] for name in COUNTED if name in tensors]
    factors = [] if concepts is None else [leading_factors(tensors["factors"], concepts)]
    return np.concatenate([*counted, *factors, directions.apply(tensors["embeddings"])], axis=1)
