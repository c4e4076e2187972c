"""The column of ids of one table, settled by its own rows."""

from __future__ import annotations

import polars as pl

from findcli.data.reader import ids
from findcli.data.reader.ids import IdKind
from findcli.data.reader.tables import Table
from findcli.errors import FindCLIError
from findcli.workspace.settings import TableForm


def id_form(table: Table, form: TableForm, column: str, seen: dict[str, int], early: pl.Expr | None) -> IdKind | None:
    """How ids read: as declared, as those of a decimal export, or as they stand.

    Args:
        table: the table.
        form: what is declared of it.
        column: the column of ids.
        seen: what `ids.id_probes` counted.
        early: which rows lie before `train_until`; None takes all.

    Raises:
        FindCLIError: they are no ids, or not what is declared or decided of them.
    """
    kind, values, declared = table.schema[column], pl.col(column), form.types.get(column)
    require_id_type(table, column)
    if seen.get("ids unfit"):
        unfit = (values != values.floor()) | (values.abs() >= ids.EXACT)
        ids.refuse_ids(table.frame.filter(unfit), values, what=table.what, column=column)
    if ids.is_number(kind):
        return declared
    text = ids.read_ids(values, kind, written=column in table.written, nulls=form.null_values)
    if declared is None and seen.get("ids pointed"):
        return ids.settle_ids(table.frame, text, what=table.what, column=column, early=early)
    if declared == "decimal":
        return ids.settle_ids(table.frame, text, what=table.what, column=column, early=None)
    if declared == "integer":
        ids.refuse_integers(table.frame, text, what=table.what, column=column)
    return declared


def require_id_type(table: Table, column: str) -> None:
    """Refuse ids that are neither numbers nor text.

    Raises:
        FindCLIError: they are not.
    """
    kind = table.schema[column]
    if not (kind.is_numeric() or kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)):
        raise FindCLIError(
            f"{table.what}: the user column {column!r} is of type {kind}",
            hint="user ids are whole numbers or text: write them so",
        )


def settled_ids(table: Table, form: TableForm, column: str, *, early: pl.Expr | None = None) -> pl.Expr:
    """A table's ids as text, or as Int64 where they are numbers by their own type; null is missing.

    Args:
        table: the table.
        form: what is declared of it.
        column: the column of ids.
        early: which rows lie before `train_until`; None takes all.

    Raises:
        FindCLIError: they are no ids, or decimals that are not whole or too large to be exact.
    """
    kind, written = table.schema[column], column in table.written
    probes = ids.id_probes(pl.col(column), kind, written=written, nulls=form.null_values)
    seen = table.frame.select(**probes).collect(engine="streaming").row(0, named=True) if probes else {}
    settled = id_form(table, form, column, seen, early)
    return ids.read_ids(pl.col(column), kind, written=written, form=settled, nulls=form.null_values)
