"""Write an audience to a file: Parquet, CSV or JSONL by its extension, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from findcli.errors import FindCLIError
from findcli.workspace.runs import replacing

if TYPE_CHECKING:
    from findcli.audiences.target import Audience

WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".csv": lambda frame, path: frame.write_csv(path),
    ".jsonl": lambda frame, path: frame.write_ndjson(path),
}


def one_table(audiences: Sequence[Audience], *, named: bool) -> pl.DataFrame:
    """The selected users of all audiences: user_id, score, probability, rank, and `demand` if `named`."""
    frames = [audience.selected.with_columns(demand=pl.lit(audience.demand)) for audience in audiences]
    table = pl.concat(frames)
    return table if named else table.drop("demand")


def require_writable(path: Path) -> None:
    """Refuse a file that no table can be written to, before any work is done.

    Raises:
        FindCLIError: the extension is not .parquet, .csv or .jsonl, it is a folder, or its folder is missing.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        message = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise FindCLIError(message, hint="name a file in a folder that exists")
    if path.suffix.lower() not in WRITERS:
        extension = f"the extension {path.suffix}" if path.suffix else "no file extension"
        raise FindCLIError(f"{path} has {extension}", hint=f"use one of {', '.join(WRITERS)}")


def write_audience(frame: pl.DataFrame, path: Path) -> None:
    """Write a table in the format of the file's extension, whole or not at all.

    Raises:
        FindCLIError: the extension is not .parquet, .csv or .jsonl, or the disk is full.
    """
    require_writable(path)
    with replacing(path) as temporary:
        WRITERS[path.suffix.lower()](frame, temporary)
