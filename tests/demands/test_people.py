"""Words about people: standing, and traits that only a profile tells."""

from __future__ import annotations

import pytest

from findcli.demands.people import take_places, take_standing, take_traits


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("VIP customers", "amount"), ("our VIPs", "amount"), ("good customers", "amount"), ("big spenders", "amount"),
        ("most valuable clients", "amount"), ("people who spend a lot", "amount"), ("top 10% of customers", "amount"),
        ("loyal customers", "count"), ("regulars", "count"), ("frequent shoppers", "count"),
        ("best wine customers", "count"),
    ],
)  # fmt: skip
def test_the_good_and_the_loyal(text: str, measure: str) -> None:
    (level,) = take_standing(text, [])[1]
    assert level.measure == measure


@pytest.mark.parametrize("text", ["vip holiday purse", "good luck card", "a regular coffee", "best before date", "tea"])
def test_words_about_things_say_nothing_of_people(text: str) -> None:
    assert take_standing(text, []) == (text, [])


def test_traits_are_taken_out() -> None:
    assert take_traits("rich customers who buy tea") == ("customers who buy tea", ["rich"])
    assert take_traits("low income families") == ("families", ["low income"])
    assert take_traits("rich chocolate") == ("rich chocolate", [])
    rest, ages = take_traits("women over 40 who buy tea")
    assert (rest.split(), ages) == (["women", "who", "buy", "tea"], ["over 40"])


@pytest.mark.parametrize(
    ("demand", "rest", "place"),
    [
        ("customers from France who return an item", "customers who return an item", "from France"),
        ("customers from France", "customers", "from France"),
        ("people from the north who will buy tea", "people who will buy tea", "from the north"),
        (
            "shoppers living in Germany or Austria likely to buy",
            "shoppers likely to buy",
            "living in Germany or Austria",
        ),
        ("women from Paris, who want shoes", "women, who want shoes", "from Paris"),
        ("people who live in New York and will buy tea", "people will buy tea", "who live in New York"),
        ("customers not from the UK who will buy tea", "customers who will buy tea", "not from the UK"),
        ("customers in Spain with children", "customers with children", "in Spain"),
    ],
)
def test_places_are_taken_out(demand: str, rest: str, place: str) -> None:
    assert take_places(demand) == (rest, [place])


@pytest.mark.parametrize(
    "demand",
    [
        "customers in need of tea", "people in the market for a bike", "customers from last October who buy",
        "people who buy wine from Italy", "customers from our newsletter who buy", "the tea from China",
        "customers who will order from us", "people from 2011",
    ],
)  # fmt: skip
def test_other_words_after_from_and_in_are_no_places(demand: str) -> None:
    assert take_places(demand) == (demand, [])
