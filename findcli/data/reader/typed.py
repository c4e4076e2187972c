"""A table with a type for every column, where nobody has said yet what its columns are for.

Tested in tests/data/reader/test_cells.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader.ids import CANONICAL
from findcli.data.reader.numbers import NumberReading, read_numbers
from findcli.data.reader.tables import Table, open_table, reading
from findcli.workspace.table_form import TableForm

SAMPLE = 10_000
READINGS = (NumberReading(), NumberReading(".", plain=False), NumberReading(",", plain=False))
BOOLEANS = ("true", "false")


def scan_table(files: Sequence[Path], *, what: str, form: TableForm | None = None) -> pl.LazyFrame:
    """Read files lazily as one table of typed columns.

    Of a text file, a column is of whole numbers, numbers or true and false where every row of it is, and none is
    written with zeros before it; else it is text.

    Args:
        files: Parquet, CSV, JSONL or Excel, all of one kind.
        what: how errors call the table.
        form: what is declared of them.

    Raises:
        FindCLIError: a file is of no such kind, or cannot be read.
    """
    table = open_table(files, form, what=what)
    with reading(what, files):
        return typed_frame(table, form or TableForm())


def typed_frame(table: Table, form: TableForm) -> pl.LazyFrame:
    """A table's frame with its columns of text typed by all that they hold."""
    texts = [name for name in table.schema.names() if name in table.written]
    likely = _fitting(table, table.frame.head(SAMPLE), dict.fromkeys(texts, tuple(_kinds(form))), form)
    sure = _fitting(table, table.frame, {name: kinds for name, kinds in likely.items() if kinds}, form)
    return table.frame.with_columns(
        _cast(table, name, sure[name][0], form) if sure.get(name) else nulls.words(table, form, name).alias(name)
        for name in texts
    )


def _kinds(form: TableForm) -> dict[str, pl.DataType]:
    numbers = {"plain": pl.Float64(), "point": pl.Float64(), "comma": pl.Float64()}
    return {"integer": pl.Int64(), "boolean": pl.Boolean(), **numbers} if form.decimal != "," else {
        "integer": pl.Int64(), "boolean": pl.Boolean(), "comma": pl.Float64()
    }  # fmt: skip


def _cast(table: Table, name: str, kind: str, form: TableForm) -> pl.Expr:
    text = nulls.data(table, form, name)
    if kind == "integer":
        value = text.cast(pl.Int64, strict=False)
    elif kind == "boolean":
        lower = text.str.to_lowercase()
        value = pl.when(lower.is_in(BOOLEANS)).then(lower == "true")
    else:
        value = read_numbers(text, READINGS[("plain", "point", "comma").index(kind)])
    return value.alias(name)


def _fitting(
    table: Table, frame: pl.LazyFrame, kinds: dict[str, tuple[str, ...]], form: TableForm
) -> dict[str, tuple[str, ...]]:
    """Of the kinds that each column may be, those that every value fits; none for a column without a value."""
    checks = {}
    for name, several in kinds.items():
        text = nulls.data(table, form, name)
        padded = text.str.contains(r"^[-+]?0\d")
        checks[f"{name} any"] = text.is_not_null().any()
        for kind in several:
            wrong = text.is_not_null() & (_cast(table, name, kind, form).is_null() | padded)
            if kind == "integer":
                wrong = wrong | ~text.str.contains(CANONICAL)
            checks[f"{name} {kind}"] = wrong.any()
    if not checks:
        return {}
    seen = frame.select(**checks).collect(engine="streaming").row(0, named=True)
    return {
        name: tuple(kind for kind in several if seen[f"{name} any"] and not seen[f"{name} {kind}"])
        for name, several in kinds.items()
    }
