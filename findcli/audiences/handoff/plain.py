"""Plain tables for people: what a spreadsheet would run as a formula is written as text.

A cell that begins with =, +, -, @, a tab or a carriage return runs as a formula when a CSV file is opened in a
spreadsheet (CWE-1236). An apostrophe before it stops that. Numbers are no formulas: an id such as -7 stays as it is.
"""

from __future__ import annotations

import polars as pl

FORMULA = r"^[=+\-@\t\r]"
NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)$"
ESCAPED = r"^'+[=+\-@\t\r]"


def escaped(frame: pl.DataFrame) -> pl.DataFrame:
    """A table for a CSV file that people open; columns of numbers and what reads as a number stay as they are."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(_escape(pl.col(name)).alias(name) for name in texts)


def unescaped(text: pl.Expr) -> pl.Expr:
    """What `escaped` made of a text, as it was."""
    return pl.when(text.str.contains(ESCAPED)).then(text.str.slice(1)).otherwise(text)


def _escape(text: pl.Expr) -> pl.Expr:
    runs = (text.str.contains(FORMULA) & ~text.str.contains(NUMBER)) | text.str.contains(ESCAPED)
    return pl.when(runs).then("'" + text).otherwise(text)
