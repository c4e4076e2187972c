"""Columns of yes and no, as people write them; nothing else is taken for a yes.

Tested in tests/audiences/eligible/test_consent.py.
"""

from __future__ import annotations

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader.tables import Table
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm

YES = ("1", "true", "t", "yes", "y", "granted", "given", "agreed", "opt-in", "optin", "opted in", "in", "on", "x")
NO = ("0", "false", "f", "no", "n", "denied", "withdrawn", "refused", "opt-out", "optout", "opted out", "out", "off")
SHOWN = 3


def yes_or_no(table: Table, form: TableForm, name: str) -> pl.Series:
    """Whether each row says yes in a column; null where it says nothing.

    Raises:
        FindCLIError: a value is neither yes nor no.
    """
    column = table.frame.select(x=nulls.data(table, form, name)).collect()["x"].str.strip_chars()
    text = column.str.to_lowercase()
    strange = column.filter(text.is_not_null() & ~text.is_in([*YES, *NO, ""]))
    if len(strange):
        shown = ", ".join(repr(value) for value in strange.unique(maintain_order=True)[:SHOWN])
        hint = f"write one of {', '.join(YES[:4])} or {', '.join(NO[:4])}; nothing else is taken for a yes"
        raise FindCLIError(f"the column {name!r} of {table.what} holds {shown}", hint=hint)
    said = pl.DataFrame({"x": text}).select(pl.when(pl.col("x").is_in([*YES, *NO])).then(pl.col("x").is_in(list(YES))))
    return said.to_series().alias(name)
