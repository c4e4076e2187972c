"""Raw tables -> one canonical event log, lazily: user, time, source, slots, amount, and what aggregates read.

Times are kept in UTC without a zone, in microseconds; slots are text as the table has it; amounts are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Literal, NoReturn

import polars as pl

from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import disk_problem
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import SLOTS, Source

TIME = pl.Datetime("us")
TIME_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%d %H:%M:%S%:z", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y%m%d",
    "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y",
)  # fmt: skip
EPOCHS: dict[str | None, Literal["s", "ms"]] = {"epoch_s": "s", "epoch_ms": "ms"}
SAMPLE = 1000


def scan_table(files: list[Path], *, what: str) -> pl.LazyFrame:
    """Read Parquet or CSV files lazily as one table; in a CSV the column types come from the first 10,000 rows.

    Raises:
        FindCLIError: a file is of neither kind, or cannot be read.
    """
    parquet = [file.suffix.lower() in (".parquet", ".pq") for file in files]
    if any(parquet) != all(parquet):
        raise FindCLIError(f"{what} mixes Parquet and CSV files: {files[0].parent}", hint="give files of one kind")
    if not all(parquet) and any(file.suffix.lower() not in (".csv", ".tsv", ".txt") for file in files):
        raise FindCLIError(f"{what} is neither Parquet nor CSV: {files[0]}", hint="convert it to one of the two")
    with reading(what, files):
        if all(parquet):
            frame = pl.scan_parquet(files, glob=False)
        else:
            separator = "\t" if files[0].suffix.lower() == ".tsv" else ","
            frame = pl.scan_csv(files, glob=False, infer_schema_length=10_000, separator=separator)
        frame.collect_schema()
    return frame


@contextmanager
def reading(what: str, files: list[Path]) -> Iterator[None]:
    """Turn what polars says of an unreadable file into an error that names it; a full disk is left to others."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if disk_problem(error):
            raise
        names = ", ".join(str(file) for file in files[:3]) + (", ..." if len(files) > 3 else "")
        hint = "a torn file? Write it again; in a CSV look for a row of another form than the rows above it"
        raise FindCLIError(f"{what} cannot be read ({names}): {first_line(error)}", hint=hint) from error


def scan_source(workspace: Workspace, source: Source, *, raw: bool = False) -> pl.LazyFrame:
    """One source as canonical events, rows without user or time left out.

    Args:
        workspace: whose source it is.
        source: the entry of the workspace file.
        raw: keep rows without user or time, for counting them.

    Returns:
        `user_id` (Int64 or String), `time` (Datetime us, UTC), `source`, the source's slots (String), `amount`
        (Float64), `copies` (hash of the whole raw row, only when duplicates matter) and `source.column` for each column
        an aggregate reads.

    Raises:
        FindCLIError: a column is missing or of a wrong type, the times cannot be read or are ambiguous, a file is torn.
    """
    files = workspace.source_files(source)
    what = f"source {source.name!r}"
    frame = scan_table(files, what=what)
    schema = frame.collect_schema()
    _require_columns(workspace, source, schema)
    with reading(what, files):
        time = _time_expression(frame, source, schema)
    columns = [
        _user_expression(
            schema[source.user], source.user, what, as_text=workspace.settings.workspace.user_id == "text"
        ),
        time.alias("time"),
        pl.lit(source.name).alias("source"),
        *(pl.col(column).cast(pl.String).alias(slot) for slot, column in slot_columns(source).items()),
        *_amount_expression(source, schema),
        *(pl.col(column).alias(extra_name(source.name, column)) for column in extra_columns(workspace, source)),
    ]
    _require_numbers(workspace, source, schema)
    if source.duplicates != "keep":
        columns.append(pl.struct(pl.all()).hash().alias("copies"))
    events = frame.select(columns)
    return events if raw else events.filter(pl.col("user_id").is_not_null() & pl.col("time").is_not_null())


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


def user_types(workspace: Workspace) -> dict[str, pl.DataType]:
    """The type of user ids in every source, `user_id = "text"` considered."""
    if workspace.settings.workspace.user_id == "text":
        return {source.name: pl.String() for source in workspace.settings.sources}
    types: dict[str, pl.DataType] = {}
    for source in workspace.settings.sources:
        schema = scan_table(workspace.source_files(source), what=f"source {source.name!r}").collect_schema()
        if source.user in schema:
            types[source.name] = pl.Int64() if schema[source.user].is_integer() else pl.String()
    return types


def require_one_user_type(workspace: Workspace) -> None:
    """Refuse sources whose user ids cannot be compared.

    Raises:
        FindCLIError: ids are text in one table and numbers in another.
    """
    types = user_types(workspace) | _profile_user_type(workspace)
    if len(set(types.values())) > 1:
        listed = ", ".join(f"{name}: {'text' if kind == pl.String else 'number'}" for name, kind in types.items())
        hint = 'correct the tables, or compare all ids as text with user_id = "text" in [workspace]'
        raise FindCLIError(f"user ids are text in one table and numbers in another ({listed})", hint=hint)


def _profile_user_type(workspace: Workspace) -> dict[str, pl.DataType]:
    """The type of user ids in the profile table, where there is one and ids are compared as found."""
    profile = workspace.settings.profile
    if profile.path is None or profile.user is None or workspace.settings.workspace.user_id == "text":
        return {}
    schema = scan_table([workspace.path(profile.path)], what="the profile table").collect_schema()
    if profile.user not in schema:
        return {}
    return {"profile": pl.Int64() if schema[profile.user].is_integer() else pl.String()}


def _require_columns(workspace: Workspace, source: Source, schema: pl.Schema) -> None:
    wanted = {"user": source.user, "time": source.time, **slot_columns(source)}
    wanted |= {} if source.amount is None else {"amount": source.amount}
    wanted |= {f"aggregate column {column!r}": column for column in extra_columns(workspace, source)}
    missing = [f"{key} = {column!r}" for key, column in wanted.items() if column not in schema]
    if missing:
        raise FindCLIError(
            f"source {source.name!r} has no column for {', '.join(missing)}",
            hint=f"its columns are: {', '.join(schema.names())}; correct [[sources]] in findcli.toml",
        )


def _require_numbers(workspace: Workspace, source: Source, schema: pl.Schema) -> None:
    """Refuse an aggregate that sums or averages what is no number."""
    for aggregate in workspace.settings.profile.aggregates:
        if aggregate.source == source.name and aggregate.measure in ("sum", "mean"):
            kind = schema[str(aggregate.column)]
            if not (kind.is_numeric() or kind == pl.Boolean):
                raise FindCLIError(
                    f"source {source.name!r}: the {aggregate.measure} of column {aggregate.column!r}, "
                    f"which is of type {kind}, not a number",
                    hint="name a column of numbers, or use the measure distinct or count in [[profile.aggregates]]",
                )


def _user_expression(kind: pl.DataType, column: str, what: str, *, as_text: bool) -> pl.Expr:
    if kind == pl.String or kind == pl.Categorical or as_text:
        return pl.col(column).cast(pl.String).alias("user_id")
    if kind.is_integer():
        return pl.col(column).cast(pl.Int64).alias("user_id")
    raise FindCLIError(
        f"{what}: the user column {column!r} is of type {kind}; user ids are whole numbers or text",
        hint="a number column with gaps reads as decimal: write the ids as whole numbers or as text",
    )


def _amount_expression(source: Source, schema: pl.Schema) -> list[pl.Expr]:
    if source.amount is None:
        return []
    if not schema[source.amount].is_numeric():
        raise FindCLIError(
            f"source {source.name!r}: amount column {source.amount!r} is of type {schema[source.amount]}, not a number",
            hint="write it as a number with a decimal point, without currency signs",
        )
    return [pl.col(source.amount).cast(pl.Float64).alias("amount")]


def _time_expression(frame: pl.LazyFrame, source: Source, schema: pl.Schema) -> pl.Expr:
    """The time column as naive UTC; text is read by `time_format` or by the one format that fits every row."""
    column, kind = pl.col(source.time), schema[source.time]
    if isinstance(kind, pl.Datetime) or kind == pl.Date:
        return _to_utc(column, kind, source)
    if source.time_format in EPOCHS and kind.is_integer():
        return pl.from_epoch(column, time_unit=EPOCHS[source.time_format]).cast(TIME)
    if kind.is_integer():
        hint = "say how to read it with time_format = 'epoch_s' or 'epoch_ms'"
        raise FindCLIError(f"source {source.name!r}: the time column {source.time!r} holds whole numbers", hint=hint)
    if kind != pl.String:
        hint = "times are dates, timestamps, or text with a time_format"
        raise FindCLIError(f"source {source.name!r}: the time column {source.time!r} is of type {kind}", hint=hint)
    return _parse_text_time(frame, source)


def _to_utc(time: pl.Expr, kind: pl.DataType, source: Source) -> pl.Expr:
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return time.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(TIME)
    if source.timezone is not None:
        zone = source.timezone
        local = time.cast(TIME).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        # An hour that the clocks skip in spring does not exist; it is read as the hour after it.
        later = (time.cast(TIME) + pl.duration(hours=1)).dt.replace_time_zone(
            zone, ambiguous="earliest", non_existent="null"
        )
        local = pl.coalesce(local, later)
        return local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return time.cast(TIME)


def _parse_text_time(frame: pl.LazyFrame, source: Source) -> pl.Expr:
    candidates = (
        [source.time_format]
        if source.time_format
        else fitting_formats(frame.head(SAMPLE), source.time) or list(TIME_FORMATS)
    )
    fitting = fitting_formats(frame, source.time, candidates)
    if not fitting:
        _refuse_times(frame, source, candidates)
    first, others = fitting[0], [f for f in fitting[1:] if _read_differently(frame, source.time, fitting[0], f)]
    if others:
        hint = f"say which with time_format = {first!r} or {others[0]!r} in [[sources]]"
        raise FindCLIError(
            f"source {source.name!r}: the times in {source.time!r} fit both {first} and {others[0]}", hint=hint
        )
    parsed = read_times(source.time, first)
    return parsed if first.endswith(("z", "Z")) else _to_utc(parsed, TIME, source)


def _read_differently(frame: pl.LazyFrame, column: str, one: str, other: str) -> bool:
    return bool(frame.select((read_times(column, one) != read_times(column, other)).any()).collect().item())


def _refuse_times(frame: pl.LazyFrame, source: Source, candidates: list[str]) -> NoReturn:
    """Say which format fits most rows, and show rows that it does not fit."""
    present = pl.col(source.time).is_not_null()
    counts = (
        frame.select((read_times(source.time, f).is_null() & present).sum().alias(f) for f in candidates)
        .collect()
        .row(0, named=True)
    )
    best = min(counts, key=counts.__getitem__)
    fits = (
        frame.filter(present & read_times(source.time, best).is_not_null())
        .select(source.time)
        .head(1)
        .collect()
        .to_series()
    )
    others = (
        frame.filter(present & read_times(source.time, best).is_null())
        .select(source.time)
        .head(3)
        .collect()
        .to_series()
    )
    examples = ", ".join(repr(value) for value in others)
    reads = f"as {best} ({fits.item()!r})" if len(fits) else "in any known format"
    raise FindCLIError(
        f"source {source.name!r}: {counts[best]} times in {source.time!r} do not read {reads}: {examples}",
        hint="write all times in one format, or give time_format in [[sources]]",
    )


def fitting_formats(frame: pl.LazyFrame, column: str, candidates: list[str] | None = None) -> list[str]:
    """The time formats that read every value of a text column."""
    formats = list(TIME_FORMATS) if candidates is None else candidates
    present = pl.col(column).is_not_null()
    failures = (
        frame.select((read_times(column, f).is_null() & present).any().alias(f) for f in formats)
        .collect()
        .row(0, named=True)
    )
    return [f for f in formats if not failures[f]]


def read_times(column: str, time_format: str) -> pl.Expr:
    """A text column as times by one format, in UTC where the format has a zone; null where it does not fit."""
    if time_format.endswith(("%z", "%:z")):
        zoned = pl.col(column).str.to_datetime(time_format, time_unit="us", time_zone="UTC", strict=False)
        return zoned.dt.replace_time_zone(None)
    if any(part in time_format for part in ("%H", "%I", "%T")):
        return pl.col(column).str.to_datetime(time_format, time_unit="us", strict=False)
    return pl.col(column).str.to_date(time_format, strict=False).cast(TIME)


def union(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Several sources' events as one log; slots that a source lacks are null."""
    return reduce(lambda left, right: pl.concat([left, right], how="diagonal"), frames)
