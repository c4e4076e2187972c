"""What happened after a campaign, by a table of users; of everybody who was assigned, reached or not.

Tested in tests/audiences/experiment/test_lift.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from findcli.audiences.eligible.listed import user_column
from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import Table, open_table, reading
from findcli.data.reader.typed import typed_frame
from findcli.data.reader.yes_no import yes_or_no
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.table_form import TableForm

WHAT = "the table of outcomes"
OUTCOME, AMOUNT = ("outcome", "converted", "label"), "amount"


@dataclass(frozen=True)
class Columns:
    """The columns of a table of outcomes; None takes `outcome`, `converted`, `label` or `amount` if it is there."""

    user: str | None = None
    outcome: str | None = None
    amount: str | None = None


@dataclass(frozen=True)
class Outcomes:
    """What happened.

    Attributes:
        users: a row an assigned user, in their order: converted (Boolean), amount (Float64, 0 where there is none), and
            recorded, whether the table speaks of the user at all.
        has_column: whether a column says yes or no; else a row is a yes.
        has_amount: whether there are amounts.
        strangers: how many ids of the table were not assigned.
    """

    users: pl.DataFrame
    has_column: bool
    has_amount: bool
    strangers: int


def read_outcomes(path: Path, assigned: pl.Series, workspace: Workspace, columns: Columns | None = None) -> Outcomes:
    """Read what happened: who is not in the table did nothing, and of several rows of a user one yes is a yes.

    Args:
        path: Parquet, CSV, JSONL or Excel.
        assigned: ids of all who were assigned.
        workspace: names its columns of users.
        columns: of the table.

    Raises:
        FindCLIError: the table cannot be read, lacks a column, or holds an outcome or an amount that is none.
    """
    if not path.is_file():
        raise FindCLIError(f"there is no file {path}", hint="name a table of who did it: a column user_id is enough")
    asked, table = columns or Columns(), open_table([path], what=WHAT, ids=["user_id"])
    user = _named(table, asked.user) or user_column(table, workspace)
    outcome = _named(table, asked.outcome) or next((name for name in OUTCOME if name in table.schema), None)
    amount = _named(table, asked.amount) or (AMOUNT if AMOUNT in table.schema else None)
    with reading(WHAT, [path]):
        rows = ids_in_type(table, TableForm(), user, assigned.dtype).select("user_id")
        yes = None if outcome is None else yes_or_no(table, TableForm(), outcome)
        amounts = None if amount is None else _amounts(table, amount)
    known = pl.repeat(True, len(rows), eager=True, dtype=pl.Boolean)
    rows = rows.with_columns(
        converted=known if yes is None else yes, amount=pl.lit(0.0) if amounts is None else amounts
    ).drop_nulls("user_id")
    of_users = rows.group_by("user_id").agg(
        converted=pl.col("converted").fill_null(value=False).any(), amount=pl.col("amount").fill_null(0.0).sum(),
        recorded=pl.col("converted").is_not_null().any(),
    )  # fmt: skip
    joined = pl.DataFrame({"user_id": assigned}).join(of_users, on="user_id", how="left", maintain_order="left")
    users = joined.select(
        pl.col("converted").fill_null(value=False),
        pl.col("amount").fill_null(0.0),
        pl.col("recorded").fill_null(value=False),
    )
    strangers = int((~of_users["user_id"].is_in(assigned.implode())).sum())
    return Outcomes(users, outcome is not None, amount is not None, strangers)


def _named(table: Table, name: str | None) -> str | None:
    if name is not None and name not in table.schema:
        hint = f"its columns are: {', '.join(table.schema.names())}"
        raise FindCLIError(f"{table.files[0]} has no column {name!r}", hint=hint)
    return name


def _amounts(table: Table, name: str) -> pl.Series:
    amounts = typed_frame(table, TableForm()).select(name).collect()[name]
    if not amounts.dtype.is_numeric() and amounts.drop_nulls().len():
        shown = ", ".join(repr(value) for value in amounts.drop_nulls()[:3])
        message = f"amounts in {name!r} of {table.files[0]} are no numbers: {shown}"
        raise FindCLIError(message, hint="write plain numbers")
    return amounts.cast(pl.Float64, strict=False)
