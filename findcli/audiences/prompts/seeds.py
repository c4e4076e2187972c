"""Seed users of a learned prompt: whom the audience should be like, and who only looks as if (hard negatives)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from findcli.data.reader.ids import same_ids, settled_ids
from findcli.data.reader.tables import open_table, reading
from findcli.data.reader.typed import typed_frame
from findcli.errors import FindCLIError
from findcli.workspace.runs import hash_json
from findcli.workspace.settings import TableForm

FEWEST = 2
LOOKALIKE_SHARE = 0.1  # hard negatives are mined among this share of users, whom the sentence ranks highest


@dataclass(frozen=True)
class Seeds:
    """Seed users by their rows among the embedded users.

    Attributes:
        positives: rows, ascending (P,).
        negatives: rows of the hard negatives, ascending (H,).
        mined: whether the hard negatives were mined, not given.
    """

    positives: np.ndarray
    negatives: np.ndarray
    mined: bool = False

    @property
    def rows(self) -> np.ndarray:
        """The positives, then the negatives."""
        return np.concatenate([self.positives, self.negatives])


def read_seeds(path: Path, users: pl.Series) -> Seeds:
    """Seeds of a file: `user_id` and `label`, 1 for a positive and 0 for a hard negative; or positives alone.

    Args:
        path: a table of any kind; without a column `label` all are positives.
        users: ids of the embedded users.

    Raises:
        FindCLIError: the file cannot be read, lacks a column, names a user twice or one who is not embedded, has other
            labels than 0 and 1, or fewer than two positives.
    """
    ids, labels = _read(path, users.dtype)
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())[0]
        raise FindCLIError(f"{path} names user {twice} more than once", hint="keep one row a user")
    known = pl.DataFrame({"user_id": users}).with_row_index("row")
    rows = pl.DataFrame({"user_id": ids}).join(known, on="user_id", how="left", maintain_order="left")["row"]
    if rows.null_count():
        strange = ids.filter(rows.is_null())[0]
        hint = "name users with an event before the date of the embeddings; another date is chosen with --as-of"
        raise FindCLIError(f"{path}: {rows.null_count()} seeds are not embedded, such as {strange}", hint=hint)
    positive = labels.cast(pl.Boolean).to_numpy()
    found_rows = rows.to_numpy().astype(np.int64)
    if positive.sum() < FEWEST:
        raise FindCLIError(
            f"{path} names {positive.sum()} positive seeds", hint=f"name at least {FEWEST}; five are a good beginning"
        )
    return Seeds(np.sort(found_rows[positive]), np.sort(found_rows[~positive]))


def _read(path: Path, kind: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """The ids and labels of a file.

    Raises:
        FindCLIError: it cannot be read, has no column of ids, a row without one, or other labels than 0 and 1.
    """
    table = open_table([path], what="the table of seeds", ids=["user_id"])
    if "user_id" not in table.schema:
        hint = "name the column of ids user_id, and the column of 1 (positive) and 0 (hard negative) label"
        raise FindCLIError(f"{path} has no column user_id, only: {', '.join(table.schema.names())}", hint=hint)
    form = TableForm()
    with reading(table.what, table.files):
        ids = settled_ids(table, form, "user_id").alias("ids")
        frame = table.frame.select(ids).collect()
        typed = typed_frame(table, form).collect()
    frame = frame.with_columns(typed["label"] if "label" in typed.columns else pl.lit(1).alias("label"))
    if not set(frame["label"].unique()) <= {0, 1}:
        strange = sorted(map(str, frame["label"].unique()))[:5]
        raise FindCLIError(f"{path}: labels are {strange}", hint="write 1 for a positive seed, 0 for a hard negative")
    if missing := frame["ids"].null_count():
        raise FindCLIError(f"{path}: {missing} rows name no user", hint="take them out, or write the ids")
    same = frame.select(same_ids(pl.col("ids"), frame.schema["ids"], kind))["ids"]
    if strange_ids := frame["ids"].filter(same.is_null()).to_list():
        hint = "write ids as the tables do"
        raise FindCLIError(f"{path}: {len(strange_ids)} seeds are not embedded, such as {strange_ids[0]!r}", hint=hint)
    return same, frame["label"]


def mine_hard_negatives(scores: np.ndarray, vectors: np.ndarray, positives: np.ndarray, *, most: int) -> np.ndarray:
    """Users whom the sentence takes for its audience, and who are least like the seeds.

    Of the tenth of users with the highest scores, those whose vector has the lowest mean cosine with the seeds'. No
    label is read. A user so found may be a positive nobody has marked, which is why they weigh little.

    Args:
        scores: of the sentence, (N,).
        vectors: unit vectors of users, (N, D).
        positives: rows of the positive seeds.
        most: how many are wanted.

    Returns:
        Rows, ascending.
    """
    others = np.setdiff1d(np.arange(len(scores)), positives)
    wanted = max(most, int(LOOKALIKE_SHARE * len(others)))
    best = others[np.argsort(-scores[others], kind="stable")[:wanted]]
    likeness = vectors[best] @ vectors[positives].mean(0)
    return np.sort(best[np.argsort(likeness, kind="stable")[:most]])


def seeds_digest(users: pl.Series, seeds: Seeds) -> str:
    """A digest of who the seeds are; the ids themselves are not kept."""
    return hash_json([sorted(map(str, users.gather(rows).to_list())) for rows in (seeds.positives, seeds.negatives)])
