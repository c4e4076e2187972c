"""What a demand says of the past: which verbs and kinds of people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.demands.tense import take_past


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
