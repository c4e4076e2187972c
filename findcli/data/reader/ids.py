"""Ids of people: text as it stands, unless the file's own type is a number; two spellings are two people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader.tables import Table
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm

IdKind = Literal["text", "integer", "decimal"]
EXACT = 2**53
DIGITS = 18  # the most characters of a float as a program writes it: 1166250520.1704067200 is no export of one
DECIMAL = r"^[-+]?\d+(?:\.\d*)?(?:[eE]\+?\d+)?$"
CANONICAL = r"^(?:0|-?[1-9]\d{0,18})$"  # as a whole number is written; 007 is another id than 7
AS_TEXT = (
    "ids are whole numbers or text: write them so, or keep the column as it stands with types = {{{column!r} = 'text'}}"
)


def is_number(kind: pl.DataType) -> bool:
    """Whether a column's own type makes its ids numbers; unsigned ones of 64 bits would not fit, and are text."""
    return (kind.is_integer() and kind not in (pl.UInt64, pl.Int128, pl.UInt128)) or kind.is_float()


def memory_type(kinds: Iterable[pl.DataType | IdKind]) -> pl.DataType:
    """The type in which ids of several tables are compared: Int64 where all are numbers, else text."""
    numbers = [kind == "integer" if isinstance(kind, str) else is_number(kind) for kind in kinds]
    return pl.Int64() if numbers and all(numbers) else pl.String()


@dataclass(frozen=True)
class IdReading:
    """How a column of ids reads.

    Attributes:
        form: "text" as it stands, "integer" as a number, "decimal" 17850.0 as 17850; None of a column of numbers.
        spelled: whether some are missing that are not empty.
    """

    form: IdKind | None = None
    spelled: bool = True


def read_ids(table: Table, form: TableForm, name: str, settled: IdReading) -> pl.Expr:
    """A column of ids as text, or as Int64 where its own type is a number or it is declared one; null is missing."""
    kind = table.schema[name]
    if is_number(kind):
        column = pl.col(name)
        return column.fill_nan(None).cast(pl.Int64, strict=False) if kind.is_float() else column.cast(pl.Int64)
    text = nulls.data(table, form, name) if settled.spelled else nulls.bare(table, form, name)
    if settled.form == "integer":
        return text.cast(pl.Int64, strict=False)
    if settled.form == "decimal":
        exact = text.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False).cast(pl.String)
        return pl.when(text.str.contains(CANONICAL)).then(text).otherwise(exact)
    return text


def id_probes(table: Table, form: TableForm, name: str) -> dict[str, pl.Expr]:
    """What one pass over a column has to count, so that `settle_from` can tell whether more is to be asked."""
    kind = table.schema[name]
    if kind.is_float():
        number = pl.col(name).fill_nan(None)
        return {"ids unfit": ((number != number.floor()) | (number.abs() >= EXACT)).sum()}
    if is_number(kind):
        return {}
    text = nulls.data(table, form, name)
    pointed = text.str.contains(".", literal=True) | text.str.contains("e+", literal=True)
    spelled = pl.col(name).is_not_null() & text.is_null()
    return {"ids spelled": spelled.sum(), "ids pointed": pointed.any()}


def settle_from(table: Table, form: TableForm, name: str, seen: dict[str, int], early: pl.Expr | None) -> IdReading:
    """How ids read: as declared, as those of a decimal export, or as they stand.

    Args:
        table: the table.
        form: what is declared of it.
        name: the column of ids.
        seen: what `id_probes` counted.
        early: which rows lie before `train_until`; None takes all.

    Raises:
        FindCLIError: they are no ids, or not what is declared or decided of them.
    """
    values, declared = pl.col(name), form.types.get(name)
    if seen.get("ids unfit"):
        unfit = (values != values.floor()) | (values.abs() >= EXACT)
        refuse_ids(table.frame.filter(unfit), values, what=table.what, column=name)
    if is_number(table.schema[name]):
        return IdReading()
    text = nulls.data(table, form, name)
    spelled = bool(seen["ids spelled"])
    if declared == "integer":
        refuse_integers(table.frame, text, what=table.what, column=name)
    if declared == "decimal" or (declared is None and seen["ids pointed"]):
        first = None if declared else early
        return IdReading(settle_ids(table.frame, text, what=table.what, column=name, early=first), spelled)
    return IdReading(declared or "text", spelled)


def settled_ids(table: Table, form: TableForm, name: str, *, early: pl.Expr | None = None) -> pl.Expr:
    """A table's ids as text, or as Int64 where they are numbers by their own type; null is missing.

    Args:
        table: the table.
        form: what is declared of it.
        name: the column of ids.
        early: which rows lie before `train_until`; None takes all.

    Raises:
        FindCLIError: they are no ids, or decimals that are not whole or too large to be exact.
    """
    require_id_type(table, name)
    probes = id_probes(table, form, name)
    seen = table.frame.select(**probes).collect(engine="streaming").row(0, named=True) if probes else {}
    return read_ids(table, form, name, settle_from(table, form, name, seen, early))


def require_id_type(table: Table, name: str) -> None:
    """Refuse ids that are neither numbers nor text.

    Raises:
        FindCLIError: they are not.
    """
    kind = table.schema[name]
    if not (kind.is_numeric() or kind in (pl.String, pl.Null) or isinstance(kind, pl.Categorical | pl.Enum)):
        raise FindCLIError(
            f"{table.what}: the user column {name!r} is of type {kind}",
            hint="user ids are whole numbers or text: write them so",
        )


def settle_ids(frame: pl.LazyFrame, text: pl.Expr, *, what: str, column: str, early: pl.Expr | None) -> IdKind:
    """Whether ids in text are those of a decimal export: all before `train_until` are numbers, some with a point.

    Whole numbers read alike either way, so that later decimals beside them change no earlier id.

    Raises:
        FindCLIError: they are, and one of them is not whole, is too large to be exact, or a later one is none.
    """
    first = pl.lit(value=True) if early is None else early
    whole = text.str.contains(CANONICAL)
    longer = text.str.contains(r"^[1-9]\d*\.\d+$") & (text.str.len_bytes() > DIGITS)
    decimal = text.str.contains(DECIMAL) & (text.str.contains(".", literal=True) | text.str.contains("(?i)e"))
    number = text.cast(pl.Float64, strict=False)
    unfit = ~(whole | decimal) | (number != number.floor()) | (~whole & (number.abs() >= EXACT))
    seen = frame.select(
        early=(first & text.is_not_null()).sum(),
        fit=(first & (whole | decimal)).sum(),
        decimal=(first & decimal).sum(),
        longer=(first & longer).any(),
        unfit=unfit.sum(),
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    if early is not None and not seen["early"]:
        return settle_ids(frame, text, what=what, column=column, early=None)
    undecided = seen["unfit"] and not seen["decimal"]
    if not seen["early"] or seen["fit"] < seen["early"] or seen["longer"] or undecided:
        return "text"
    if seen["unfit"]:
        refuse_ids(frame.filter(unfit), text, what=what, column=column)
    return "decimal"


def refuse_ids(strange: pl.LazyFrame, column_values: pl.Expr, *, what: str, column: str) -> None:
    """Refuse ids that are decimals, or too large to be exact ones.

    Raises:
        FindCLIError: always; three of them are shown.
    """
    values = strange.select(column_values.alias("x")).head(3).collect()["x"]
    shown = ", ".join(repr(value) if isinstance(value, str) else f"{value:.17g}" for value in values)
    raise FindCLIError(
        f"{what}: the user column {column!r} holds decimals that are no exact whole numbers, such as {shown}",
        hint=AS_TEXT.format(column=column),
    )


def refuse_integers(frame: pl.LazyFrame, text: pl.Expr, *, what: str, column: str) -> None:
    """Refuse a column declared as integers that holds other ids.

    Raises:
        FindCLIError: it does.
    """
    strange = frame.filter(text.is_not_null() & text.cast(pl.Int64, strict=False).is_null())
    values = strange.select(text.alias("x")).head(3).collect()["x"]
    if len(values):
        shown = ", ".join(repr(value) for value in values)
        raise FindCLIError(
            f"{what}: the user column {column!r} is declared 'integer' and holds {shown}",
            hint=AS_TEXT.format(column=column),
        )


def same_ids(ids: pl.Expr, kind: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Ids in the type of another table's: a number is the text that writes it without zeros before it; null for none.

    Args:
        ids: ids as `read_ids` gives them.
        kind: their type.
        wanted: Int64 or String.
    """
    if kind == wanted:
        return ids
    if wanted == pl.String:
        return ids.cast(pl.String)
    return pl.when(ids.str.contains(CANONICAL)).then(ids).cast(wanted, strict=False)


def ids_in_type(table: Table, form: TableForm, name: str, wanted: pl.DataType) -> pl.DataFrame:
    """A table's ids in the type of those that are known.

    Args:
        table: the table.
        form: what is declared of it.
        name: the column of ids.
        wanted: Int64 or String.

    Returns:
        A row of the table each: `written`, the id as the table has it, and `user_id`, null where it is missing or
        cannot be of that type.

    Raises:
        FindCLIError: they are no ids, or decimals that are not whole or too large to be exact.
    """
    ids = table.frame.select(written=settled_ids(table, form, name)).collect()
    return ids.with_columns(user_id=same_ids(pl.col("written"), ids.schema["written"], wanted))
