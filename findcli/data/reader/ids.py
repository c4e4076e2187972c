"""Ids of people as they stand in a file, matched with those that findcli knows: a number is never cut to fit."""

from __future__ import annotations

import polars as pl

WHOLE = r"^-?(0|[1-9][0-9]*)$"  # as a whole number is written; 007 is another id than 7
EXPORTED = r"^-?(0|[1-9][0-9]*)\.0+$"  # as a column with gaps leaves a spreadsheet or pandas
LARGEST = 2**53  # beyond which a decimal no longer tells whole numbers apart


def ids_of_type(values: pl.Series, kind: pl.DataType) -> pl.Series:
    """Ids in the type of those that are known; null where one cannot be of that type.

    Decimals are read as whole numbers only where every value of the column is whole: 1.9 is nobody.

    Args:
        values: of any type.
        kind: integer or String.
    """
    text = _exact_text(values)
    whole = _without_zeros(text)
    if not kind.is_integer():
        return whole
    return pl.select(pl.when(whole.str.contains(WHOLE)).then(whole)).to_series().cast(kind, strict=False)


def _exact_text(values: pl.Series) -> pl.Series:
    if not values.dtype.is_float():
        return values.cast(pl.String).str.strip_chars()
    exact = values.is_finite() & (values.abs() < LARGEST)
    return pl.select(pl.when(exact).then(values.cast(pl.String))).to_series()


def _without_zeros(text: pl.Series) -> pl.Series:
    """17850.0 as 17850, where all values are written so."""
    present = text.drop_nulls()
    if present.is_empty() or not present.str.contains(EXPORTED).all():
        return text
    return text.str.replace(r"\.0+$", "")
