"""Spellings of a missing value, by the kind of column."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

# "None" is an item and NA is Namibia: among words, only what no one would write is missing.
IN_WORDS = ("", "\\N")
IN_DATA = (*IN_WORDS, "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "Null", "null", "None", "nan", "NaN", "NaT")


def without_nulls(column: pl.Expr, *, words: bool, written: bool, more: Iterable[str] = ()) -> pl.Expr:
    """A column of text in which every spelling of a missing value is null.

    Args:
        column: text.
        words: whether it holds words, not ids, times or numbers.
        written: whether it comes from a text file, where spaces around a value say nothing.
        more: further spellings.
    """
    bare = column.str.strip_chars() if written else column
    spellings = [*(IN_WORDS if words else IN_DATA), *more]
    blank = bare.is_in(spellings) if written or words else column.str.strip_chars().is_in(spellings)
    return pl.when(~blank).then(bare)
