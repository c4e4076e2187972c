"""Profile columns -> codes, fitted on training profiles: one code per value, or per interval between knots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from findcli.data.profiles import Column

MISSING, MASK, FIRST_VALUE = 0, 1, 2
MOST_VALUES = 200


@dataclass(frozen=True)
class ColumnCodes:
    """The codes of one column.

    Attributes:
        name: the column.
        values: of a categorical or ordered column, the value of each code from FIRST_VALUE on.
        knots: of a numeric column, ascending; code FIRST_VALUE + i means "at least knot i, below the next".
    """

    name: str
    values: tuple[str, ...] = ()
    knots: tuple[float, ...] = ()

    @property
    def cardinality(self) -> int:
        """Number of codes, missing and mask included."""
        return FIRST_VALUE + max(len(self.values), len(self.knots), 1)


@dataclass(frozen=True)
class ProfileCodes:
    """The codes of every column of a profile."""

    columns: tuple[ColumnCodes, ...]

    @classmethod
    def fit(cls, frame: pl.DataFrame, columns: Sequence[Column], *, bins: int) -> ProfileCodes:
        """Learn values and knots from training profiles.

        Args:
            frame: one row per profile.
            columns: the columns to encode.
            bins: quantile bins of a numeric column; fewer if quantiles coincide.
        """
        return cls(tuple(_fit_column(frame[column.name], column, bins) for column in columns))

    @property
    def cardinalities(self) -> list[int]:
        """Number of codes of each column."""
        return [column.cardinality for column in self.columns]

    def encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Turn profiles into codes; a value never seen in training counts as missing.

        Args:
            frame: one row per profile; a column it lacks is missing in every row.

        Returns:
            codes int64 (B, F) and fractions float32 (B, F): a number's position between its knot and the next, in
            [0, 1); 0 in columns that are not numeric.
        """
        codes = np.zeros((len(frame), len(self.columns)), np.int64)
        fractions = np.zeros((len(frame), len(self.columns)), np.float32)
        for i, column in enumerate(self.columns):
            if column.name not in frame.columns:
                continue
            if column.knots:
                codes[:, i], fractions[:, i] = _encode_number(
                    frame[column.name].cast(pl.Float64).to_numpy(), np.array(column.knots)
                )
            elif column.values:
                places = pl.DataFrame(
                    {"value": column.values, "code": range(FIRST_VALUE, FIRST_VALUE + len(column.values))}
                )
                coded = frame.select(value=pl.col(column.name)).join(
                    places, on="value", how="left", maintain_order="left"
                )
                codes[:, i] = coded["code"].fill_null(MISSING).to_numpy()
        return codes, fractions

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for `from_json`."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_json(cls, plain: list[dict[str, Any]]) -> ProfileCodes:
        """Read what `to_json` wrote."""
        return cls(tuple(ColumnCodes(c["name"], tuple(c["values"]), tuple(c["knots"])) for c in plain))


def _fit_column(values: pl.Series, column: Column, bins: int) -> ColumnCodes:
    if column.kind == "ordered":
        return ColumnCodes(column.name, values=column.values)
    present = values.drop_nulls()
    if column.kind == "categorical":
        counts = present.value_counts(name="n").sort("n", column.name, descending=[True, False])
        return ColumnCodes(column.name, values=tuple(counts[column.name].head(MOST_VALUES)))
    finite = present.cast(pl.Float64).to_numpy()
    finite = finite[np.isfinite(finite)]
    knots = np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1))) if len(finite) else np.array([])
    return ColumnCodes(column.name, knots=tuple(float(knot) for knot in knots))


def _encode_number(values: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present = np.isfinite(values)
    inside = np.clip(np.where(present, values, knots[0]), knots[0], knots[-1])
    place = np.searchsorted(knots, inside, side="right") - 1  # (B,)
    following = np.minimum(place + 1, len(knots) - 1)
    width = np.where(following > place, knots[following] - knots[place], 1.0)
    fraction = np.where(present, (inside - knots[place]) / width, 0)
    # A fraction just below 1 may round up to it in single precision.
    return np.where(present, place + FIRST_VALUE, MISSING), np.minimum(fraction, np.float32(1 - 2**-24))
