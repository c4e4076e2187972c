"""`findcli describe`: weekly counts by source, and one user's events around a cutoff as the model reads them.

Weeks count from the marked instant in both directions, so no week spans it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data import events
from findcli.data.profiles import profiles_as_of
from findcli.data.splits import held_out_users
from findcli.errors import FindCLIError
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
FEW = 40  # a timeline with at most so many events goes by days
NEAR = 4
PARTS = "*/part-*.parquet"  # of the event log


@dataclass(frozen=True)
class Overview:
    """The whole workspace by week.

    Attributes:
        users: users with an event.
        last_cutoff: the last training cutoff.
        train_until: training reads no event from here on; a week begins here.
        counts: week (its begin), source, events, users; one row per week and source with an event, sorted by both.
    """

    users: int
    last_cutoff: datetime
    train_until: datetime
    counts: pl.DataFrame


@dataclass(frozen=True)
class Timeline:
    """One user around a cutoff.

    Attributes:
        user: the id.
        cutoff: inputs come from before this instant, sentences from it on.
        begin: begin of the history window; older events are not inputs.
        end: end of the future window.
        held_out: whether training never sees this user.
        older: number of events before `begin`.
        period: length of a period in `events`: a week, or a day if events are few.
        profile: the attributes as of the cutoff, by column; None if missing.
        events: time, period (its begin), source, text (as the model reads it), in order of time.
    """

    user: object
    cutoff: datetime
    begin: datetime
    end: datetime
    held_out: bool
    older: int
    period: timedelta
    profile: dict[str, Any]
    events: pl.DataFrame


def weekly_counts(workspace: Workspace) -> Overview:
    """Count each source's events and users per week; write `runs/events` if it is missing or out of date.

    Raises:
        FindCLIError: a source cannot be used.
    """
    log = events.build_events(workspace)
    week = period_begin(workspace.train_until, WEEK).alias("week")
    with log.reading(PARTS):
        frame = _scan(log.files(PARTS)).group_by(week, "source")
        counts = frame.agg(events=pl.len(), users=pl.col("user_id").n_unique()).sort("week", "source")
        counted = counts.collect(engine="streaming")
    last_cutoff = workspace.train_until - parse_duration(workspace.settings.windows.future)
    return Overview(log.manifest.metrics["users"], last_cutoff, workspace.train_until, counted)


def timeline(workspace: Workspace, user: str, *, as_of: datetime | None = None) -> Timeline:
    """Read one user's events around a cutoff; write `runs/events` if it is missing or out of date.

    Args:
        workspace: the workspace that has the user.
        user: the id, as text.
        as_of: the cutoff; `train_until` when None.

    Raises:
        FindCLIError: a source cannot be used, or there is no such user; the hint names similar ids.
    """
    log = events.build_events(workspace)
    cutoff = as_of or workspace.train_until
    begin = cutoff - parse_duration(workspace.settings.windows.history)
    end = cutoff + parse_duration(workspace.settings.windows.future)
    ids, user_events = _read_user(log, user, before=end)
    shown = user_events.filter(pl.col("time") >= begin).select("time", "source", text="event")
    period = DAY if len(shown) <= FEW else WEEK
    return Timeline(
        user=ids.item(),
        cutoff=cutoff,
        begin=begin,
        end=end,
        held_out=bool(held_out_users(workspace, ids)),
        older=len(user_events) - len(shown),
        period=period,
        profile=profiles_as_of(workspace, user_events, ids, cutoff).drop("user_id").row(0, named=True),
        events=shown.with_columns(period=period_begin(cutoff, period)),
    )


def period_begin(origin: datetime, length: timedelta) -> pl.Expr:
    """The begin of the period that an event's time lies in; periods of this length count from the origin."""
    passed = (pl.col("time") - origin).dt.total_microseconds().floordiv(length // timedelta(microseconds=1))
    return pl.lit(origin) + passed * length


def _scan(files: Iterable[Path]) -> pl.LazyFrame:
    return pl.concat([pl.scan_parquet(path, glob=False) for path in files], how="diagonal_relaxed")


def _read_user(log: Run, user: str, *, before: datetime) -> tuple[pl.Series, pl.DataFrame]:
    """The id in the log's type, as a series of one, and the user's events before an instant, from one partition.

    Raises:
        FindCLIError: nobody has this id.
    """
    is_user = pl.col("user_id").cast(pl.String) == user
    for part in events.parts(log):
        with log.reading(f"*/{part}"):
            ids = _scan(log.files(f"*/{part}")).select("user_id").filter(is_user).head(1).collect()["user_id"]
        if len(ids):
            return ids, events.read_part(log, part, before=before).filter(is_user)
    raise FindCLIError(
        f"there is no user {user!r} in this workspace", hint=f"similar ids: {', '.join(_near(log, user))}"
    )


def _near(log: Run, user: str) -> pl.Series:
    """The neighbours of an id in alphabetical order, which begin like it."""
    with log.reading(PARTS):
        ids = _scan(log.files(PARTS)).select(pl.col("user_id").cast(pl.String)).unique().sort("user_id")
        names = ids.collect(engine="streaming")["user_id"]
    return names[max(0, min(names.search_sorted(user) - NEAR // 2, len(names) - NEAR)) :].head(NEAR)
