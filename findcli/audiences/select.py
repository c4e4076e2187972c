"""Select an audience from the ranked users.

Tested in tests/audiences/test_target.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.errors import FindCLIError


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of the ranked users make the audience; all of them by default.

    Attributes:
        top_k: at most this many users.
        top_percent: at most this percentage of users, in (0, 100].
        min_score: only users with at least this score.
        min_probability: only users with at least this probability; needs calibrated scores.
    """

    top_k: int | None = None
    top_percent: float | None = None
    min_score: float | None = None
    min_probability: float | None = None

    def keep(self, ranked: pl.DataFrame) -> pl.DataFrame:
        """The selected rows of a ranking that is sorted by rank.

        Raises:
            FindCLIError: a probability is required of scores that are not calibrated, or the percentage is out of
                range.
        """
        if self.min_probability is not None and ranked["probability"].null_count():
            hint = "use a concept's own sentence, as `read as` shows it; or --top-k, --top-percent or --min-score"
            raise FindCLIError(
                f"cannot select by a probability of at least {self.min_probability}: this demand is ranked only, "
                "not calibrated",
                hint=hint,
            )
        if self.top_percent is not None and not 0 < self.top_percent <= 100:
            raise FindCLIError(f"top percent is {self.top_percent}", hint="use a percentage above 0, at most 100")
        most = [len(ranked)] if self.top_k is None else [self.top_k]
        most += [] if self.top_percent is None else [max(1, int(len(ranked) * self.top_percent / 100))]
        kept = ranked.head(min(most))
        if self.min_score is not None:
            kept = kept.filter(pl.col("score") >= self.min_score)
        return kept if self.min_probability is None else kept.filter(pl.col("probability") >= self.min_probability)


def rank(ids: pl.Series, scores: np.ndarray, probabilities: np.ndarray | None = None) -> pl.DataFrame:
    """Rank users best first, ties by id: user_id, score, probability (null: not calibrated), rank from 1.

    Args:
        ids: ascending, (N,).
        scores: (N,).
        probabilities: (N,), NaN where there is none; None without any.
    """
    likely = np.full(len(ids), np.nan) if probabilities is None else probabilities.astype(np.float64)
    frame = pl.DataFrame({"user_id": ids, "score": scores.astype(np.float64), "probability": likely})
    ranked = frame[best_rows(scores)]
    return ranked.with_columns(pl.col("probability").fill_nan(None), rank=pl.int_range(1, pl.len() + 1))


def best_rows(scores: np.ndarray, most: int | None = None) -> np.ndarray:
    """The rows of the highest scores, best first, ties in the order of the rows: int64 (n,).

    Args:
        scores: (N,).
        most: how many rows; all when None.
    """
    if most is None or most >= len(scores):
        return np.argsort(-scores, kind="stable")
    least = np.partition(scores, len(scores) - most)[len(scores) - most] if most else np.inf
    rows = np.flatnonzero(scores >= least)
    best: np.ndarray = rows[np.argsort(-scores[rows], kind="stable")][:most]
    return best
