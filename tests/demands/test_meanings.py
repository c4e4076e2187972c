"""Sets of names by the words in them: stems, compounds, words written apart."""

from __future__ import annotations

import pytest

from findcli.demands.grammar import parse_demand
from findcli.demands.meanings import NameIndex, named_words

NAMES = [
    "red bag", "lunch bags owls", "garden handbag", "green tea light", "tealights white", "candle box", "wooden knife",
    "pocket knives", "hand warmer", "cabbage", "children's bowl", "red candle", "red party hat",
]  # fmt: skip


def search(demand: str) -> tuple[set[str], tuple[str, ...]]:
    phrase = parse_demand(demand).parts[0].phrases[0]
    named = NameIndex(NAMES).search(phrase, set(range(len(NAMES))))
    return {NAMES[row] for row in named.rows}, named.unused


@pytest.mark.parametrize(
    ("demand", "names", "unused"),
    [
        ("a bag", {"red bag", "lunch bags owls", "garden handbag"}, ()),
        ("people who want red bags", {"red bag"}, ()),
        ("tealights", {"green tea light", "tealights white"}, ()),
        ("tea lights", {"green tea light", "tealights white"}, ()),
        ("knives", {"wooden knife", "pocket knives"}, ()),
        ("bowls for a child", {"children's bowl"}, ("child",)),
        ("scented candles", {"candle box", "red candle"}, ("scented",)),
        ("things with owls", {"lunch bags owls"}, ()),
        ("tractors", set(), ()),
    ],
)
def test_a_phrase_names_the_rows_that_hold_its_words(demand: str, names: set[str], unused: tuple[str, ...]) -> None:
    assert search(demand) == (names, unused)


def test_what_a_thing_is_for_is_not_its_name() -> None:
    phrase = parse_demand("parents who need a lunch bag for the kids").parts[0].phrases[0]
    assert named_words(phrase) == ["lunch", "bag"]
