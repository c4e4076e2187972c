"""What `describe` tells: counts a week, one user's events around a cutoff, and the bars that are drawn of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.cli import charts
from findcli.data.describe import DAY, WEEK, period_begin, timeline, weekly_counts
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

CUTOFF = datetime(2024, 9, 9)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2028, 1, 1))


def raw(workspace: Workspace, source: str) -> pl.DataFrame:
    return pl.read_parquet(workspace.folder / f"data/{source}.parquet").with_columns(pl.col("time").cast(pl.Datetime))


def test_every_event_is_counted_in_its_week_and_source(tiny_workspace: Workspace) -> None:
    found = weekly_counts(tiny_workspace)
    assert (found.users, found.train_until) == (60, CUTOFF)
    assert found.last_cutoff == CUTOFF - timedelta(weeks=4)
    assert all((week - CUTOFF) % WEEK == timedelta() for week in found.counts["week"])
    week = pl.col("time").is_between(CUTOFF, CUTOFF + WEEK, closed="left")
    for source in ("orders", "searches"):
        rows = raw(tiny_workspace, source)
        own = found.counts.filter(source=source)
        assert own["events"].sum() == len(rows)
        assert own.filter(week=CUTOFF).select("events", "users").row(0) == (
            len(rows.filter(week)),
            rows.filter(week)["user_id"].n_unique(),
        )


def test_a_timeline_holds_the_events_of_both_windows_and_no_other(tiny_workspace: Workspace) -> None:
    cutoff = CUTOFF - timedelta(weeks=6)
    found = timeline(tiny_workspace, "7", as_of=cutoff)
    assert (found.user, found.begin, found.end) == (7, cutoff - timedelta(weeks=12), cutoff + timedelta(weeks=4))
    times = pl.concat([raw(tiny_workspace, name).select("user_id", "time") for name in ("orders", "searches")])
    own = times.filter(pl.col("user_id") == 7, pl.col("time") < found.end)["time"].sort()
    assert found.older == (own < found.begin).sum() > 0
    assert found.events["time"].to_list() == own.filter(own >= found.begin).to_list()
    assert "The user purchased" in found.events.filter(source="orders")["text"][0]


def test_the_profile_is_that_of_the_cutoff(tiny_workspace: Workspace) -> None:
    early, late = (timeline(tiny_workspace, "7", as_of=CUTOFF - timedelta(weeks=weeks)).profile for weeks in (20, 0))
    assert early["city"] == late["city"] == "south"
    assert early["spend"] != late["spend"]


@pytest.mark.parametrize(("most", "length"), [(5, WEEK), (500, DAY)])
def test_few_events_go_by_days_and_many_by_weeks(
    most: int, length: timedelta, tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("findcli.data.describe.FEW", most)
    found = timeline(tiny_workspace, "7")
    assert found.period == length
    assert found.events["period"].is_sorted()
    assert ((found.events["time"] - found.events["period"]) < length).all()


def test_an_unknown_user_names_those_beside_it(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no user '5x'") as error:
        timeline(tiny_workspace, "5x")
    assert error.value.hint == "similar ids: 58, 59, 6, 7"
    with pytest.raises(FindCLIError) as error:
        timeline(tiny_workspace, "zz")
    assert error.value.hint.endswith("9")


@given(INSTANTS, INSTANTS, st.sampled_from([DAY, WEEK]))
def test_a_period_holds_its_time_and_none_lies_on_both_sides_of_the_origin(
    time: datetime, origin: datetime, length: timedelta
) -> None:
    (begin,) = pl.DataFrame({"time": [time]}).select(period_begin(origin, length)).to_series()
    assert begin <= time < begin + length
    assert (begin - origin) % length == timedelta()


@given(INSTANTS, st.integers(1, 200), st.integers(0, 200), st.integers(8, 200), st.data())
def test_bars_count_everything_and_fit_into_the_room(
    begin: datetime, days: int, ahead: int, room: int, data: st.DataObject
) -> None:
    end, cutoff = begin + days * DAY, begin + min(ahead, days) * DAY
    axis = charts.fit_axis(begin, end, origin=cutoff, step=DAY, room=room, marks={cutoff: "│"})
    counts = data.draw(st.lists(st.tuples(st.integers(0, days - 1), st.integers(1, 9))))
    sums = charts.column_sums([(begin + day * DAY, count) for day, count in counts], axis)
    assert sum(sums) == sum(count for _, count in counts)
    lines = charts.bar_lines(sums, axis)
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= room
    assert [i for i, count in enumerate(sums) if count] == [
        i for i, bar in enumerate(lines[-1].replace("│", "")[:: axis.width]) if bar != " "
    ]
