"""A short vector a user out of all that is stored, for a linear model fitted on few labels.

A penalised linear model weighs a block of columns by their number: hundreds of columns of an encoder that say much the
same drown a few that count. So each block enters by little: the profile as numbers, the activity, the rhythm of each
kind of behaviour, the leading factors of what users do together, and the leading principal directions of the fused
vector, each of unit variance. These are learned at alignment from training users' vectors, without any label, so that
vectors of other dates and of new users can be compared. What enters, and how much, was chosen on the tuning split.

Legend: B users, F profile columns, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from findcli.data.profile_codes import FIRST_VALUE, ColumnCodes, ProfileCodes

DIRECTIONS, FACTORS = 8, 12
COUNTED = ("profile", "activity", "rhythm")  # what stands first in it: no training is behind that
MOST_VALUES = 20  # of a column, the most frequent, get a number of their own


@dataclass(frozen=True)
class Directions:
    """The leading principal directions of fused vectors.

    Attributes:
        mean: float32 (D,).
        matrix: each column a direction, over its standard deviation, float32 (D, R).
    """

    mean: np.ndarray
    matrix: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, *, most: int = DIRECTIONS) -> Directions:
        """Learn them from fused vectors (N, D); fewer where the vectors spread over fewer."""
        mean = vectors.mean(0, dtype=np.float64)
        centred = vectors - mean
        values, directions = np.linalg.eigh(centred.T @ centred / max(1, len(vectors)))
        kept = [i for i in np.argsort(-values)[:most] if values[i] > 1e-10]
        chosen = directions[:, kept]
        # An eigenvector's sign is nobody's choice: its largest entry is made positive.
        signs = np.sign(np.take_along_axis(chosen, np.abs(chosen).argmax(0)[None], 0))
        return cls(mean.astype(np.float32), (chosen * signs / np.sqrt(values[kept])).astype(np.float32))

    def tensors(self) -> dict[str, np.ndarray]:
        """Its arrays by name, as `from_tensors` reads them."""
        return {"mean": self.mean, "matrix": self.matrix}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Directions:
        """The inverse of `tensors`."""
        return cls(tensors["mean"], tensors["matrix"])

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Where fused vectors lie along them: (N, D) -> float32 (N, R)."""
        return np.asarray((vectors - self.mean) @ self.matrix, np.float32)


def profile_numbers(columns: ProfileCodes, codes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """The profile as numbers between 0 and 1.

    A number becomes its place among the quantiles of training profiles, the middle where it is missing; each frequent
    value of another column becomes a column of 0 and 1.

    Args:
        columns: how the profile became codes.
        codes: int64 (B, F).
        fractions: (B, F).

    Returns:
        float32 (B, numbers).
    """
    found = [_numbers(column, codes[:, i], fractions[:, i]) for i, column in enumerate(columns.columns)]
    return np.concatenate([np.empty((len(codes), 0), np.float32), *found], axis=1)


def _numbers(column: ColumnCodes, codes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """One column's numbers, float32 (B, n)."""
    if column.values:
        shown = min(len(column.values), MOST_VALUES)
        return np.asarray(codes[:, None] == FIRST_VALUE + np.arange(shown), np.float32)
    steps = max(1, column.cardinality - FIRST_VALUE - 1)
    place = (codes - FIRST_VALUE + fractions) / steps
    return np.asarray(np.where(codes >= FIRST_VALUE, place, 0.5)[:, None], np.float32)


def leading_places(users: np.ndarray, concepts: np.ndarray) -> np.ndarray:
    """Users' places along the directions in which concepts differ most: float32 (N, at most FACTORS).

    Args:
        users: places among what comes with what, (N, R).
        concepts: the concepts' places, (M, R).
    """
    _, spread, axes = np.linalg.svd(concepts, full_matrices=False)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)  # an axis has no sign of its own
    return np.asarray(users @ (axes * np.sign(largest)).T[:, :FACTORS] * spread[:FACTORS], np.float32)


def summarise(
    tensors: Mapping[str, np.ndarray], directions: Directions, concepts: np.ndarray | None = None
) -> np.ndarray:
    """The short vector: profile, activity, rhythm, factors and directions, what there is of them: float32 (n_users, W).

    Args:
        tensors: of `users.safetensors`, by name.
        directions: learned at alignment.
        concepts: places of what users' `factors` are places among, (M, R); None where there are none.
    """
    counted = [tensors[name] for name in COUNTED if name in tensors]
    factors = [] if concepts is None else [leading_places(tensors["factors"], concepts)]
    return np.concatenate([*counted, *factors, directions.apply(tensors["embeddings"])], axis=1)
