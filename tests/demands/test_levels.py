"""How much a demand asks for, and where in it that stood."""

from __future__ import annotations

import pytest

from findcli.demands.levels import levels_in, take_levels

Read = tuple[str, float | None, bool]


def read(text: str) -> tuple[str, list[Read]]:
    rest, levels = take_levels(text, "crowns")
    assert len(levels_in(rest, levels)[1]) == len(levels)
    return " ".join(levels_in(rest, levels)[0].split()), [(each.measure, each.least, each.below) for each in levels]


@pytest.mark.parametrize(
    ("text", "rest", "levels"),
    [
        ("spend more than 500", "", [("amount", 500, False)]),
        ("over 40 dollars", "", [("amount", 40, False)]),
        ("spend over $1.5k on tea", "tea", [("amount", 1500, False)]),
        ("orders above 75 crowns", "", [("amount", 75, False)]),
        ("at least 1,000 crowns worth of tea", "tea", [("amount", 1000, False)]),
        ("tea for over 12.50 euros", "tea for", [("amount", 12.5, False)]),
        ("spend less than 20", "", [("amount", 20, True)]),
        ("spending between 20 and 50 euros", "", [("amount", 20, False), ("amount", 50, True)]),
        ("buy tea at least three times", "buy tea", [("count", 3, False)]),
        ("twice or more", "", [("count", 2, False)]),
        ("order 5+ times", "order", [("count", 5, False)]),
        ("more than once", "", [("count", 2, False)]),
        ("at most twice", "", [("count", 3, True)]),
        ("place at least 3 orders", "", [("count", 3, False)]),
        ("buy at least 3 bags", "buy bags", [("count", 3, False)]),
        ("several different things", "", [("distinct", 3, False)]),
        ("at least 4 different teas", "teas", [("distinct", 4, False)]),
        ("tea for the first time", "tea", [("first", 1, False)]),
        ("new to tea", "tea", [("first", 1, False)]),
    ],
)
def test_levels_are_taken_out(text: str, rest: str, levels: list[Read]) -> None:
    assert read(text) == (rest, levels)


@pytest.mark.parametrize(
    "text",
    [
        "people over 30 years of age", "tea in 3 weeks", "a set of 6 mugs", "size 12 shoes", "once a week",
        "shoppers aged 65+ who will buy vitamins", "65+ who buy tea", "aged at least 65 and over",
    ],
)  # fmt: skip
def test_other_numbers_stay(text: str) -> None:
    assert read(text) == (text, [])


def test_what_is_not_plain_has_a_note() -> None:
    assert "at least 3" in take_levels("several times", "crowns")[1][0].note
    assert "together" in take_levels("orders over 50 crowns", "crowns")[1][0].note
