"""Raw tables -> one canonical event log, lazily: user, time, source, slots, amount, and what aggregates read.

Times are kept in UTC without a zone, in microseconds; slots are text as the table has it; amounts are numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import polars as pl

from findcli.data.places import copies
from findcli.data.reader import nulls, numbers
from findcli.data.reader.amounts import number, number_probes
from findcli.data.reader.amounts import settle_from as settle_number
from findcli.data.reader.ids import (
    IdKind,
    IdReading,
    id_probes,
    is_number,
    memory_type,
    read_ids,
    require_id_type,
    same_ids,
)
from findcli.data.reader.ids import settle_from as settle_ids
from findcli.data.reader.numbers import NumberReading
from findcli.data.reader.tables import Table, open_table, text_of
from findcli.data.reader.tables import reading as reading
from findcli.data.reader.times import TIME as TIME
from findcli.data.reader.times import TimeColumn, TimeReading, read_times, settle_times, time_candidates, time_probes
from findcli.data.reader.typed import scan_table as scan_table
from findcli.data.templates import returns_of
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import SLOTS, Source

MARKS = (
    "1", "true", "t", "yes", "y", "return", "returned", "refund", "refunded", "cancelled", "canceled", "cancellation",
    "cancel", "storno", "void", "voided", "reversed", "chargeback", "ja", "j", "oui", "si", "sí", "sim", "storniert",
    "retour", "retoure", "annulé", "remboursé",
)  # fmt: skip


@dataclass(frozen=True)
class SourceReading:
    """How a source's columns read, where its table says no more than text.

    Attributes:
        table: its files, opened.
        time: its times.
        user: its ids, when they are text.
        numbers: its columns of numbers that are text.
    """

    table: Table
    time: TimeReading
    user: IdReading
    numbers: dict[str, NumberReading] = field(default_factory=dict)


_settled: dict[tuple[Any, ...], SourceReading] = {}


def open_source(workspace: Workspace, source: Source) -> Table:
    """A source's files as one table, columns as they stand.

    Raises:
        FindCLIError: there is no file, or one cannot be read.
    """
    files = copies.source_files(workspace, source)
    root = copies.root_of(workspace, source)
    return open_table(files, source, what=f"source {source.name!r}", root=root, ids=[source.user])


def scan_source(workspace: Workspace, source: Source, *, raw: bool = False) -> pl.LazyFrame:
    """One source as canonical events, rows without user or time left out; returns are events of a source of their own.

    Args:
        workspace: whose source it is.
        source: the entry of the workspace file.
        raw: keep all rows, for counting them; `returned` (Boolean) marks the returns of a source of purchases.

    Returns:
        `user_id` (Int64 or String), `time` (Datetime us, UTC), `source` (of returns: `templates.returns_of` it), the
        source's slots (String), `amount` (Float64; of returns without its sign), `copies` (hash of the whole raw row,
        only when duplicates matter) and `source.column` for each column an aggregate reads.

    Raises:
        FindCLIError: a column is missing or of a wrong type, the times cannot be read or are ambiguous, a file is torn.
    """
    settled = settle_source(workspace, source)
    table, schema = settled.table, settled.table.schema
    user = read_ids(table, source, source.user, settled.user)
    user_kind = pl.Int64() if _is_integer(settled, source) else pl.String()
    amount = _amount_expression(settled, source)
    columns = [
        same_ids(user, user_kind, id_type(workspace)).alias("user_id"),
        read_times(_time_column(table, source), settled.time).alias("time"),
        pl.lit(source.name).alias("source"),
        *(nulls.words(table, source, column).alias(slot) for slot, column in slot_columns(source).items()),
        *([] if amount is None else [amount.alias("amount")]),
        *(
            _extra(settled, source, column, summed=_is_summed(workspace, source, column)).alias(
                extra_name(source.name, column)
            )
            for column in extra_columns(workspace, source)
        ),
    ]
    if source.duplicates != "keep":
        columns.append(pl.struct(pl.col(name) for name in schema.names()).hash().alias("copies"))
    returned = _returned_expression(settled, source, amount)
    if returned is not None:
        columns.append(returned.fill_null(value=False).alias("returned"))
    events = table.frame.select(columns)
    if raw:
        return events
    events = events.filter(pl.col("user_id").is_not_null() & pl.col("time").is_not_null())
    if returned is None:
        return events
    name = pl.when("returned").then(pl.lit(returns_of(source.name))).otherwise(pl.col("source")).alias("source")
    worth = [] if amount is None else [pl.when("returned").then(pl.col("amount").abs()).otherwise("amount")]
    return events.with_columns(name, *worth).drop("returned")


def slot_columns(source: Source) -> dict[str, str]:
    """The source's column of each slot it has."""
    return {slot: column for slot in SLOTS if (column := getattr(source, slot)) is not None}


def extra_columns(workspace: Workspace, source: Source) -> list[str]:
    """Raw columns of a source that aggregates of the profile read."""
    aggregates = workspace.settings.profile.aggregates
    return sorted({a.column for a in aggregates if a.source == source.name and a.column is not None})


def extra_name(source: str, column: str) -> str:
    """How a raw column is called in the event log."""
    return f"{source}.{column}"


def id_type(workspace: Workspace) -> pl.DataType:
    """The type of user ids in every table: whole numbers where all sources have those by their own type, else text."""
    if workspace.settings.workspace.user_id == "text":
        return pl.String()
    kinds: list[pl.DataType | IdKind] = []
    for source in workspace.settings.sources:
        try:
            schema = open_source(workspace, source).schema
        except FindCLIError:
            continue  # whoever reads this source is told
        if source.user in schema:
            declared = source.types.get(source.user)
            kinds.append("integer" if declared == "integer" else schema[source.user])
    return memory_type(kinds)


def settle_source(workspace: Workspace, source: Source) -> SourceReading:
    """Decide how a source's columns read; of rows from `train_until` on, none changes how an earlier one reads.

    Raises:
        FindCLIError: a column is missing, or its values fit no reading, or two.
    """
    table = open_source(workspace, source)
    key = (id(table.frame), repr(source), workspace.train_until, *extra_columns(workspace, source))
    if key not in _settled:
        _require_columns(workspace, source, table.schema)
        nulls.require_words(table, slot_columns(source).values())
        with reading(table.what, table.files):
            _settled[key] = _settle(workspace, source, table)
    return _settled[key]


def _settle(workspace: Workspace, source: Source, table: Table) -> SourceReading:
    column = _time_column(table, source)
    candidates = time_candidates(column)
    numeric = number_columns(workspace, source, table)
    require_id_type(table, source.user)
    probes = time_probes(column, candidates)
    probes |= id_probes(table, source, source.user)
    for name in numeric:
        probes |= number_probes(table, source, name)
    if not probes:
        return SourceReading(table, candidates[0], IdReading())
    seen = table.frame.select(**probes).collect(engine="streaming").row(0, named=True)
    time = settle_times(column, candidates, seen, until=workspace.train_until)
    early = read_times(column, time) < workspace.train_until
    user = settle_ids(table, source, source.user, seen, early)
    read = {name: settle_number(table, source, name, seen, early) for name in numeric}
    return SourceReading(table, time, user, {name: number for name, number in read.items() if number is not None})


def number_columns(workspace: Workspace, source: Source, table: Table) -> list[str]:
    """The columns of a source that are read as numbers: of its amount, its quantity and of sums.

    Raises:
        FindCLIError: the amount names no column, or an aggregate sums what is no number.
    """
    summed = [column for column in extra_columns(workspace, source) if _is_summed(workspace, source, column)]
    columns = dict.fromkeys([*_amount_columns(source, table.schema), *summed])
    for name in columns:
        kind = table.schema[name]
        if not (kind.is_numeric() or kind in (pl.Boolean, pl.String) or isinstance(kind, pl.Categorical)):
            raise FindCLIError(
                f"{table.what}: column {name!r} is of type {kind}, not a number",
                hint="name a column of numbers, or use the measure distinct or count in [[profile.aggregates]]",
            )
    return list(columns)


def _amount_columns(source: Source, schema: pl.Schema) -> list[str]:
    parts = [source.quantity, source.price] if source.amount is None else [source.quantity]
    columns = [part for part in parts if part is not None]
    if source.amount is not None:
        try:
            columns += numbers.formula_columns(source.amount, schema.names())
        except ValueError as error:
            raise _no_amount(source, schema, str(error)) from error
    return columns


def _no_amount(source: Source, schema: pl.Schema, why: str) -> FindCLIError:
    hint = f"its columns are: {', '.join(schema.names())}; correct amount in [[sources]]"
    return FindCLIError(f"source {source.name!r}: amount: {why}", hint=hint)


def _is_summed(workspace: Workspace, source: Source, column: str) -> bool:
    aggregates = workspace.settings.profile.aggregates
    return any(
        a.source == source.name and a.column == column and a.measure in ("sum", "mean", "min", "max")
        for a in aggregates
    )


def _require_columns(workspace: Workspace, source: Source, schema: pl.Schema) -> None:
    wanted = {"user": source.user, "time": source.time, **slot_columns(source)}
    wanted |= {key: column for key in ("quantity", "price", "returned") if (column := getattr(source, key)) is not None}
    wanted |= {f"aggregate column {column!r}": column for column in extra_columns(workspace, source)}
    missing = [f"{key} = {column!r}" for key, column in wanted.items() if column not in schema]
    amount = [name for name in _amount_columns(source, schema) if name not in schema and name not in wanted.values()]
    missing += [f"amount = {name!r}" for name in amount]
    if missing:
        raise FindCLIError(
            f"source {source.name!r} has no column for {', '.join(missing)}",
            hint=f"its columns are: {', '.join(schema.names())}; correct [[sources]] in findcli.toml",
        )


def _time_column(table: Table, source: Source) -> TimeColumn:
    return TimeColumn(table, source, source.time)


def _is_integer(settled: SourceReading, source: Source) -> bool:
    return settled.user.form == "integer" or is_number(settled.table.schema[source.user])


def _extra(settled: SourceReading, source: Source, column: str, *, summed: bool) -> pl.Expr:
    """A raw column as aggregates read it: a number where it is summed, else as it stands."""
    kind = settled.table.schema[column]
    if column in settled.numbers and summed:
        return number(settled.table, source, column, settled.numbers[column])
    if kind == pl.String:
        return nulls.words(settled.table, source, column)
    return pl.col(column).fill_nan(None) if kind.is_float() else pl.col(column)


def _amount_expression(settled: SourceReading, source: Source) -> pl.Expr | None:
    names = _amount_columns(source, settled.table.schema)
    columns = {name: number(settled.table, source, name, settled.numbers.get(name)) for name in names}
    if source.amount is not None:
        try:
            return numbers.formula(source.amount, columns)
        except (ValueError, KeyError) as error:
            raise _no_amount(source, settled.table.schema, str(error)) from error
    if source.price is not None:
        return columns[source.price] if source.quantity is None else columns[source.quantity] * columns[source.price]
    return None


def _returned_expression(settled: SourceReading, source: Source, amount: pl.Expr | None) -> pl.Expr | None:
    """Which rows of a source of purchases are returns: by their sign, or by a mark."""
    if "purchase" not in source.families:
        return None
    signs = [] if amount is None else [amount < 0]
    if source.quantity is not None:
        signs.append(number(settled.table, source, source.quantity, settled.numbers.get(source.quantity)) < 0)
    if source.returned is not None:
        mark = (
            text_of(pl.col(source.returned), settled.table.schema[source.returned]).str.strip_chars().str.to_lowercase()
        )
        signs.append(mark.is_in(MARKS) | mark.str.contains(r"^c\d+$"))
    return (
        reduce(lambda one, other: one.fill_null(value=False) | other.fill_null(value=False), signs) if signs else None
    )


def union(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Several sources' events as one log; slots that a source lacks are null."""
    return reduce(lambda left, right: pl.concat([left, right], how="diagonal"), frames)
