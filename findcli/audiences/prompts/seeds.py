"""Seed users of a learned prompt: whom the audience should be like, and who only looks as if (hard negatives)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import hash_json

READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".jsonl": pl.read_ndjson,
}
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
        path: CSV, Parquet or JSONL; without a column `label` all are positives.
        users: ids of the embedded users.

    Raises:
        FindCLIError: the file cannot be read, lacks a column, names a user twice or one who is not embedded, has other
            labels than 0 and 1, or fewer than two positives.
    """
    frame = _read(path)
    if "user_id" not in frame.columns:
        hint = "name the column of ids user_id, and the column of 1 (positive) and 0 (hard negative) label"
        raise FindCLIError(f"{path} has no column user_id, only: {', '.join(frame.columns)}", hint=hint)
    ids = frame["user_id"].cast(users.dtype, strict=False)
    labels = frame["label"] if "label" in frame.columns else pl.Series([1] * len(frame))
    if not set(labels.unique()) <= {0, 1}:
        found = sorted(map(str, labels.unique()))[:5]
        raise FindCLIError(f"{path}: labels are {found}", hint="write 1 for a positive seed, 0 for a hard negative")
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())[0]
        raise FindCLIError(f"{path} names user {twice} more than once", hint="keep one row a user")
    known = pl.DataFrame({"user_id": users}).with_row_index("row")
    rows = pl.DataFrame({"user_id": ids}).join(known, on="user_id", how="left", maintain_order="left")["row"]
    if rows.null_count():
        strange = frame["user_id"].filter(rows.is_null())[0]
        hint = "name users with an event before the date of the embeddings; another date is chosen with --as-of"
        raise FindCLIError(f"{path}: {rows.null_count()} seeds are not embedded, such as {strange!r}", hint=hint)
    positive = labels.cast(pl.Boolean).to_numpy()
    found_rows = rows.to_numpy().astype(np.int64)
    if positive.sum() < FEWEST:
        raise FindCLIError(
            f"{path} names {positive.sum()} positive seeds", hint=f"name at least {FEWEST}; five are a good beginning"
        )
    return Seeds(np.sort(found_rows[positive]), np.sort(found_rows[~positive]))


def _read(path: Path) -> pl.DataFrame:
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise FindCLIError(f"{path} ends in {suffix or 'nothing'}", hint=f"seeds are read from {', '.join(READERS)}")
    try:
        return READERS[suffix](path)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        hint = "give a table with the columns user_id and label (1 positive, 0 hard negative)"
        raise FindCLIError(f"the seeds in {path} cannot be read: {first_line(error)}", hint=hint) from error


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
