"""Read files of demands.

Tested in tests/audiences/test_target.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from findcli.data.reader.files import look_at
from findcli.data.reader.tables import open_table, reading
from findcli.data.reader.text import read_lines
from findcli.errors import FindCLIError

COLUMN = "demand"
WHAT = "the file of demands"


def read_demands(path: Path) -> list[str]:
    """The demands of a file: the column `demand` of a table, otherwise one sentence per line.

    Raises:
        FindCLIError: the file cannot be read or contains no demand.
    """
    stored = look_at(path, what=WHAT) if path.suffix.lower() not in ("", ".md") else None
    is_table = stored is not None and (stored.kind != "text" or stored.packed or _names_demands(path))
    demands = _column(path) if is_table else read_lines(path, what=WHAT)
    sentences = [demand.strip() for demand in demands if demand and demand.strip()]
    if not sentences:
        raise FindCLIError(f"{path} contains no demand", hint="write one sentence per line, or a column `demand`")
    return sentences


def _column(path: Path) -> list[str | None]:
    table = open_table([path], what=WHAT)
    column = next((name for name in table.schema.names() if name.strip().lower() == COLUMN), None)
    if column is None:
        hint = f"name the column of sentences {COLUMN}"
        raise FindCLIError(f"{path} has no column {COLUMN}, only: {', '.join(table.schema.names())}", hint=hint)
    with reading(WHAT, [path]):
        return table.frame.select(pl.col(column).cast(pl.String)).collect()[column].to_list()


def _names_demands(path: Path) -> bool:
    """Whether the first line of a text file names the column of demands; else each line is one."""
    first = next((line for line in read_lines(path, what=WHAT) if line.strip()), "")
    return COLUMN in (name.strip().strip('"').lower() for name in re.split(r"[,;\t|]", first))
