"""The best possible: a simulator's law of held-out users' next events, as odds of the workspace's tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from findcli.evaluation.next_event.questions import Questions
from findcli.models.next_event.tokens import BIN, Vocabulary

LAW, AMOUNTS = "data/tasks/next_event.parquet", "data/tasks/next_event_amounts.parquet"
KNOWN_FIELDS = {"source", "channel", "status", "amount", "category"}


class Possible:
    """Scores by the true probability of each token, for users by their row.

    Args:
        odds: (U, V); rows of users without a law are 0.
        known: the users who have one, bool (U,).
    """

    name = "the best possible"

    def __init__(self, odds: np.ndarray, known: np.ndarray) -> None:
        self.odds, self.known = odds, known

    def scores(self, asked: Questions) -> np.ndarray:
        """The true probabilities."""
        scores: np.ndarray = self.odds[asked.users]
        return scores


def read_possible(folder: Path, users: pl.Series, vocabulary: Vocabulary) -> Possible | None:
    """Open a simulator's law; None where the workspace has none, or where tokens have fields that it does not tell.

    Args:
        folder: of the workspace.
        users: ids, in the order of their rows.
        vocabulary: of the tokens.
    """
    if not (folder / LAW).is_file() or not set(vocabulary.fields) <= KNOWN_FIELDS:
        return None
    law = pl.read_parquet(folder / LAW, glob=False).with_columns(pl.col("user_id").cast(users.dtype))
    rows = pl.DataFrame({"user_id": users}).with_row_index("user")
    law = law.join(rows, on="user_id")
    if BIN in vocabulary.fields and vocabulary.bins is not None:
        law = _by_bin(law, pl.read_parquet(folder / AMOUNTS, glob=False), vocabulary.bins.edges.get("bills", []))
    else:
        law = law.with_columns(pl.lit(None, pl.String).alias(BIN))
    tokens = vocabulary.table.head(vocabulary.size).select(vocabulary.fields).with_row_index("token")
    placed = law.join(tokens, on=vocabulary.fields, nulls_equal=True)
    odds = np.zeros((len(users), vocabulary.size), np.float32)
    np.add.at(odds, (placed["user"].to_numpy(), placed["token"].to_numpy()), placed["probability"].to_numpy())
    known = np.zeros(len(users), bool)
    known[law["user"].unique().to_numpy()] = True
    return Possible(odds, known)


def _by_bin(law: pl.DataFrame, amounts: pl.DataFrame, edges: list[float]) -> pl.DataFrame:
    """The law with each bill's probability shared out over the amount bins."""
    bills, others = law.filter(pl.col("source") == "bills"), law.filter(pl.col("source") != "bills")
    points = {int(topic): np.sort(group["amount"].to_numpy()) for (topic,), group in amounts.group_by("topic")}
    kinds = bills.select("user", "topic", "scale").unique(maintain_order=True)
    bounds = np.concatenate([[-np.inf], edges, [np.inf]])
    shares = []
    for _, topic, scale in kinds.iter_rows():
        places = np.searchsorted(points[topic] * scale, bounds) / len(points[topic])
        shares.append(np.diff(places))
    wide = kinds.with_columns(pl.Series("share", shares, dtype=pl.List(pl.Float64)))
    numbered = wide.with_columns(bin=pl.lit([str(i) for i in range(len(edges) + 1)])).explode("share", "bin")
    joined = bills.join(numbered.select("user", "topic", "share", "bin"), on=["user", "topic"])
    spread = joined.with_columns(probability=pl.col("probability") * pl.col("share"))
    spread = spread.rename({"bin": BIN}).drop("share").filter(pl.col("probability") > 0)
    return pl.concat([spread, others.with_columns(pl.lit(None, pl.String).alias(BIN))], how="diagonal")
