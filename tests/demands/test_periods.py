"""How far ahead a demand looks, and when something was, seen from a date."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.demands.grammar import content_words, parse_demand
from findcli.demands.periods import take_horizon, take_period

AS_OF = datetime(2024, 5, 17)


def window(text: str, *, negated: bool = False) -> tuple[datetime | None, datetime | None] | None:
    period = take_period(text, negated=negated)[1]
    if period is None:
        return None
    since, before = period.since, period.before
    return (None if since is None else since.at(AS_OF), None if before is None else before.at(AS_OF))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in October 2023", (datetime(2023, 10, 1), datetime(2023, 11, 1))),
        ("in October", (datetime(2023, 10, 1), datetime(2023, 11, 1))),
        ("in Feb.", (datetime(2024, 2, 1), datetime(2024, 3, 1))),
        ("in 2023", (datetime(2023, 1, 1), datetime(2024, 1, 1))),
        ("in Q4", (datetime(2023, 10, 1), datetime(2024, 1, 1))),
        ("last summer", (datetime(2023, 6, 1), datetime(2023, 9, 1))),
        ("last month", (AS_OF - timedelta(days=30), None)),
        ("in the last 3 weeks", (AS_OF - timedelta(days=21), None)),
        ("within the past two months", (AS_OF - timedelta(days=60), None)),
        ("since March", (datetime(2024, 3, 1), None)),
        ("since 2024-04-02", (datetime(2024, 4, 2), None)),
        ("before 2023", (None, datetime(2023, 1, 1))),
        ("between March and May 2023", (datetime(2023, 3, 1), datetime(2023, 6, 1))),
        ("more than 6 weeks ago", (None, AS_OF - timedelta(days=42))),
        ("ever", (None, None)),
        ("on 2023-02-30", None),
        ("tea", None),
    ],
)
def test_periods(text: str, expected: tuple[datetime | None, datetime | None] | None) -> None:
    assert window(text) == expected


def test_how_long_something_was_not() -> None:
    assert window("for three months", negated=True) == (AS_OF - timedelta(days=90), None)
    assert window("for three months") is None


@pytest.mark.parametrize(
    ("demand", "words", "days"),
    [
        ("who will buy tea next month?", "next month", 30),
        ("tea in the next 6 weeks", "in the next 6 weeks", 42),
        ("tea within two weeks", "within two weeks", 14),
        ("tea in two weeks", "in two weeks", 14),
        ("in a fortnight tea", "in a fortnight", 14),
        ("tea this quarter", "this quarter", 91),
        ("tea over the coming 10 days", "over the coming 10 days", 10),
        ("tea within the week", "within the week", 7),
        ("tea tonight", "tonight", 1),
        ("tea within 48 hours", "within 48 hours", 2),
        ("tea soon", "soon", None),
    ],
)
def test_horizons(demand: str, words: str, days: float | None) -> None:
    rest, horizon = take_horizon(demand)
    assert horizon is not None
    assert horizon.words == words
    assert horizon.length == (None if days is None else timedelta(days=days))
    assert content_words(rest) == ["tea"]


@pytest.mark.parametrize("demand", ["tea for the weak", "a month of sundays", "weekly papers", "people in two minds"])
def test_what_is_no_horizon_stays(demand: str) -> None:
    assert take_horizon(demand) == (demand, None)


@given(st.integers(2, 99), st.sampled_from(["day", "week", "month", "year"]))
def test_any_number_of_units_is_a_horizon(count: int, unit: str) -> None:
    horizon = parse_demand(f"people who buy tea in the next {count} {unit}s").horizon
    assert horizon is not None
    assert horizon.length == timedelta(days=count * {"day": 1, "week": 7, "month": 30, "year": 365}[unit])
