"""Columns of numbers in a table, be they numbers by their own type or text.

Tested in tests/data/reader/test_cells.py.
"""

from __future__ import annotations

import polars as pl

from findcli.data.reader import nulls, numbers
from findcli.data.reader.numbers import NumberReading
from findcli.data.reader.tables import Table
from findcli.workspace.table_form import TableForm


def number_probes(table: Table, form: TableForm, name: str) -> dict[str, pl.Expr]:
    """What one pass over a column of numbers has to count, for `settle_from`."""
    kind = table.schema[name]
    if kind.is_float():
        return {f"{name} infinite": pl.col(name).is_infinite().sum()}
    if kind.is_numeric() or kind == pl.Boolean:
        return {}
    return numbers.number_probes(nulls.bare(table, form, name), name)


def settle_from(
    table: Table, form: TableForm, name: str, seen: dict[str, int], early: pl.Expr | None
) -> NumberReading | None:
    """How a column of text reads as numbers; None where its own type is a number.

    Raises:
        FindCLIError: it holds infinite values, or does not read in one way.
    """
    numbers.refuse_infinite(table.what, name, seen.get(f"{name} infinite", 0))
    if f"{name} odd" not in seen:
        return None
    if name in table.numerals or (not seen[f"{name} odd"] and form.decimal != ","):
        return NumberReading()
    text = nulls.data(table, form, name)
    return numbers.settle_numbers(table.frame, text, what=table.what, column=name, declared=form.decimal, early=early)


def settle_number(table: Table, form: TableForm, name: str, *, early: pl.Expr | None = None) -> NumberReading | None:
    """How one column of a table reads as numbers; None where its own type is a number.

    Args:
        table: the table.
        form: what is declared of it.
        name: the column.
        early: which rows lie before `train_until`; None takes all.

    Raises:
        FindCLIError: it holds infinite values, or does not read in one way.
    """
    probes = number_probes(table, form, name)
    seen = table.frame.select(**probes).collect(engine="streaming").row(0, named=True) if probes else {}
    return settle_from(table, form, name, seen, early)


def number(table: Table, form: TableForm, name: str, settled: NumberReading | None) -> pl.Expr:
    """One column of a table as Float64; NaN is missing."""
    if settled is None:
        column = pl.col(name)
        return (column.fill_nan(None) if table.schema[name].is_float() else column).cast(pl.Float64)
    return numbers.read_numbers(nulls.bare(table, form, name), settled)
