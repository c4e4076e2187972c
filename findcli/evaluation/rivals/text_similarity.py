"""Rank by the text similarity of the demand and a user's purchases: the whole history, or the nearest events.

The settings were chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, decayed_counts, window


@dataclass(frozen=True, kw_only=True)
class MeanText:
    """The cosine of the demand and the mean vector of the history's events.

    Args:
        decay: weekly decay of an event's weight.
    """

    decay: float = 0.8
    name = "text, mean history"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Cosines, float32 (U, C)."""
        counts, texts, demands = _counts_and_vectors(inputs, decay=self.decay)
        total = counts @ texts  # (U, D)
        norms = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
        cosines: np.ndarray = (total / norms) @ demands.T
        return cosines.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class NearestText:
    """The mean cosine of the demand and the events most similar to it.

    Args:
        events: number of nearest events.
        decay: weekly decay of an event's weight.
    """

    events: int = 5
    decay: float = 0.93
    name = "text, nearest events"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Mean cosines, float32 (U, C); missing events count as the least similar text."""
        counts, texts, demands = _counts_and_vectors(inputs, decay=self.decay)
        similar = demands @ texts.T  # (C, T)
        scores = np.empty((len(counts), len(demands)), np.float32)
        for column, row in enumerate(similar):
            order = np.argsort(-row, kind="stable")
            taken = np.minimum(counts[:, order].cumsum(1), self.events)  # (U, T)
            taken[:, -1] = self.events
            scores[:, column] = np.diff(taken, axis=1, prepend=0) @ row[order] / self.events
            inputs.keep_time()
        return scores


def _counts_and_vectors(inputs: RankingInputs, *, decay: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decayed counts of each user's distinct event texts (U, T), the texts' vectors (T, D), and the demands' (C, D)."""
    encode = inputs.require_encoder()
    history = window(inputs.purchases, start=inputs.test_date - inputs.history, end=inputs.test_date)
    named = history.filter(pl.col("user_id").is_in(inputs.users.implode())).with_columns(
        category=pl.concat_str("category", "item", separator=", ", ignore_nulls=True).str.to_lowercase()
    )
    texts = named["category"].unique().sort().to_list()
    counts = decayed_counts(named, inputs.users, texts, at=inputs.test_date, decay=decay)
    return counts, encode(texts), encode(list(inputs.demands))
