"""How columns of an unknown table read, decided over the whole of it, as settings that can be written down.

Tested in tests/datasets/test_unknown_tables.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from findcli.data.reader import ids, nulls
from findcli.data.reader.amounts import settle_number
from findcli.data.reader.numbers import NumberReading, read_numbers
from findcli.data.reader.tables import Table
from findcli.data.reader.time_formats import formats_of
from findcli.data.reader.times import (
    ISO,
    TimeColumn,
    TimeReading,
    read_times,
    settle_times,
    time_candidates,
    time_probes,
)
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm

SAMPLE = 1000
FEW = 5  # spellings of a missing value
MOST_MISSING = 0.2
READABLE = 0.8
PLACEHOLDER = re.compile(r"[^1-9]*")
DIGITS = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
GROUPED = re.compile(r"(?:^|\D)\d{1,3}(?:([.,])\d{3})+(?:\D|$)")


@dataclass(frozen=True)
class Choice:
    """How a column reads.

    Attributes:
        settings: the keys of its table that say so.
        remarks: comments for the file, by key.
        doubts: what could not be told, for the report.
        reading: of times, how they read.
        unread: columns that do not read.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    reading: TimeReading | None = None
    unread: tuple[str, ...] = ()


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dialect_settings(table: Table) -> dict[str, Any]:
    """What of the form of a table's text files is not that of plain CSV, where all are of one form."""
    plain = {"encoding": ("utf-8", "utf-8-sig"), "delimiter": (",",), "header": (True,), "comment": (None,)}
    forms = {key: {getattr(dialect, key) for dialect in table.dialects} for key in plain}
    return {key: values.pop() for key, values in forms.items() if len(values) == 1 and not values & {*plain[key]}}


def time_like(table: Table, form: TableForm, name: str) -> str | None:
    """Whether the first values of a column may be times: None, "times", or "digits" that may be a number as well."""
    column = TimeColumn(table, form, name)
    kind = column.kind
    if column.is_temporal:
        return "times"
    if not (kind.is_numeric() or kind == pl.String or isinstance(kind, pl.Categorical)):
        return None
    values = _first(column)
    if not values or sum(bool(formats_of(value)) for value in values) < READABLE * len(values):
        return None
    if not all(DIGITS.fullmatch(value) for value in values):
        return "times"
    calendar = all(any(family == ISO[1] for family, _ in formats_of(value)) for value in values)
    return "times" if calendar and len(values) >= FEW else "digits"


def decide_times(table: Table, form: TableForm, name: str) -> Choice | None:
    """How a column reads as times; None where no way fits all of it.

    Of two ways that fit all values and read some of them differently, the likelier is taken and the other told.
    """
    column = TimeColumn(table, form, name)
    if column.is_temporal:
        return Choice(reading=time_candidates(column)[0])
    spelled: list[str] = []
    fits: list[TimeReading] = []
    for find_spellings in (_odd_in_sample, _odd_in_all):
        column = TimeColumn(table, replace(form, null_values=(*form.null_values, *spelled)), name)
        spelled += [value for value in find_spellings(column) if value not in spelled]
        column = TimeColumn(table, replace(form, null_values=(*form.null_values, *spelled)), name)
        fits = _fitting(column)
        if fits:
            break
    if not fits:
        return None
    best, *others = _by_likelihood(column, fits)
    settings = _time_settings(best) | ({"null_values": tuple(spelled)} if spelled else {})
    choice = Choice(settings, reading=best)
    return choice if not others else _with_other(choice, column, best, others[0])


def _first(column: TimeColumn) -> list[str]:
    first = column.table.frame.select(column.text.alias("x")).head(SAMPLE).collect()["x"].drop_nulls()
    return first.unique(maintain_order=True).to_list()


def _odd_in_sample(column: TimeColumn) -> list[str]:
    odd = [value for value in _first(column) if not formats_of(value)]
    return odd if len(odd) <= FEW and not any(re.search(r"[1-9]", value) for value in odd) else []


def _odd_in_all(column: TimeColumn) -> list[str]:
    """Spellings of no time, such as 0000-00-00, that the first rows do not show."""
    try:
        candidates = time_candidates(column)
    except FindCLIError:
        return []
    unread = pl.all_horizontal(read_times(column, candidate).is_null() for candidate in candidates)
    strange = column.table.frame.filter(column.text.is_not_null() & unread).select(column.text.alias("x"))
    values = strange.unique().head(FEW + 1).collect()["x"].to_list()
    return values if len(values) <= FEW and all(PLACEHOLDER.fullmatch(value) for value in values) else []


def _fitting(column: TimeColumn) -> list[TimeReading]:
    """Every reading that fits all values, those left out that read all as another does."""
    try:
        candidates = time_candidates(column)
    except FindCLIError:
        return []
    fits = []
    for candidate in candidates:
        probes = time_probes(column, [candidate], exact=True)
        seen = column.table.frame.select(**probes).collect(engine="streaming").row(0, named=True)
        try:
            fits.append(settle_times(column, [candidate], seen))
        except FindCLIError:
            continue
    differ = {
        str(i): (read_times(column, fits[0]) != read_times(column, other)).any() for i, other in enumerate(fits) if i
    }
    if not differ:
        return fits
    seen = column.table.frame.select(**differ).collect(engine="streaming").row(0, named=True)
    return fits[:1] + [fits[int(i)] for i, differs in seen.items() if differs]


def _by_likelihood(column: TimeColumn, fits: list[TimeReading]) -> list[TimeReading]:
    """The likelier first: no time lies ahead of now, rows are in order, and days follow each other closely."""
    if len(fits) == 1:
        return fits
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)
    ranks = []
    for i, reading in enumerate(fits):
        time = read_times(column, reading)
        dates = column.table.frame.select(first=time.min(), last=time.max(), days=time.dt.date().n_unique())
        first, last, days = dates.collect(engine="streaming").row(0)
        ordered = column.table.frame.select(t=time).head(10 * SAMPLE).collect()["t"].drop_nulls().diff().drop_nulls()
        steps = ordered.dt.total_microseconds()
        in_order = max((steps >= 0).sum(), (steps <= 0).sum()) > 0.99 * len(steps) and steps.n_unique() > 1
        dense = round(days / ((last - first).days + 1), 1)
        twelve = any("%p" in form for form in reading.formats) and reading.family.startswith("%m")
        ranks.append((last <= now, in_order, dense, twelve, -i, reading))
    return [rank[-1] for rank in sorted(ranks, key=lambda rank: rank[:-1], reverse=True)]


def _time_settings(reading: TimeReading) -> dict[str, Any]:
    """The keys that say how times read; formats of several lengths cannot be named, the order of their days can."""
    if reading.family in ISO:
        return {"time_format": "iso"}
    if len(reading.formats) == 1:
        return {"time_format": reading.formats[0]}
    days, months = reading.family.find("%d"), reading.family.find("%m")
    return {"day_first": days < months} if days >= 0 and months >= 0 and not reading.family.startswith("%Y") else {}


def _with_other(choice: Choice, column: TimeColumn, best: TimeReading, other: TimeReading) -> Choice:
    differ = read_times(column, best) != read_times(column, other)
    example = column.table.frame.filter(differ).select(column.text.alias("x")).head(1).collect().item()
    (key, alternative), *_ = (*_time_settings(other).items(), ("time_format", other.formats[0]))
    chosen = next(iter(choice.settings), key)
    shown = quoted(alternative) if isinstance(alternative, str) else str(alternative).lower()
    remark = f"{key} = {shown}  # fits every row too: is {example!r} {_day(column, example, other)}?"
    doubt = (
        f"every time fits {best.formats[0]} and {other.formats[0]}: {example!r} is taken for "
        f"{_day(column, example, best)}; else set {key} = {shown}"
    )
    return replace(choice, remarks={chosen: [remark]}, doubts=(doubt,))


def _day(column: TimeColumn, example: str, reading: TimeReading) -> str:
    one = replace(
        column.table, frame=pl.LazyFrame({column.name: [example]}), schema=pl.Schema({column.name: pl.String})
    )
    day = one.frame.select(read_times(TimeColumn(one, TableForm(), column.name), reading)).collect().item()
    return f"{day.day} {day:%B %Y}"


def decide_numbers(table: Table, form: TableForm, columns: list[str]) -> Choice:
    """The decimal mark of a table's columns of numbers, and what stands for missing ones; unread ones are doubted."""
    spelled: list[str] = []
    readings: dict[str, NumberReading] = {}
    doubts, unread, marks = [], [], {}
    for name in [name for name in columns if table.schema[name] == pl.String]:
        spelled += [value for value in _odd_numbers(table, form, name) if value not in spelled]
        read = replace(form, null_values=(*form.null_values, *spelled))
        try:
            reading = settle_number(table, read, name)
        except FindCLIError as error:
            sign = _sign(table, read, name)
            if sign is None:
                doubts.append(f"{error.message} ({error.hint})")
                unread.append(name)
                continue
            mark = "," if sign == "." or ";" in {d.delimiter for d in table.dialects} else "."
            reading, marks[name] = NumberReading(mark, plain=False), error.message  # type: ignore[arg-type]
        if reading is not None:
            readings[name] = reading
    settings: dict[str, Any] = {"null_values": tuple(spelled)} if spelled else {}
    decimal = _decimal(table, replace(form, null_values=(*form.null_values, *spelled)), readings)
    settings |= {"decimal": decimal} if decimal else {}
    remarks = {}
    if decimal and marks:
        other = "," if decimal == "." else "."
        remarks["decimal"] = [f"decimal = {quoted(other)}  # fits too: {message}" for message in marks.values()]
        doubts += [f"{message}; decimal = {decimal!r} is taken" for message in marks.values()]
    return Choice(settings, remarks, tuple(doubts), unread=tuple(unread))


def _odd_numbers(table: Table, form: TableForm, name: str) -> list[str]:
    """Words for a missing number, such as "unknown" or "?"."""
    text = nulls.data(table, form, name)
    unread = pl.all_horizontal(read_numbers(text, NumberReading(mark, plain=False)).is_null() for mark in (".", ","))
    odd = table.frame.filter(text.is_not_null() & unread).select(text.alias("x"))
    values = odd.unique().head(FEW + 1).collect(engine="streaming")["x"].to_list()
    if not values or len(values) > FEW or any(re.search(r"\d", value) for value in values):
        return []
    counts = table.frame.select(odd=text.is_in(values).sum(), all=text.is_not_null().sum()).collect(engine="streaming")
    return sorted(values) if counts["odd"].item() <= MOST_MISSING * counts["all"].item() else []


def _sign(table: Table, form: TableForm, name: str) -> str | None:
    """The sign of 1,234 where it may part thousands or be the decimal mark; None where values do not read at all."""
    text = nulls.data(table, form, name)
    strict = [read_numbers(text, NumberReading(mark, plain=False)) for mark in (".", ",")]
    wrong = table.frame.select((text.is_not_null() & s.is_null()).sum().alias(str(i)) for i, s in enumerate(strict))
    if any(wrong.collect(engine="streaming").row(0)):
        return None
    both = table.frame.filter(strict[0] != strict[1]).select(text.alias("x")).head(1).collect()["x"]
    grouped = GROUPED.search(both[0]) if len(both) else None
    return grouped[1] if grouped else None


def _decimal(table: Table, form: TableForm, readings: dict[str, NumberReading]) -> str | None:
    """The one mark that all columns can be declared with, where it shows."""
    marks = {reading.mark for reading in readings.values() if not reading.plain}
    for mark in sorted(marks, reverse=True):
        declared = replace(form, decimal=mark)
        try:
            for name in readings:
                settle_number(table, declared, name)
        except FindCLIError:
            continue
        return mark
    if marks or not readings:
        return None
    points = [pl.col(name).str.contains(".", literal=True).any().alias(name) for name in readings]
    return "." if any(table.frame.select(points).collect(engine="streaming").row(0)) else None


def decide_ids(table: Table, form: TableForm, name: str, *, kind: str | None = None) -> Choice:
    """The type of a column of ids in a text file; a number's own type says enough.

    Args:
        table: the table.
        form: how its files are written.
        name: the column.
        kind: its type, where other tables decide it.
    """
    if name not in table.written or table.schema[name] != pl.String:
        return Choice()
    if kind is not None:
        return Choice({"types": {name: kind}})
    seen = table.frame.select(**ids.id_probes(table, form, name)).collect(engine="streaming").row(0, named=True)
    try:
        settled = ids.settle_from(table, form, name, seen, None)
    except FindCLIError as error:
        doubt = f"{error.message}; they are kept as they stand"
        return Choice({"types": {name: "text"}}, doubts=(doubt,))
    return Choice({"types": {name: settled.form or "text"}})


def spellings_of_missing(table: Table, form: TableForm, name: str) -> dict[str, int]:
    """The spellings of a missing value that a column of ids, times or numbers has, with the rows of each."""
    if table.schema[name] != pl.String:
        return {}
    raw = pl.col(name).str.strip_chars()
    missing = table.frame.filter(raw.is_not_null() & (raw != "") & nulls.data(table, form, name).is_null())
    counts = missing.group_by(raw.alias("x")).len().sort("len", descending=True).head(FEW).collect(engine="streaming")
    return dict(counts.iter_rows())


def merge(*choices: Choice) -> Choice:
    """Several choices of one table as one; null spellings and types are put together."""
    settings: dict[str, Any] = {}
    remarks: dict[str, list[str]] = {}
    for choice in choices:
        for key, value in choice.settings.items():
            old = settings.get(key)
            if key == "types":
                value = {**(old or {}), **value}
            elif key == "null_values":
                value = tuple(dict.fromkeys([*(old or ()), *value]))
            settings[key] = value
        for key, lines in choice.remarks.items():
            remarks.setdefault(key, []).extend(lines)
    doubts = tuple(dict.fromkeys(doubt for choice in choices for doubt in choice.doubts))
    return Choice(settings, remarks, doubts)
