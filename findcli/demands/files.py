"""Read files of demands.

Tested in tests/audiences/test_target.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from findcli.data.reader.tables import open_table, reading
from findcli.errors import FindCLIError, first_line

TABLES = (".parquet", ".jsonl", ".xlsx")
SEPARATED = (".csv", ".tsv")
COLUMN = "demand"


def read_demands(path: Path) -> list[str]:
    """The demands of a file: the column `demand` of a table, otherwise one sentence per line.

    Raises:
        FindCLIError: the file cannot be read or contains no demand.
    """
    what = "the file of demands"
    if path.suffix.lower() in TABLES or (path.suffix.lower() in SEPARATED and _names_demands(path)):
        table = open_table([path], what=what)
        column = next((name for name in table.schema.names() if name.strip().lower() == COLUMN), None)
        if column is None:
            hint = f"name the column of sentences {COLUMN}"
            raise FindCLIError(f"{path} has no column {COLUMN}, only: {', '.join(table.schema.names())}", hint=hint)
        with reading(what, [path]):
            demands = table.frame.select(pl.col(column).cast(pl.String)).collect()[column].to_list()
    else:
        demands = [line.strip() for line in _text(path).splitlines()]
    sentences = [demand for demand in demands if demand]
    if not sentences:
        raise FindCLIError(f"{path} contains no demand", hint="write one sentence per line, or a column `demand`")
    return sentences


def _names_demands(path: Path) -> bool:
    """Whether the first line of a text file names the column of demands; else each line is one."""
    first = next(iter(_text(path).splitlines()), "")
    return COLUMN in (name.strip().strip('"').lower() for name in re.split(r"[,;\t|]", first))


def _text(path: Path) -> str:
    hint = f"use a text file with one sentence per line, or a table with a column {COLUMN}"
    try:
        content = path.read_bytes()
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return content.decode("utf-16")
        return _decoded(content)
    except (OSError, UnicodeDecodeError) as error:
        raise FindCLIError(f"the demands in {path} cannot be read: {first_line(error)}", hint=hint) from error


def _decoded(content: bytes) -> str:
    """UTF-8, with or without a mark, or what Windows writes in western Europe."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            raise
        return content.decode("cp1252")
