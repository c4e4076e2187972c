"""Features that an analyst would make by hand: the profile's columns as of the date, and counts by category.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.evaluation.rivals.probe_inputs import Head, UserInputs, encode_values, profile_numbers, vocabulary


@dataclass(frozen=True, kw_only=True)
class Aggregates:
    """The profile's columns: numbers with the median for missing values, and categories one-hot encoded.

    Args:
        logs: take log(1 + x) of columns without negative numbers.
    """

    logs: bool = False
    head: Head = "linear"
    version = 1

    @property
    def name(self) -> str:
        """Its name in tables."""
        return "aggregates, logs" if self.logs else "aggregates"

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Float32 (U, columns).

        Raises:
            FindCLIError: the workspace has no profile.
        """
        return profile_numbers(inputs, logs=self.logs)


@dataclass(frozen=True, kw_only=True)
class CategoryCounts:
    """The profile's columns, and log counts of a user's events by source and category.

    Args:
        most: number of pairs of source and category that are counted, the most frequent ones.
        logs: as in `Aggregates`.
        head: the model that is fitted to the vectors.
    """

    most: int = 200
    logs: bool = True
    head: Head = "linear"
    version = 1

    @property
    def name(self) -> str:
        """Its name in tables."""
        return "aggregates, counts" + (", LightGBM" if self.head == "boosted" else "")

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Float32 (U, columns); without a profile, the counts alone."""
        numbers = [profile_numbers(inputs, logs=self.logs)] if inputs.profiles.width else []
        return np.concatenate([*numbers, np.log1p(category_counts(inputs, most=self.most))], axis=1)


def category_counts(inputs: UserInputs, *, most: int) -> np.ndarray:
    """Number of events in each user's history by source and category, or by source alone without categories: (U, K)."""
    recent = inputs.window()
    name = pl.col("category").fill_null("") if "category" in recent.columns else pl.lit("")
    named = recent.select("user_id", cell=pl.col("source") + "\n" + name)
    cells = vocabulary(named["cell"], most=most)
    row = encode_values(named["user_id"], inputs.users, unknown=-1)
    column = encode_values(named["cell"], cells, unknown=-1)
    kept = (row >= 0) & (column >= 0)
    counts = np.zeros((len(inputs.users), len(cells)), np.float32)
    np.add.at(counts, (row[kept], column[kept]), 1)
    return counts
