"""Times of every form as naive UTC in microseconds: dates, texts, epochs; what is not understood is refused.

Tested in tests/data/reader/test_cells.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import NoReturn

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader import time_formats as forms
from findcli.data.reader.tables import Table
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm

TIME = pl.Datetime("us")
OLDEST_YEAR = datetime(1000, 1, 1)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999)
DAY, DAY_US = timedelta(days=1), 86_400_000_000
SAMPLE = 1000
_WHOLE = re.compile(r"[+-]?\d{1,5}(?:\.0*)?")
ISO = ("%Y-%m-%d", "%Y%m%d")


@dataclass(frozen=True)
class TimeReading:
    """How a column of text or numbers reads as times.

    Attributes:
        formats: every format that occurs, one a value; an epoch is one of `time_formats.UNITS`.
        zones: what the names of zones mean, where formats have them: minutes east of UTC, or a zone of its own.
        timezone: the zone of times that name none.
        family: the form of the date that the formats share, where nothing was declared.
        origin: the date of day 0, where the format is "days".
    """

    formats: tuple[str, ...] = ()
    zones: tuple[tuple[str, int | str], ...] = ()
    timezone: str | None = None
    family: str = ""
    origin: datetime | None = None

    @property
    def has_zones(self) -> bool:
        """Whether every time says its zone."""
        return all(form in forms.UNITS or forms.has_offset(form) or "%Z" in form for form in self.formats or ("",))


@dataclass(frozen=True)
class TimeColumn:
    """A column of times in a table.

    Attributes:
        table: the table.
        form: what is declared of it.
        name: the column.
    """

    table: Table
    form: TableForm
    name: str

    @property
    def kind(self) -> pl.DataType:
        """Its own type."""
        return self.table.schema[self.name]

    @property
    def is_temporal(self) -> bool:
        """Whether its own type is a date or a time."""
        return isinstance(self.kind, pl.Datetime) or self.kind == pl.Date

    @property
    def text(self) -> pl.Expr:
        """The column as text, missing values null."""
        return nulls.data(self.table, self.form, self.name)


def read_times(column: TimeColumn, reading: TimeReading) -> pl.Expr:
    """A column as naive UTC; null where it is missing or does not fit."""
    if column.is_temporal:
        return _bounded(_to_utc(pl.col(column.name), column.kind, reading.timezone))
    text = nulls.bare(column.table, column.form, column.name)
    return _bounded(pl.coalesce([_read(text, form, reading) for form in reading.formats]))


def times_of(column: TimeColumn) -> pl.Expr:
    """A column as naive UTC, read in the one way that fits all of it.

    Raises:
        FindCLIError: no way fits, or two do and differ.
    """
    candidates = time_candidates(column)
    return read_times(column, settle_times(column, candidates, _count(column, candidates)))


def time_candidates(column: TimeColumn) -> list[TimeReading]:
    """The readings that the first values of a column allow, or the declared one.

    Raises:
        FindCLIError: its type is that of no time, or the first values read in no way.
    """
    form = column.form
    if column.is_temporal:
        return [TimeReading(timezone=form.timezone)]
    if not (column.kind == pl.String or column.kind == pl.Categorical or column.kind.is_numeric()):
        hint = "times are dates, timestamps, texts, or seconds since 1970"
        raise FindCLIError(f"{column.table.what}: the time column {column.name!r} is of type {column.kind}", hint=hint)
    if form.time_format not in (None, "iso"):
        declared = TimeReading((str(form.time_format),), timezone=form.timezone, origin=form.origin)
        return [_with_zones(column, declared)]
    sample = (
        column.table.frame.select(column.text.alias("x"))
        .head(SAMPLE)
        .collect()["x"]
        .drop_nulls()
        .unique(maintain_order=True)
    )
    if sample.is_empty():
        sample = column.table.frame.select(column.text.alias("x")).drop_nulls().head(SAMPLE).collect()["x"]
    families = forms.formats_in(sample, day_first=form.day_first)
    if form.time_format == "iso":
        families = {family: formats for family, formats in families.items() if family in ISO}
    if not families and len(sample):
        refuse_times(column, [], sample.to_list())
    readings = [TimeReading(tuple(forms), (), form.timezone, family) for family, forms in families.items()]
    return [_with_zones(column, reading) for reading in readings] or [TimeReading(ISO[:1], (), form.timezone, ISO[0])]


def time_probes(column: TimeColumn, candidates: Sequence[TimeReading], *, exact: bool = False) -> dict[str, pl.Expr]:
    """What one pass over a column has to count, so that `settle_times` can choose among the candidates.

    Args:
        column: the column.
        candidates: how it may read.
        exact: do not count missing values, which takes longer.
    """
    if column.is_temporal:
        return {}
    values = [read_times(column, candidate) for candidate in candidates]
    present = (column.text if exact else pl.col(column.name)).is_not_null()
    unread = [_unread(value, candidate) for value, candidate in zip(values, candidates, strict=True)]
    probes = {f"time {i}": (present & wrong).sum() for i, wrong in enumerate(unread)}
    return probes | {f"time {i} differs": (values[0] != values[i]).any() for i in range(1, len(values))}


def _count(column: TimeColumn, candidates: Sequence[TimeReading]) -> dict[str, int]:
    probes = time_probes(column, candidates, exact=True)
    return column.table.frame.select(**probes).collect(engine="streaming").row(0, named=True) if probes else {}


def _unread(value: pl.Expr, reading: TimeReading) -> pl.Expr:
    """Where a column has no time; in a format with a century, a year such as 24 is none."""
    century = any(forms.needs_four_digits(form) for form in reading.formats)
    return value.is_null() | (value < OLDEST_YEAR) if century else value.is_null()


def settle_times(
    column: TimeColumn, candidates: Sequence[TimeReading], seen: dict[str, int], *, until: datetime | None = None
) -> TimeReading:
    """The one reading that fits every value, or the first of several that read each value alike.

    Args:
        column: the column.
        candidates: how it may read.
        seen: what `time_probes` counted.
        until: values from this instant on decide nothing about those before it; None lets all decide.

    Raises:
        FindCLIError: none fits, or two fit and read a value differently.
    """
    if column.is_temporal:
        return candidates[0]
    fitting = [i for i in range(len(candidates)) if not seen[f"time {i}"]]
    if len(fitting) < len(candidates):
        seen = _count(column, candidates)
        fitting = [i for i in range(len(candidates)) if not seen[f"time {i}"]]
    if not fitting:
        return _settle_with_more(column, candidates, seen, until)
    differing = [i for i in fitting[1:] if _differ(column, candidates, seen, fitting[0], i)]
    if differing:
        _refuse_two(column, candidates[fitting[0]], candidates[differing[0]])
    chosen = candidates[fitting[0]]
    _refuse_wrong_unit(column, chosen)
    if until is not None:
        for i in set(range(len(candidates))) - set(fitting):
            if _fits_before(column, candidates[i], chosen, until):
                _refuse_two(column, chosen, candidates[i])
    return chosen


def _fits_before(column: TimeColumn, other: TimeReading, chosen: TimeReading, until: datetime) -> bool:
    """Whether another reading fits all that lies before an instant, and reads some of it differently."""
    time, value = read_times(column, chosen), read_times(column, other)
    early = column.text.is_not_null() & (time < until)
    counts = {"unread": (early & _unread(value, other)).any(), "differs": (early & (time != value)).any()}
    seen = column.table.frame.select(**counts).collect(engine="streaming").row(0, named=True)
    return bool(seen["differs"]) and not seen["unread"]


def _differ(column: TimeColumn, candidates: Sequence[TimeReading], seen: dict[str, int], one: int, other: int) -> bool:
    if one == 0:
        return bool(seen[f"time {other} differs"])
    values = read_times(column, candidates[one]), read_times(column, candidates[other])
    return bool(column.table.frame.select((values[0] != values[1]).any()).collect(engine="streaming").item())


def _settle_with_more(
    column: TimeColumn, candidates: Sequence[TimeReading], seen: dict[str, int], until: datetime | None
) -> TimeReading:
    """Add the formats of values that the first rows did not show, or refuse the column."""
    strange = [_strange(column, candidate) for candidate in candidates]
    if column.form.time_format not in (None, "iso"):
        refuse_times(column, candidates, strange[0])
    wider = []
    for candidate, values in zip(candidates, strange, strict=True):
        added = forms.formats_in(values, day_first=column.form.day_first).get(candidate.family, [])
        if new := [form for form in added if form not in candidate.formats]:
            wider.append(_with_zones(column, replace(candidate, formats=(*candidate.formats, *new))))
    if not wider:
        best = min(range(len(candidates)), key=lambda i: seen[f"time {i}"])
        refuse_times(column, [candidates[best]], strange[best])
    return settle_times(column, wider, _count(column, wider), until=until)


def _strange(column: TimeColumn, reading: TimeReading) -> list[str]:
    unread = _unread(read_times(column, reading), reading)
    rows = column.table.frame.filter(column.text.is_not_null() & unread).select(column.text.alias("x"))
    return list(rows.head(SAMPLE).collect()["x"].unique(maintain_order=True))


def _read(text: pl.Expr, form: str, reading: TimeReading) -> pl.Expr:
    if form in forms.UNITS:
        return _read_epoch(text, forms.UNITS[form])
    if form == forms.DAYS and reading.origin is not None:
        return _to_utc(_read_days(text, reading.origin), TIME, reading.timezone)
    if forms.has_offset(form):
        zoned = text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
        return zoned.dt.replace_time_zone(None)
    if not forms.has_clock(form):
        return _to_utc(text.str.to_date(form, strict=False), pl.Date(), reading.timezone)
    local = text.str.to_datetime(form, time_unit="us", strict=False)
    if "%Z" in form:
        return _read_zoned(local, text.str.extract(forms.zone_pattern(form), 1), reading)
    return _to_utc(local, TIME, reading.timezone)


def _read_epoch(text: pl.Expr, unit: int) -> pl.Expr:
    """Seconds since 1970, or parts of them, as whole numbers or decimals; null beyond the year 9999."""
    whole, decimal = text.cast(pl.Int64, strict=False), text.cast(pl.Float64, strict=False)
    fits = decimal.abs() <= forms.YEAR_9999 * unit
    exact = whole * (10**6 // unit) if unit <= 10**6 else whole // (unit // 10**6)
    rounded = (decimal * (10**6 / unit)).round()
    return pl.from_epoch(
        pl.when(fits).then(pl.coalesce(exact, rounded.cast(pl.Int64, strict=False))), time_unit="us"
    ).cast(TIME)


def _read_days(text: pl.Expr, origin: datetime) -> pl.Expr:
    """Days since the origin, negative before it, as whole numbers or decimals; null beyond the calendar."""
    days = text.cast(pl.Float64, strict=False)
    first, last = (datetime.min - origin) / DAY, (LAST - origin) / DAY
    microseconds = (pl.when(days.is_between(first, last)).then(days) * DAY_US).round().cast(pl.Int64, strict=False)
    return (pl.lit(origin, TIME) + pl.duration(microseconds=microseconds)).cast(TIME)


def _read_zoned(local: pl.Expr, names: pl.Expr, reading: TimeReading) -> pl.Expr:
    choices = [
        pl.when(names == name).then(
            local - pl.duration(minutes=zone) if isinstance(zone, int) else _to_utc(local, TIME, zone)
        )
        for name, zone in reading.zones
    ]
    return pl.coalesce(choices) if choices else pl.lit(None, TIME)


def _to_utc(time: pl.Expr, kind: pl.DataType, timezone: str | None) -> pl.Expr:
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return time.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(TIME)
    if timezone is None:
        return time.cast(TIME)
    local = time.cast(TIME).dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    # An hour that the clocks skip in spring does not exist; it is read as the hour after it.
    later = time.cast(TIME) + pl.duration(hours=1)
    later = later.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(local, later).dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _bounded(time: pl.Expr) -> pl.Expr:
    """Times within the calendar that everything else can count in."""
    return time.clip(pl.lit(datetime.min, TIME), pl.lit(LAST, TIME))


def _with_zones(column: TimeColumn, reading: TimeReading) -> TimeReading:
    """The same with what the names of zones mean that stand beside the times.

    Raises:
        FindCLIError: one of them means nothing known, or several zones.
    """
    patterns = {forms.zone_pattern(form) for form in reading.formats if "%Z" in form}
    if not patterns:
        return reading
    extracted = reduce(lambda left, right: pl.coalesce(left, right), (column.text.str.extract(p, 1) for p in patterns))
    names = (
        column.table.frame.select(extracted.unique().alias("x")).collect(engine="streaming")["x"].drop_nulls().sort()
    )
    zones = {name: forms.zone_of(name, column.form.timezone) for name in names}
    if unknown := [name for name, zone in zones.items() if zone is None]:
        rows = column.table.frame.filter(extracted == unknown[0]).select(column.text.alias("x")).head(3).collect()["x"]
        hint = (
            "where it is the zone of all of them set timezone, such as 'Europe/London'; or write offsets such as +01:00"
        )
        raise FindCLIError(
            f"{column.table.what}: the zone {unknown[0]!r} in {column.name!r} is not known, or means several: "
            + ", ".join(repr(value) for value in rows),
            hint=hint,
        )
    return replace(reading, zones=tuple((name, zone) for name, zone in zones.items() if zone is not None))


def _refuse_wrong_unit(column: TimeColumn, reading: TimeReading) -> None:
    """Refuse an epoch whose unit is declared, where every value looks like one of another unit."""
    declared = column.form.time_format
    if declared in forms.UNITS:
        numbers = column.table.frame.select(column.text.alias("x")).head(SAMPLE).collect()["x"].drop_nulls().unique()
        units = {unit for value in numbers for unit, _ in forms.formats_of(value)}
        if len(units) == 1 and declared not in units and units < set(forms.UNITS):
            refuse_times(column, [reading], numbers.to_list())


def refuse_times(column: TimeColumn, tried: Sequence[TimeReading], values: Sequence[str]) -> NoReturn:
    """Refuse times that are not understood, and show three of them.

    Raises:
        FindCLIError: always.
    """
    shown = ", ".join(repr(value) for value in values[:3])
    where = f"{column.table.what}: times in {column.name!r}"
    units = {unit for value in values for unit, _ in forms.formats_of(value)}
    declared = column.form.time_format
    if declared in forms.UNITS and len(units) == 1 and units < set(forms.UNITS):
        year = 1970 + round(float(values[0]) / forms.UNITS[str(declared)] / 31_556_952)
        hint = f"say time_format = {units.pop()!r}"
        raise FindCLIError(f"{where} reach the year {year} as {declared}: {shown}; is the unit right?", hint=hint)
    hint = "write all times in one format, or give time_format in findcli.toml, such as '%d/%m/%Y %H:%M'"
    if values and all(_WHOLE.fullmatch(value.strip()) for value in values):
        hint = "are they days since some date? Then say time_format = 'days' and origin = that date in findcli.toml"
    how = f"as {' or '.join(tried[0].formats)}" if tried else "in any known format"
    raise FindCLIError(f"{where} do not read {how}: {shown}", hint=hint)


def _refuse_two(column: TimeColumn, one: TimeReading, other: TimeReading) -> NoReturn:
    first, second = one.formats[0], other.formats[0]
    differ = read_times(column, one) != read_times(column, other)
    row = column.table.frame.filter(differ).select(column.text.alias("x")).head(1).collect().item()
    hint = f"say which with time_format = {first!r} or {second!r} in findcli.toml"
    raise FindCLIError(
        f"{column.table.what}: times in {column.name!r} fit both {first} and {second}, such as {row!r}", hint=hint
    )
