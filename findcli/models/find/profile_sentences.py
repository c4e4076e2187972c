"""Sentences about what a user's profile says: taught beside those about the future, so that fusion keeps the profile.

A sentence about the future needs little of a profile, and attention forgets what no sentence asks for. These are true
or not as of the cutoff, so they teach nothing of what comes; they are drawn in training alone, and no demand is read as
one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.data.profile_codes import FIRST_VALUE, MISSING, ColumnCodes, ProfileCodes
from findcli.data.templates import round_bound

VALUES = 20  # of a column, at most
QUANTILES = (0.25, 0.5, 0.75, 0.9)  # of a column of numbers
RAREST = 0.005  # share of pairs, either way


@dataclass(frozen=True)
class ProfileSentences:
    """Sentences about profiles.

    Attributes:
        words: the sentences, (S,).
        true: whether each holds of each pair, bool (P, S).
    """

    words: list[str]
    true: np.ndarray

    @classmethod
    def of(cls, profiles: pl.DataFrame, codes: ProfileCodes, *, subject: str) -> ProfileSentences:
        """Write the sentences that hold of some pairs and not of others.

        Args:
            profiles: one row per pair, as of its cutoff.
            codes: the columns.
            subject: whom sentences are about, such as "user".
        """
        encoded, _ = codes.encode(profiles)
        words, true = [], []
        for i, column in enumerate(codes.columns):
            if column.name not in profiles.columns:
                continue
            for says, holds in _of_column(column, encoded[:, i], profiles[column.name]):
                if RAREST <= holds.mean() <= 1 - RAREST:
                    words.append(f"The {subject}'s {column.name.replace('_', ' ')} is {says}.")
                    true.append(holds)
        return cls(words, np.stack(true, 1) if true else np.zeros((len(profiles), 0), bool))


def _of_column(column: ColumnCodes, codes: np.ndarray, values: pl.Series) -> list[tuple[str, np.ndarray]]:
    """What may be said of one column, and of which pairs it holds."""
    if column.values:
        return [(value, codes == FIRST_VALUE + i) for i, value in enumerate(column.values[:VALUES])]
    present = values.cast(pl.Float64).fill_nan(None).drop_nulls()
    if present.is_empty():
        return []
    quantiles = pl.DataFrame({"bound": [present.quantile(share) for share in QUANTILES]})
    sign = pl.col("bound").sign()
    bounds = quantiles.select(sign * round_bound(pl.col("bound").abs()))["bound"].unique(maintain_order=True)
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return [(f"above {bound:g}", (codes != MISSING) & (numbers > bound)) for bound in bounds]
