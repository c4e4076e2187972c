"""Demands by grammar alone: parts, signs, horizons, amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.demands.grammar import FRAME, Parsed, parse_demand

THINGS = st.sampled_from(["marmalade", "green tea", "candles", "bicycles", "hair dye", "hammers", "paper", "violins"])


def shape(parsed: Parsed) -> list[tuple[bool, list[str]]]:
    return [(part.negated, [phrase.content for phrase in part.phrases]) for part in parsed.parts]


@pytest.mark.parametrize(
    ("demand", "parts"),
    [
        ("people who will buy tea", [(False, ["tea"])]),
        ("tea", [(False, ["tea"])]),
        ("beer or wine", [(False, ["beer", "wine"])]),
        ("beer, cider or wine", [(False, ["beer", "cider", "wine"])]),
        ("households that buy both milk and bread", [(False, ["milk"]), (False, ["bread"])]),
        ("buy meat but no seafood", [(False, ["meat"]), (True, ["seafood"])]),
        ("people who drink tea, not coffee", [(False, ["drink tea"]), (True, ["coffee"])]),
        ("shoppers who don't smoke but drink wine", [(False, ["drink wine"]), (True, ["smoke"])]),
        ("people who buy a phone but do not rent one", [(False, ["phone"]), (True, ["rent phone"])]),
        ("people who would rather rent a phone than buy one", [(False, ["rent phone"]), (True, ["phone"])]),
        ("customers without a garden", [(True, ["garden"])]),
        ("customers who quit smoking", [(False, ["quit smoking"])]),
        ("people who stop buying beer", [(True, ["beer"])]),
        ("tea drinkers who no longer buy milk", [(False, ["tea drinkers"]), (True, ["milk"])]),
        ("customers who are about to stop shopping with us", [(True, [])]),
        ("users about to churn", [(True, [])]),
        ("those who won't come back", [(True, [])]),
        ("who?", []),
    ],
)
def test_parts_and_signs(demand: str, parts: list[tuple[bool, list[str]]]) -> None:
    assert shape(parse_demand(demand)) == parts


def test_what_is_asked_for_stands_after_the_last_verb_of_asking() -> None:
    (part,) = parse_demand("parents of infants who need formula milk").parts
    assert part.phrases[0].object == "formula milk"
    assert part.phrases[0].content == "parents infants formula milk"


@given(THINGS, THINGS, st.sampled_from(["people who want {}", "find {}", "{} please", "who needs {}?", "BUY {}!"]))
def test_the_frame_changes_nothing_of_what_is_asked_for(one: str, other: str, frame: str) -> None:
    assert shape(parse_demand(frame.format(f"{one} or {other}"))) == [(False, [one, other])]
    negated = parse_demand(frame.format(f"{one} but no {other}"))
    assert shape(negated) == [(False, [one]), (True, [other])]


@given(st.text(max_size=80))
def test_any_text_can_be_read(demand: str) -> None:
    parsed = parse_demand(demand)
    for part in parsed.parts:
        assert part.phrases or part.words or part.negated
        for phrase in part.phrases:
            assert phrase.content
            assert not set(phrase.content.split()) & FRAME
    assert parse_demand(demand) == parsed


@pytest.mark.parametrize(
    ("demand", "shapes"),
    [
        ("candles and mugs", [["candles", "mugs"]]),
        ("candles & mugs", [["candles", "mugs"]]),
        ("both candles and mugs", [["candles"], ["mugs"]]),
        ("candles as well as mugs", [["candles"], ["mugs"]]),
        ("people who buy candles and drink wine", [["candles"], ["drink wine"]]),
        ("jewellery such as rings and bracelets", [["jewellery", "rings", "bracelets"]]),
        ("spend more than 500 and order at least 3 times", [[], []]),
        ("over $20 on cheese and over $50 on meat", [["cheese"], ["meat"]]),
        ("who will buy again", [[]]),
        ("who will return next month", [[]]),
    ],
)
def test_what_joins_things(demand: str, shapes: list[list[str]]) -> None:
    assert [content for _, content in shape(parse_demand(demand))] == shapes


def test_parts_know_their_level_and_what_came_back() -> None:
    amount, count = parse_demand("spend more than 500 and order at least 3 times").parts
    assert amount.level is not None
    assert count.level is not None
    assert [(each.measure, each.least) for each in (amount.level, count.level)] == [("amount", 500), ("count", 3)]
    (back,) = parse_demand("people likely to return an item").parts
    assert back.returns
    (again,) = parse_demand("reorder candles").parts
    assert (again.again, again.phrases[0].content) == (True, "candles")


def test_what_is_said_of_the_past_is_no_part_of_the_future() -> None:
    parsed = parse_demand("customers who bought candles last month and will buy mugs")
    assert shape(parsed) == [(False, ["mugs"])]
    assert [phrase.content for was in parsed.past for part in was.parts for phrase in part.phrases] == ["candles"]


def test_the_word_for_users_frames_a_demand() -> None:
    assert shape(parse_demand("students who need a quiz", subject="student")) == [(False, ["quiz"])]
    assert shape(parse_demand("students about to churn", subject="student")) == [(True, [])]
