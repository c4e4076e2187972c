"""What a demand says of the past: which verbs, periods and kinds of people, seen from a date."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.demands.periods import take_period
from findcli.demands.tense import take_past

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
    ("demand", "rest", "past"),
    [
        ("customers who have not bought for 3 months", "customers", [("", True)]),
        ("bought candles in May and likely to buy mugs", "likely to buy mugs", [("candles", False)]),
        ("tea drinkers who bought coffee last month", "tea drinkers", [("coffee", False)]),
        ("never bought tea", "", [("tea", True)]),
        ("people who haven't ordered since July", "people", [("", True)]),
        ("those who didn't buy anything last year", "those", [("anything", True)]),
        ("who ordered tea in 2023 but not since March", "", [("tea", False), ("tea", True)]),
        ("people who bought a bag but no mug", "people", [("a bag", False), ("mug", True)]),
        ("customers whose last order was more than 6 months ago", "customers", [("", True)]),
        ("one-time buyers", "customers", [("", False), ("at least 2 times", True)]),
        ("people who used to buy tea", "people", [("tea", False), ("tea", True)]),
        ("inactive customers who will buy tea", "customers who will buy tea", [("", True)]),
        ("new customers", "customers", [("", True)]),
        ("tea buyers last month", "", [("tea buyers", False)]),
        ("customers who spent more than 50 on tea last year", "customers", [("spent more than 50 on tea", False)]),
    ],
)
def test_the_past_is_taken_out_of_a_demand(demand: str, rest: str, past: list[tuple[str, bool]]) -> None:
    ahead, before = take_past(demand)
    assert ahead.removesuffix(" who") == rest
    assert [(" ".join(each.text.split()), each.negated) for each in before] == past


@pytest.mark.parametrize(
    "demand",
    ["people who will buy tea", "tea next month", "who will have bought tea", "goods to be ordered", "new phones"],
)
def test_the_future_stays(demand: str) -> None:
    assert take_past(demand) == (demand, [])


@given(st.text(max_size=60))
def test_any_text_can_be_split(text: str) -> None:
    rest, _ = take_past(text)
    assert take_past(rest)[0] == rest
