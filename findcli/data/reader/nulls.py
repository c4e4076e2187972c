"""Spellings of a missing value, by the kind of column.

Tested in tests/data/reader/test_cells.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from findcli.data.reader.missing import IN_DATA, IN_WORDS
from findcli.data.reader.tables import Table, text_of
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm


def bare(table: Table, form: TableForm, name: str) -> pl.Expr:
    """A column as text in which what is declared missing is null, for a reader that every other spelling fails."""
    text = _stripped(table, name)
    return pl.when(~text.is_in(form.null_values)).then(text) if form.null_values else text


def data(table: Table, form: TableForm, name: str) -> pl.Expr:
    """A column of ids, times or numbers as text in which every spelling of a missing value is null."""
    text = _stripped(table, name)
    seen = text if name in table.written else text.str.strip_chars()
    return pl.when(~seen.is_in([*IN_DATA, *form.null_values])).then(text)


def words(table: Table, form: TableForm, name: str) -> pl.Expr:
    r"""A column of words as text; only an empty one, \N and what is declared missing is null."""
    kind = table.schema[name]
    if not (kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)):
        return text_of(pl.col(name), kind)
    text = _stripped(table, name)
    if name in table.written and not table.padded and not table.has_marks and not form.null_values:
        return pl.when(text != "").then(text)  # an empty field in quotes
    return pl.when(~text.is_in([*IN_WORDS, *form.null_values])).then(text)


def require_words(table: Table, names: Iterable[str]) -> None:
    """Refuse columns of lists and the like where words are wanted.

    Raises:
        FindCLIError: one is.
    """
    for name in names:
        kind = table.schema[name]
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            hint = "write a column of plain text, such as one value of each list a row"
            raise FindCLIError(f"{table.what}: column {name!r} is of type {kind}, which is no text", hint=hint)


def _stripped(table: Table, name: str) -> pl.Expr:
    """The column as text; in a text file, spaces around a value say nothing."""
    text = text_of(pl.col(name), table.schema[name])
    return text.str.strip_chars() if name in table.written and table.padded else text
