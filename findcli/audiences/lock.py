"""Refresh an audience as it was: as many users as before, or all who score as high as its last user did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl

from findcli.audiences.select import Selection
from findcli.errors import FindCLIError, first_line

Lock = Literal["reach", "score"]
USERS = "users.parquet"  # in the folder of a saved audience
READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": lambda path: pl.read_parquet(path, glob=False),
    ".csv": lambda path: pl.read_csv(path, infer_schema_length=None, glob=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
}


def locked(lock: Lock, earlier: Path) -> Selection:
    """The selection that keeps what an earlier audience had.

    Args:
        lock: "reach" keeps its number of users, "score" the score of its last user; scores of another model mean
            something else.
        earlier: its file, as `--output` wrote it, or the folder of a saved audience.

    Raises:
        FindCLIError: the file cannot be read, is empty, or has no scores to keep.
    """
    table = _read(earlier / USERS if earlier.is_dir() else earlier)
    if table.is_empty() or "user_id" not in table.columns:
        raise FindCLIError(f"{earlier} holds no audience", hint="name a file that findcli target -o wrote")
    if lock == "reach":
        return Selection(top_k=table["user_id"].n_unique())
    scores = table["score"].cast(pl.Float64, strict=False) if "score" in table.columns else pl.Series([None])
    if scores.null_count():
        raise FindCLIError(f"{earlier} has users without a score", hint="keep its size instead: --lock reach")
    return Selection(min_score=scores.min())  # type: ignore[arg-type]


def _read(path: Path) -> pl.DataFrame:
    if path.suffix.lower() not in READERS:
        hint = f"name a file that ends in {', '.join(READERS)}"
        raise FindCLIError(f"{path} is not an audience that findcli wrote", hint=hint)
    try:
        return READERS[path.suffix.lower()](path)
    except (OSError, pl.exceptions.PolarsError) as error:
        hint = "name a file that findcli target -o wrote"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
