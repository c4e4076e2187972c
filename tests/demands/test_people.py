"""Words about people: standing, and traits that only a profile tells."""

from __future__ import annotations

import pytest

from findcli.demands.people import take_standing, take_traits


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
