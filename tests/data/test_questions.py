"""Sentences as questions about the future, and questions as sentences again."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.questions import Question, QuestionParser, QuestionWriter
from findcli.data.templates import Template, workspace_templates
from findcli.workspace.settings import General, Settings, Source, Windows


def templates(**general: object) -> list[Template]:
    bills = Source(
        name="b", path="b.csv", families=("purchase",), user="u", time="t", category="c", item="i", amount="a"
    )
    windows = Windows(train_until=datetime(2024, 3, 4))
    return workspace_templates(Settings(windows=windows, sources=(bills,), workspace=General(**general)))


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("The user purchased tea.", Question(("The user purchased tea.",))),
        ("The user purchased tea at least 3 times.", Question(("The user purchased tea.",), "count", 3)),
        (
            "The user purchased tea amounting more than 7.5 dollars.",
            Question(("The user purchased tea.",), "amount", 7.5),
        ),
        (
            "The user made purchases amounting more than 500 dollars.",
            Question(("The user purchased anything.",), "amount", 500),
        ),
        (
            "The user purchased at least 20 different things.",
            Question(("The user purchased anything.",), "distinct", 20),
        ),
        ("The user purchased nothing.", Question(("The user purchased anything.",), "none")),
        ("The user purchased tea for the first time.", Question(("The user purchased tea.",), "first")),
        ("Something else.", Question(("Something else.",))),
    ],
)
def test_a_sentence_asks_for_a_level_of_single_events(sentence: str, question: Question) -> None:
    assert QuestionParser(templates()).parse(sentence) == question
    assert QuestionWriter(templates()).write(question) == (sentence,)


@given(
    st.text(min_size=1),
    st.sampled_from([("any", 1.0), ("count", 4.0), ("amount", 12.5), ("first", 1.0)]),
)
def test_what_is_written_is_parsed_as_it_was_meant(name: str, level: tuple[str, float]) -> None:
    question = Question((f"The client purchased {name}.",), *level)
    (sentence,) = QuestionWriter(templates(subject="client")).write(question)
    parsed = QuestionParser(templates(subject="client")).parse(sentence)
    if level[0] != "any":
        assert parsed == question
    else:
        assert sentence == question.sentences[0]
