"""The profile as of each cutoff: attributes of users from a table of their own, and aggregates of their events."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from findcli.data import sources
from findcli.data.places import copies
from findcli.data.reader import nulls
from findcli.data.reader.amounts import number, settle_number
from findcli.data.reader.ids import same_ids, settled_ids
from findcli.data.reader.tables import Table, open_table
from findcli.data.reader.times import TimeColumn, times_of
from findcli.errors import FindCLIError
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Aggregate, Profile

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Column:
    """One column of the profile: its name, its kind, and for an ordered one its values in order."""

    name: str
    kind: Literal["categorical", "ordered", "numeric"]
    values: tuple[str, ...] = ()


def profile_columns(profile: Profile) -> list[Column]:
    """The columns of a workspace's profile, in the order in which every stage keeps them."""
    return [
        *(Column(name, "categorical") for name in profile.categorical),
        *(Column(name, "ordered", tuple(values)) for name, values in profile.ordered.items()),
        *(Column(name, "numeric") for name in profile.numeric),
        *(Column(a.name, "categorical" if a.is_attribute else "numeric") for a in profile.aggregates),
    ]


def profiles_as_of(workspace: Workspace, events: pl.DataFrame, users: pl.Series, cutoff: datetime) -> pl.DataFrame:
    """The profile of each user as of one cutoff; nothing at or after the cutoff is looked at.

    Args:
        workspace: names the table and the aggregates.
        events: events of these users, any time (columns of the event log).
        users: user ids, one row of the result each, in this order.
        cutoff: the instant.

    Returns:
        `user_id` and one column each of `profile_columns`: String for categorical and ordered,
        Float64 for numeric; null is missing.

    Raises:
        FindCLIError: the profile table lacks a column or has one of a wrong type.
    """
    profile = workspace.settings.profile
    frame = pl.DataFrame({"user_id": users})
    if profile.is_named:
        frame = frame.join(_table_as_of(workspace, cutoff), on="user_id", how="left", maintain_order="left")
    start = cutoff - parse_duration(workspace.settings.windows.history)
    before = events.filter(pl.col("time") < cutoff)
    history = before.filter(pl.col("time") >= start)
    for source in sorted({aggregate.source for aggregate in profile.aggregates}):
        chosen = [aggregate for aggregate in profile.aggregates if aggregate.source == source]
        # Who somebody is does not age with the history window.
        for log, measure, wanted in (
            (history, _measure, [a for a in chosen if not a.is_attribute]),
            (before, _last, [a for a in chosen if a.is_attribute]),
        ):
            # In order, so that sums of floats have the same bytes however many threads share the work.
            of_users = log.filter(pl.col("source") == source).group_by("user_id", maintain_order=True)
            measured = of_users.agg(measure(a, cutoff) for a in wanted)
            frame = frame.join(measured, on="user_id", how="left", maintain_order="left") if wanted else frame
        counted = [a.name for a in chosen if a.measure not in ("mean", "min", "max", "days_since_last", "last")]
        frame = frame.with_columns(pl.col(counted).fill_null(0.0))
    return frame.select("user_id", *(column.name for column in profile_columns(profile)))


def _last(aggregate: Aggregate, cutoff: datetime) -> pl.Expr:
    """The last value that there is; of several at one instant, that of the last row."""
    value = pl.col(sources.extra_name(aggregate.source, aggregate.column or ""))
    known = value.filter(_is_recent(aggregate, cutoff) & value.is_not_null())
    time = pl.col("time").filter(_is_recent(aggregate, cutoff) & value.is_not_null())
    return known.sort_by(time, maintain_order=True).last().cast(pl.String).alias(aggregate.name)


def _is_recent(aggregate: Aggregate, cutoff: datetime) -> pl.Expr:
    return pl.col("time") >= (datetime.min if aggregate.within is None else cutoff - parse_duration(aggregate.within))


def _measure(aggregate: Aggregate, cutoff: datetime) -> pl.Expr:
    recent = _is_recent(aggregate, cutoff)
    age_us = (pl.lit(cutoff) - pl.col("time")).dt.total_microseconds()
    value = pl.col(sources.extra_name(aggregate.source, aggregate.column or ""))
    expressions = {
        "count": lambda: recent.sum(),
        "sum": lambda: value.filter(recent).sum(),
        "mean": lambda: value.filter(recent).mean(),
        "min": lambda: value.filter(recent).min(),
        "max": lambda: value.filter(recent).max(),
        "distinct": lambda: value.filter(recent).drop_nulls().n_unique(),
        "active_weeks": lambda: (age_us.filter(recent) // (7 * DAY_US)).n_unique(),
        "days_since_last": lambda: age_us.filter(recent).min() / DAY_US,
    }
    return expressions[aggregate.measure]().cast(pl.Float64).alias(aggregate.name)


def scan_profile(workspace: Workspace, *, fresh: bool = False) -> pl.LazyFrame:
    """The profile table with its columns in their own types and the user column as `user_id`.

    Args:
        workspace: whose profile.
        fresh: ask first whether a table that lies elsewhere changed.

    Raises:
        FindCLIError: a column is missing or of a wrong type.
    """
    profile = workspace.settings.profile
    table = _open(workspace, fresh=fresh)
    schema, frame = table.schema, table.frame
    named = [*profile.categorical, *profile.ordered, *profile.numeric]
    # A misspelt sensitive column is refused too: the one it stands for would train.
    wanted = (profile.user, profile.time, *named, *workspace.settings.sensitive.columns)
    missing = [c for c in wanted if c is not None and c not in schema]
    if missing:
        where = "[profile]" if set(missing) - set(workspace.settings.sensitive.columns) else "[sensitive]"
        hint = f"its columns are: {', '.join(schema.names())}; correct {where} in findcli.toml"
        raise FindCLIError(f"the profile table {table.files[0]} has no column {', '.join(missing)}", hint=hint)
    wrong = [name for name in profile.numeric if not _may_be_number(schema[name])]
    if wrong:
        hint = "correct the table, or name the column under categorical or ordered"
        raise FindCLIError(f"profile column {wrong[0]!r} is of type {schema[wrong[0]]}, not a number", hint=hint)
    nulls.require_words(table, (*profile.categorical, *profile.ordered))
    with sources.reading(table.what, table.files):
        known_from = None if profile.time is None else _known_from(table, profile)
        early = None if known_from is None else known_from < workspace.train_until
        user = settled_ids(table, profile, str(profile.user), early=early).alias("user_id")
        numbers = [_number(table, profile, name, early).alias(name) for name in profile.numeric]
    words = [nulls.words(table, profile, name).alias(name) for name in (*profile.categorical, *profile.ordered)]
    kind = sources.id_type(workspace)
    frame = frame.select(user, *([] if known_from is None else [known_from.alias("known_from")]), *words, *numbers)
    return frame.with_columns(same_ids(pl.col("user_id"), frame.collect_schema()["user_id"], kind))


def profile_files(workspace: Workspace, *, fresh: bool = False) -> list[Path]:
    """The files of the profile's table on this machine.

    Args:
        workspace: whose profile.
        fresh: ask first whether a table that lies elsewhere changed.

    Raises:
        FindCLIError: it lies elsewhere and cannot be read.
    """
    profile = workspace.settings.profile
    listed = copies.fresh_files if fresh else copies.files
    return listed(workspace, profile, what="the profile table") or [workspace.path(str(profile.path))]


def _open(workspace: Workspace, *, fresh: bool = False) -> Table:
    profile = workspace.settings.profile
    files = profile_files(workspace, fresh=fresh)
    user = [] if profile.user is None else [profile.user]
    return open_table(files, profile, what="the profile table", ids=user)


def _may_be_number(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind in (pl.Boolean, pl.String)


def _number(table: Table, profile: Profile, name: str, early: pl.Expr | None) -> pl.Expr:
    return number(table, profile, name, settle_number(table, profile, name, early=early))


def _known_from(table: Table, profile: Profile) -> pl.Expr:
    """The dates of the profile's rows."""
    return times_of(TimeColumn(table, profile, str(profile.time)))


def _collect(workspace: Workspace, frame: pl.LazyFrame) -> pl.DataFrame:
    table = _open(workspace)
    with sources.reading(table.what, table.files):
        return frame.collect()


def _table_as_of(workspace: Workspace, cutoff: datetime) -> pl.DataFrame:
    """The last row of each user that is known before the cutoff; of an undated table, the last row."""
    frame = scan_profile(workspace)
    if workspace.settings.profile.time is not None:
        frame = frame.filter(pl.col("known_from") < cutoff).sort("known_from", maintain_order=True).drop("known_from")
    return _collect(workspace, frame.unique("user_id", keep="last", maintain_order=True))


def input_digest(workspace: Workspace, until: datetime) -> dict[str, str]:
    """The digest of the profile table as it is known before an instant; of an undated one, of all of it."""
    profile = workspace.settings.profile
    if not profile.is_named:
        return {}
    frame = scan_profile(workspace, fresh=True)
    if profile.time is not None:
        frame = frame.filter(pl.col("known_from") < until)
    if copies.lies_elsewhere(workspace, profile):
        frame = frame.sort(pl.all())  # a query gives its rows in any order
    buffer = io.BytesIO()
    _collect(workspace, frame).write_parquet(buffer)
    return {"profile": hashlib.blake2b(buffer.getvalue(), digest_size=16).hexdigest()}
