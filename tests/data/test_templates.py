"""Sentences, event texts and bounds as they are written."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.templates import (
    SLOT,
    Template,
    event_text,
    round_bound,
    sentence_text,
    source_templates,
    template_pattern,
)
from findcli.workspace.settings import General, Settings, Source, Windows

UNTIL = datetime(2024, 3, 4)
ROWS = pl.DataFrame(
    {
        "item": ["Green TEA", None],
        "category": ["Tea", "Soap"],
        "department": [None, "Home"],
        "status": ["By Coupon", "by coupon"],
        "text": ["Phones {new}", None],
    }
)


def source(**columns: object) -> Source:
    return Source(**({"name": "s", "path": "s.csv", "families": ("purchase",), "user": "u", "time": "t"} | columns))


def written(expression: pl.Expr, frame: pl.DataFrame = ROWS) -> list[str | None]:
    return frame.select(expression.alias("text"))["text"].to_list()


def templates_of(source: Source, **general: object) -> list[Template]:
    return source_templates(
        source, Settings(windows=Windows(train_until=UNTIL), sources=(source,), workspace=General(**general))
    )


def test_a_source_speaks_of_what_its_columns_can_fill() -> None:
    bills = source(families=("purchase", "payment"), category="c", amount="a", status="s")
    texts = {each.text: each.measure for each in templates_of(bills)}
    assert texts == {
        "The user purchased {category}.": "any",
        "The user purchased {category} amounting more than {amount} dollars.": "amount",
        "The user made purchases amounting more than {amount} dollars.": "amount",
        "The user purchased anything.": "any",
        "The user purchased nothing.": "none",
        "The user purchased anything at least {count} times.": "count",
        "The user purchased {category} at least {count} times.": "count",
        "The user purchased at least {distinct} different things.": "distinct",
        "The user purchased anything for the first time.": "first",
        "The user purchased {category} for the first time.": "first",
        "The user paid {status}.": "any",
        "The user purchased {category} and paid {status}.": "any",
        "The user returned {category}.": "any",
        "The user returned anything.": "any",
    }
    assert templates_of(source(families=("exposure",), category="c")) == []


def test_a_source_without_things_speaks_of_anything() -> None:
    assert {each.text for each in templates_of(source(amount="a"), currency="euros")} == {
        "The user made purchases amounting more than {amount} euros.",
        "The user purchased anything.",
        "The user purchased nothing.",
        "The user purchased anything at least {count} times.",
        "The user purchased anything for the first time.",
        "The user returned anything.",
    }


def test_subject_verb_and_unit_are_the_workspaces_own() -> None:
    clicks = source(families=("click",), category="c", amount="n", verb="opened", unit="clicks")
    texts = [each.text for each in templates_of(clicks, subject="student")]
    assert "The student opened {category}." in texts
    assert "The student opened {category} amounting more than {amount} clicks." in texts
    assert "The student opened anything at least {count} times." in texts
    assert not [text for text in texts if "user" in text or "dollars" in text]


def test_a_level_names_the_sentence_of_one_event_that_it_is_a_level_of() -> None:
    singles = {each.text: each.single for each in templates_of(source(category="c", amount="a"))}
    assert singles["The user purchased {category} amounting more than {amount} dollars."] == (
        "The user purchased {category}."
    )
    assert singles["The user made purchases amounting more than {amount} dollars."] == "The user purchased anything."
    assert singles["The user purchased nothing."] == "The user purchased anything."


def test_own_sentences_replace_the_families_own() -> None:
    (template,) = templates_of(source(category="c", sentences=("They took {category} for over {amount} {currency}.",)))
    assert (template.slots, template.bounded, template.family) == (("category",), True, "purchase")


def test_a_sentence_is_in_lower_case_and_null_where_a_slot_is() -> None:
    template = Template("purchase", "s", "The user purchased {category} of {department}.", ("category", "department"))
    assert written(sentence_text(template)) == [None, "The user purchased soap of home."]


def test_a_bound_reads_as_a_person_writes_it() -> None:
    template = Template("purchase", "s", "More than {amount} euros.", (), measure="amount")
    frame = pl.DataFrame({"bound": [20.0, 7.5]})
    assert written(sentence_text(template), frame) == ["More than 20 euros.", "More than 7.5 euros."]


def test_an_event_reads_from_the_particular_to_the_general_without_what_is_missing() -> None:
    bill = source(item="i", category="c", department="d", status="s")
    assert written(event_text(bill)) == [
        "The user purchased green tea, tea, by coupon",
        "The user purchased soap, home, by coupon",
    ]
    assert written(event_text(source(families=("click",)))) == ["The user clicked something"]


def test_a_search_stands_for_itself_and_an_own_event_text_for_its_source() -> None:
    assert written(event_text(source(families=("search",), text="q"))) == ["phones {new}", ""]
    assert written(event_text(source(item="i", event="Bought {item}!"))) == ["Bought green tea!", "Bought something!"]


@given(st.floats(0.01, 1e9))
def test_a_bound_is_round_and_near(amount: float) -> None:
    bound = pl.select(round_bound(pl.lit(amount))).item()
    assert bound == pytest.approx(amount, rel=0.26, abs=0.006)
    digits = f"{bound:.2f}".replace(".", "").strip("0")
    assert len(digits) <= 2
    assert len(digits) < 2 or digits[1] == "5"


@given(
    thing=st.text(min_size=1),
    least=st.one_of(st.integers(0, 10**9), st.floats(0, 1e9)).map(str),
    text=st.sampled_from(
        ["The user (really) paid {status}.", "The user purchased {category} amounting more than {amount} euros."]
    ),
)
def test_a_pattern_matches_what_its_template_writes_and_parts_it(thing: str, least: str, text: str) -> None:
    """In Python and in polars, whatever characters names are of."""
    written = text.format(status=thing, category=thing, amount=least)
    pattern = template_pattern(text)
    match = pattern.fullmatch(written)
    assert match is not None
    assert list(match.groupdict().values()) == [thing, least][: len(SLOT.findall(text))]
    assert pl.Series([written]).str.contains(f"(?s)^{pattern.pattern}$").item()
    assert pattern.fullmatch(written.removesuffix(".") + "!") is None


def test_a_pattern_wants_a_number_where_its_template_has_one() -> None:
    pattern = template_pattern("The user paid at least {count} times.")
    assert pattern.fullmatch("The user paid at least 3 times.")["least"] == "3"  # type: ignore[index]
    assert pattern.fullmatch("The user paid at least a few times.") is None


def test_a_slot_that_recurs_is_read_the_first_time() -> None:
    match = template_pattern("{item}, yes: {item}").fullmatch("tea, yes: tea")
    assert match is not None
    assert match.groupdict() == {"item": "tea"}
