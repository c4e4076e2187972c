"""Durations and instants: what is accepted, in which unit, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from findcli.errors import FindCLIError
from findcli.workspace.durations import FIRST_YEAR, LAST_YEAR, in_calendar, parse_duration, parse_instant


@pytest.mark.parametrize(
    ("text", "duration"),
    [("26w", timedelta(weeks=26)), ("63d", timedelta(days=63)), ("12h", timedelta(hours=12))],
)
def test_a_duration_is_a_number_of_hours_days_or_weeks(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "0w", "-1w", "1.5d", "12", "w", "12m", "10000d", "12 w", "12w "])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2017-10-30", datetime(2017, 10, 30)),
        ("2017-10-30T12:00", datetime(2017, 10, 30, 12)),
        ("2017-10-30T12:00+02:00", datetime(2017, 10, 30, 10)),
        ("2017-10-30T12:00Z", datetime(2017, 10, 30, 12)),
    ],
)
def test_an_instant_is_in_utc_and_a_date_is_its_midnight(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["yesterday", "30.10.2017", "2017-13-01", ""])
def test_a_text_that_is_no_date_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(FindCLIError, match="is not a date") as error:
        parse_instant(text)
    assert parse_instant(error.value.hint.split()[5]) == datetime(2017, 10, 30)


def test_the_calendar_ends_where_windows_cannot_be_computed() -> None:
    assert in_calendar(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)) == datetime(FIRST_YEAR, 1, 1)
    outside = (
        datetime(FIRST_YEAR, 1, 1) - timedelta(days=1),
        datetime(LAST_YEAR + 1, 1, 1),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),  # before the first year in UTC
    )
    for instant in outside:
        with pytest.raises(ValueError, match=f"outside the years {FIRST_YEAR} to {LAST_YEAR}"):
            in_calendar(instant)
