"""The numbers of a page: sizes, tenths, the audience beside everyone, how numbers are corrected, example users.

Tested in tests/audiences/page/test_report.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.audiences.page.render import percent
from findcli.audiences.page.words import done
from findcli.audiences.sizes import Size, sizes
from findcli.audiences.target import Audience
from findcli.data import events
from findcli.scoring.reliability import Reliability
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run

PERCENTS = (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0)
TENTHS = 10
EVENTS = 5  # of an example user, the latest


@dataclass(frozen=True)
class Tenth:
    """A tenth of the ranked users.

    Attributes:
        users: how many.
        share: of them of whom the demand is expected to come true.
        chosen: how many of them are in the audience.
    """

    users: int
    share: float
    chosen: int


@dataclass(frozen=True)
class Beside:
    """A figure of the audience beside that of everyone who was ranked."""

    what: str
    audience: str
    everyone: str


@dataclass(frozen=True)
class Corrected:
    """What 100 users who are expected by probabilities alone are corrected to, at a depth."""

    depth: float
    to: float


@dataclass(frozen=True)
class Example:
    """A user of the audience.

    Attributes:
        user: the id.
        rank: from 1.
        probability: that the demand comes true of him; None if it is ranked only.
        events: the latest of his history: time and words.
        because: the events that his place rests on, in words; empty where nobody asked.
        out: whether he would not be in the audience without them.
    """

    user: str
    rank: int
    probability: float | None
    events: tuple[tuple[datetime, str], ...]
    because: tuple[str, ...] = ()
    out: bool = False


def points(audience: Audience) -> list[Size]:
    """What some sizes are expected to bring, by size; without intervals where nothing was measured of them."""
    ranking = audience.ranking
    if audience.reliability is not None:
        return sizes(ranking, audience.reliability, percents=PERCENTS)
    if not len(ranking) or ranking["probability"].null_count():
        return []
    total = np.cumsum(ranking["probability"].to_numpy())
    users = np.unique([max(1, round(len(ranking) * percent / 100)) for percent in PERCENTS])
    unknown = float("nan")
    return [Size(int(k), float(k) / len(ranking), float(total[k - 1]), unknown, unknown, unknown) for k in users]


def tenths(audience: Audience) -> list[Tenth]:
    """The ranked users in ten groups of about one size, best first; none where they are ranked only."""
    ranking = audience.ranking
    if len(ranking) < TENTHS or ranking["probability"].null_count():
        return []
    ends = np.round(np.arange(1, TENTHS + 1) * len(ranking) / TENTHS).astype(int)
    if audience.reliability is None:
        total = np.cumsum(ranking["probability"].to_numpy())[ends - 1]
    else:
        total = audience.reliability.expected(ranking["probability"], ends).responders
    begins = np.concatenate([[0], ends[:-1]])
    chosen = ranking["user_id"].is_in(audience.selected["user_id"].implode()).to_numpy()
    return [
        Tenth(int(end - begin), float(np.clip(came / (end - begin), 0, 1)), int(chosen[begin:end].sum()))
        for begin, end, came in zip(begins, ends, np.diff(total, prepend=0.0), strict=True)
    ]


def corrected(reliability: Reliability | None, ranking: pl.DataFrame) -> list[Corrected]:
    """What 100 users who are expected by probabilities alone are corrected to, by depth; none where not measured.

    It is no count: a fit to all sentences of a kind in earlier windows, drawn to 100 where few came.
    """
    if reliability is None or not len(ranking):
        return []
    users = np.maximum(1, np.round(len(ranking) * reliability.share)).astype(int)
    alone = np.cumsum(ranking["probability"].to_numpy())[users - 1]
    expected = reliability.expected(ranking["probability"], users).responders
    return [
        Corrected(float(share), float(100 * after / before))
        for share, before, after in zip(reliability.share, alone, expected, strict=True)
        if before > 0
    ]


def beside_everyone(workspace: Workspace, audience: Audience) -> list[Beside]:
    """The audience beside everyone who was ranked: what is expected of both, and how active they were."""
    rows = []
    everyone = points(audience)
    if everyone and len(audience.selected):
        chosen = (
            audience.selected["probability"].to_numpy().mean() if audience.size is None else audience.size.precision
        )
        rows.append(Beside("expected share", percent(float(chosen)), percent(everyone[-1].precision)))
    window = parse_duration(workspace.settings.windows.history)
    counts = _activity(workspace, audience.ranking["user_id"], audience.as_of, window)
    inside = counts.filter(pl.col("user_id").is_in(audience.selected["user_id"].implode()))
    if len(inside):
        weeks = round(window.days / 7)
        often = [f"{middle(frame['events']):,.0f}" for frame in (inside, counts)]
        late = [f"{middle(frame['days']):,.0f}" for frame in (inside, counts)]
        rows.append(Beside(f"things recorded in the last {weeks} weeks, in the middle", *often))
        rows.append(Beside("days since the last one, in the middle", *late))
    return rows


def _activity(workspace: Workspace, users: pl.Series, as_of: datetime, window: timedelta) -> pl.DataFrame:
    """user_id, events of the window, days since the last event, of some users."""
    log = open_run(workspace.run("events"), "events")
    frames = [
        events.read_part(log, part, before=as_of)
        .group_by("user_id")
        .agg(
            events=(pl.col("time") >= as_of - window).sum(),
            days=(as_of - pl.col("time").max()).dt.total_days(),
        )
        for part in events.parts(log)
    ]
    return pl.concat(frames).filter(pl.col("user_id").is_in(users.implode()))


def examples(workspace: Workspace, audience: Audience, rows: Sequence[int], latest: pl.DataFrame) -> list[Example]:
    """Some users of an audience with their latest events.

    Args:
        workspace: of the users.
        audience: the audience.
        rows: which of the selected, from 0.
        latest: of `latest_events`.
    """
    chosen = audience.selected[list(rows)].join(latest, on="user_id", how="left", maintain_order="left")
    subject = workspace.settings.workspace.subject
    return [
        Example(
            str(row["user_id"]),
            row["rank"],
            row["probability"],
            tuple((each["time"], done(each["event"], subject)) for each in row["latest"] or ()),
        )
        for row in chosen.iter_rows(named=True)
    ]


def latest_events(workspace: Workspace, as_of: datetime, *, most: int = EVENTS) -> pl.DataFrame:
    """The latest events before a date of every user who has one: user_id, latest (time, event), newest first."""
    log = open_run(workspace.run("events"), "events")
    frames = []
    for part in events.parts(log):
        rows = events.read_part(log, part, before=as_of).select("user_id", "time", "event")
        newest = rows.sort("time", descending=True).group_by("user_id", maintain_order=True).head(most)
        frames.append(newest.group_by("user_id", maintain_order=True).agg(latest=pl.struct("time", "event")))
    return pl.concat(frames)


def some_rows(selected: int) -> list[int]:
    """Which of the selected are examples: the first two, one from the middle, the last."""
    return sorted({row for row in (0, 1, selected // 2, selected - 1) if 0 <= row < selected})


def middle(values: pl.Series) -> float:
    """The median of numbers; 0 of none."""
    return float(np.median(values.to_numpy())) if len(values) else 0.0
