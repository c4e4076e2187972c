"""What every place can do, and what the places share: parts of bounded size, and a digest of rows in any order.

Tested in tests/data/places/test_copies.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import polars as pl

from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import disk_problem
from findcli.workspace.runs import hash_json

PART_BYTES = 64 << 20  # of a part in memory, about
PART_ROWS = 500_000
SEEDS = (0x6C62272E, 0x07BB0142)


class Place(Protocol):
    """Where a table lies."""

    @property
    def settings(self) -> dict[str, str]:
        """What it is, for the copy's manifest: nothing secret, and another place is another value."""
        ...

    def version(self) -> str | None:
        """What changes whenever the table may have; None where only reading it again tells.

        Raises:
            FindCLIError: it cannot be asked.
        """
        ...

    def read(self, folder: Path, *, before: Path | None) -> None:
        """Copy the table into an empty folder, with bounded memory.

        Args:
            folder: gets the table's rows as Parquet files, or its files as they are.
            before: the folder of the last copy; what did not change since may be taken from there.

        Raises:
            FindCLIError: it cannot be read.
        """
        ...


def library(name: str, *, extra: str, what: str) -> ModuleType:
    """Import what reads a place.

    Raises:
        FindCLIError: it is not installed; the hint names the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        hint = f'install its reader with: pip install "findcli[{extra}]"'
        raise FindCLIError(f"{what} cannot be read: {first_line(error)}", hint=hint) from error


def variable(connection: str | None) -> tuple[str, str]:
    """The environment variable that a connection names, and what it holds.

    Raises:
        FindCLIError: it is not set.
    """
    name = str(connection).removeprefix("env:")
    url = os.environ.get(name, "").strip()
    if not url:
        hint = f"set it to the URL, such as: export {name}=postgresql://USER:PASSWORD@HOST/DATABASE"
        raise FindCLIError(f"the environment variable {name} is not set", hint=hint)
    return name, url


@contextmanager
def asking(what: str, errors: tuple[type[Exception], ...], *, hint: str) -> Iterator[None]:
    """Turn what a library says of a place into an error in one line; a full disk is left to others."""
    several: tuple[type[Exception], ...] = (*errors, OSError, pl.exceptions.PolarsError)
    try:
        yield
    except several as error:
        if disk_problem(error):
            raise
        raise FindCLIError(f"{what} cannot be read: {first_line(error)}", hint=hint) from error


def write_parts(frames: Iterable[pl.DataFrame], folder: Path) -> None:
    """Write batches as Parquet files of about `PART_BYTES`; at least one, so that an empty table has columns too."""
    waiting: list[pl.DataFrame] = []
    size: float = 0
    parts = 0
    for frame in frames:
        size += frame.estimated_size()
        if waiting and (size > PART_BYTES or sum(map(len, waiting)) + len(frame) > PART_ROWS):
            _write_part(waiting, folder, parts)
            waiting, size, parts = [], frame.estimated_size(), parts + 1
        waiting.append(frame)
    if waiting:
        _write_part(waiting, folder, parts)


def _write_part(frames: list[pl.DataFrame], folder: Path, number: int) -> None:
    pl.concat(frames).write_parquet(folder / f"part-{number:05d}.parquet")


def sink_parts(frame: pl.LazyFrame, folder: Path) -> None:
    """Write a lazy frame as Parquet files of at most `PART_ROWS` rows, streaming."""
    frame.sink_parquet(pl.PartitionBy(folder, max_rows_per_file=PART_ROWS), mkdir=True)
    if not any(folder.iterdir()):
        frame.collect_schema().to_frame().write_parquet(folder / "part-00000.parquet")


def digest_of_rows(files: list[Path]) -> tuple[int, str]:
    """How many rows Parquet files hold, and a digest of them that their order and parts do not change."""
    frame = pl.scan_parquet(files, glob=False, hive_partitioning=False)
    schema = frame.collect_schema()
    row = pl.struct(pl.all())
    halves: dict[str, pl.Expr] = {}
    for seed in SEEDS:  # two sums of 32 bits a seed: none overflows below 4 billion rows
        halves[f"{seed} low"] = (row.hash(seed) % 2**32).sum()
        halves[f"{seed} high"] = (row.hash(seed) // 2**32).sum()
    rows, *sums = frame.select(pl.len(), **halves).collect(engine="streaming").row(0)
    return int(rows), hash_json([[(name, str(kind)) for name, kind in schema.items()], rows, sums])


def plain(value: Any) -> str:
    """A digest of a version query's answer: it may hold anything, and nobody has to read it."""
    return hash_json([str(each) for row in value for each in row])
