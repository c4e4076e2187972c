"""Seed users of a learned prompt: those the audience should resemble, and lookalikes to avoid (hard negatives).

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import open_table, reading
from findcli.errors import FindCLIError
from findcli.workspace.runs import hash_json
from findcli.workspace.table_form import TableForm

READ = (".parquet", ".csv", ".tsv", ".txt", ".jsonl", ".xlsx", ".gz", ".zst")
LABELS = {"1": 1, "0": 0, "1.0": 1, "0.0": 0, "true": 1, "false": 0}
FEWEST = 2
LOOKALIKE_SHARE = 0.1  # hard negatives are mined among this share of users, those the sentence ranks highest


@dataclass(frozen=True)
class Seeds:
    """Seed users by their rows among the embedded users.

    Attributes:
        positives: rows, ascending (P,).
        negatives: rows of the hard negatives, ascending (H,).
        mined: whether the hard negatives were mined, rather than given.
    """

    positives: np.ndarray
    negatives: np.ndarray
    mined: bool = False

    @property
    def rows(self) -> np.ndarray:
        """The positives, then the negatives."""
        return np.concatenate([self.positives, self.negatives])


def read_seeds(path: Path, users: pl.Series) -> Seeds:
    """Read seeds from a file: `user_id` and `label`, 1 for a positive and 0 for a hard negative; or positives alone.

    Args:
        path: CSV, Parquet or JSONL file; without a column `label` all users are positives.
        users: ids of the embedded users.

    Raises:
        FindCLIError: the file cannot be read, lacks a column, names a user twice or one who is not embedded, or has
            labels other than 0 and 1, or fewer than two positives.
    """
    ids, labels = _read(path, users.dtype)
    present = ids["user_id"].drop_nulls()
    if present.is_duplicated().any():
        duplicate = present.filter(present.is_duplicated())[0]
        raise FindCLIError(f"{path} names user {duplicate} more than once", hint="keep one row per user")
    embedded = pl.DataFrame({"user_id": users}).with_row_index("row")
    rows = ids.join(embedded, on="user_id", how="left", maintain_order="left")["row"]
    if rows.null_count():
        missing = ids["written"].filter(rows.is_null())[0]
        hint = "name users with an event before the date of the embeddings, or choose another date with --as-of"
        raise FindCLIError(f"{path}: {rows.null_count()} seeds are not embedded, such as {missing!r}", hint=hint)
    positive = labels.cast(pl.Boolean).to_numpy()
    seed_rows = rows.to_numpy().astype(np.int64)
    if positive.sum() < FEWEST:
        raise FindCLIError(
            f"{path} names {positive.sum()} positive seeds", hint=f"name at least {FEWEST}; five are a good start"
        )
    return Seeds(np.sort(seed_rows[positive]), np.sort(seed_rows[~positive]))


def _read(path: Path, user_type: pl.DataType) -> tuple[pl.DataFrame, pl.Series]:
    """The ids of a file, as `ids_in_type` gives them, and its labels.

    Raises:
        FindCLIError: it is no table, has no column of ids, or labels other than 0 and 1.
    """
    if path.suffix.lower() not in READ:
        extension = f"the extension {path.suffix}" if path.suffix else "no file extension"
        raise FindCLIError(f"{path} has {extension}", hint=f"use one of {', '.join(READ)}")
    table = open_table([path], what="the file of seeds", ids=["user_id"])
    if "user_id" not in table.schema:
        hint = "name the id column user_id, and the column of labels, 1 (positive) or 0 (hard negative), label"
        raise FindCLIError(f"{path} has no column user_id, only: {', '.join(table.schema.names())}", hint=hint)
    with reading(table.what, [path]):
        ids = ids_in_type(table, TableForm(), "user_id", user_type)
        labels = table.frame.select("label").collect() if "label" in table.schema else None
    return ids, pl.Series([1] * len(ids)) if labels is None else _labels(path, labels["label"])


def _labels(path: Path, values: pl.Series) -> pl.Series:
    """Labels as 0 and 1, as numbers or as a file writes them.

    Raises:
        FindCLIError: there are others.
    """
    read = values.cast(pl.String).str.to_lowercase().replace_strict(LABELS, default=None, return_dtype=pl.Int8)
    if read.null_count():
        others = sorted(map(str, values.filter(read.is_null()).unique()))[:5]
        raise FindCLIError(f"{path}: labels are {others}", hint="write 1 for a positive seed, 0 for a hard negative")
    return read


def mine_hard_negatives(scores: np.ndarray, vectors: np.ndarray, positives: np.ndarray, *, most: int) -> np.ndarray:
    """Mine users whom the sentence takes for its audience, but who are least like the seeds.

    Of the tenth of users with the highest scores, these are the ones whose vectors have the lowest mean cosine with the
    seeds'. No label is read. A mined user may be an unmarked positive, which is why they weigh little.

    Args:
        scores: the sentence's scores, (N,).
        vectors: unit vectors of users, (N, D).
        positives: rows of the positive seeds.
        most: how many users to mine.

    Returns:
        Rows, ascending.
    """
    others = np.setdiff1d(np.arange(len(scores)), positives)
    lookalikes = max(most, int(LOOKALIKE_SHARE * len(others)))
    best = others[np.argsort(-scores[others], kind="stable")[:lookalikes]]
    likeness = vectors[best] @ vectors[positives].mean(0)
    return np.sort(best[np.argsort(likeness, kind="stable")[:most]])


def remember_seeds(users: pl.Series, seeds: Seeds) -> dict[str, Any]:
    """A keyed hash of each seed's id, by which `is_seed` knows the seeds again; the ids themselves are not stored."""
    key = seeds_digest(users, seeds)
    return {"key": key, "hashes": sorted(_hashes(users.gather(seeds.rows), key))}


def is_seed(users: pl.Series, remembered: Mapping[str, Any]) -> np.ndarray:
    """Which users are among the seeds that `remember_seeds` remembered, bool (N,)."""
    return pl.Series(_hashes(users, remembered["key"])).is_in(remembered["hashes"]).to_numpy()


def _hashes(users: pl.Series, key: str) -> list[str]:
    return [blake2b(str(user).encode(), key=key.encode(), digest_size=16).hexdigest() for user in users]


def seeds_digest(users: pl.Series, seeds: Seeds) -> str:
    """A digest of the seeds' ids; the ids themselves are not stored."""
    return hash_json([sorted(map(str, users.gather(rows).to_list())) for rows in (seeds.positives, seeds.negatives)])
