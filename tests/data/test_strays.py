"""Lone events far behind all others, which must not move what "now" is."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from findcli.data.strays import stray_from

START = datetime(2024, 1, 1)
UNTIL = datetime(2024, 6, 1)


def _stray(later: list[datetime], *, until: datetime = UNTIL) -> datetime | None:
    times = [START + timedelta(days=day % 300) for day in range(2000)] + later
    log = pl.DataFrame({"user_id": range(len(times)), "time": times})
    lasts = log.group_by("user_id").agg(rows=pl.len(), first=pl.col("time").min(), last=pl.col("time").max())
    return stray_from(lasts, log.lazy(), train_until=until)


@pytest.mark.parametrize("year", [2031, 2099, 2199])
def test_one_event_of_a_far_year_is_set_aside(year: int) -> None:
    stray = _stray([datetime(year, 1, 1)])
    assert stray is not None
    assert START + timedelta(days=300) < stray <= datetime(year, 1, 1)


def test_a_steady_log_has_none_and_neither_has_one_that_grows_old() -> None:
    assert _stray([]) is None
    assert _stray([START + timedelta(days=320)]) is None


def test_many_far_events_are_no_slip() -> None:
    assert _stray([datetime(2031, 1, 1) + timedelta(days=day) for day in range(100)]) is None


def test_nothing_before_train_until_is_set_aside() -> None:
    assert _stray([datetime(2031, 1, 1)], until=datetime(2032, 1, 1)) is None
