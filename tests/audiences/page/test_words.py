"""How a demand was read, in words that a marketer knows."""

from __future__ import annotations

from datetime import datetime

import pytest

from findcli.audiences.page.words import done, readings, refused
from findcli.demands.reading import BY_LIKENESS, Clause, Meant, Past, Rewriting

TEA, BREAD = Meant("The user purchased tea.", 1.0, 0.9), Meant("The user purchased bread.", 1.0, 0.8)


def read(*clauses: Clause, past: tuple[Past, ...] = ()) -> list[str]:
    return [each.meaning for each in readings(Rewriting("tea", BY_LIKENESS, clauses, past=past), "user")]


@pytest.mark.parametrize(
    ("clause", "meaning"),
    [
        (Clause("tea", False, (TEA,)), "purchased tea"),
        (Clause("no tea", True, (TEA,)), "not: purchased tea"),
        (Clause("tea or bread", False, (TEA, BREAD)), "any of 2 things"),
        (Clause("tea", False, (TEA,), measure="count", least=3), "purchased tea, at least 3 times in all"),
        (Clause("tea", False, (TEA,), measure="first"), "purchased tea, for the first time"),
        (Clause("no tea", False, (TEA,), measure="none"), "not: purchased tea"),
    ],
)
def test_a_clause_is_said_plainly(clause: Clause, meaning: str) -> None:
    assert read(clause) == [meaning]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("The user purchased tea.", "purchased tea"),
        ("The user purchased something.", "purchased something"),
        ("The user purchased anything.", "purchased something"),
        ("The user searched for anything.", "searched for something"),
    ],
)
def test_what_was_done_is_said_alike_of_events_and_concepts(sentence: str, words: str) -> None:
    assert done(sentence, "user") == words


def test_a_condition_on_the_past_says_when() -> None:
    past = Past(Clause("bought bread", False, (BREAD,)), "last May", datetime(2024, 5, 1), datetime(2024, 6, 1))
    meanings = read(Clause("tea", False, (TEA,)), past=(past,))
    assert meanings[1] == "only who did before, from 2024-05-01 until 2024-06-01: purchased bread"


def test_of_many_things_the_first_are_named_and_the_others_counted() -> None:
    many = tuple(Meant(f"The user purchased {i}.", 1.0, None) for i in range(20))
    (line,) = readings(Rewriting("things", BY_LIKENESS, (Clause("things", False, many),)), "user")
    assert len(line.members) + line.more == 20
    assert line.members[0] == "purchased 0"


def test_what_cannot_be_answered_names_what_can() -> None:
    why, instead = refused(Rewriting("cars", BY_LIKENESS, answerable=False, nearest=(TEA,)), "user")
    assert why
    assert instead == ("purchased tea",)
    assert refused(Rewriting("tea", BY_LIKENESS, answerable=True), "user") == ("", ())
