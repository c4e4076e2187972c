"""A number answers the demand that was asked, or none is given and one line says why."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from findcli.audiences import answered
from findcli.audiences.answered import why_no_number
from findcli.audiences.other_topics import TOPICS
from findcli.audiences.target import target
from findcli.demands.grammar import content_words
from findcli.demands.reading import BY_LIKENESS, BY_YOU, Clause, Meant, Rewriting
from findcli.demands.retrieval import VectorLikeness
from findcli.evaluation.benchmark.answered import measure_answered
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code

NEAR = {"car": ("vehicle",), "vehicle": ("car",), "bakers": ("bread",)}  # what is alike, to the letter reader below


def count_words(texts: list[str]) -> np.ndarray:
    """Counts of words, and a part of those that are like them: (len(texts), words)."""
    known = sorted({word for text in texts for word in content_words(text)} | set(NEAR))
    vectors = np.full((len(texts), len(known)), 1e-3)
    for row, text in enumerate(texts):
        for word in content_words(text):
            vectors[row, known.index(word)] += 1
            for other in NEAR.get(word, ()):
                vectors[row, known.index(other)] += 0.7 if other in known else 0
    return vectors


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A shop of bread and cheese that looks nine weeks ahead; of other topics there is one, vehicles."""
    topics: dict[str, np.ndarray] = {}

    class Encoder:
        """Encodes the topic in the same words as the texts before it."""

        def few(self, texts: list[str]) -> torch.Tensor:
            *vectors, topic = count_words([*texts, "vehicle"])
            topics["all"] = topic[None] / np.linalg.norm(topic)
            return torch.from_numpy(np.stack(vectors))

    monkeypatch.setattr(answered, "TOPICS", ("vehicle",))
    monkeypatch.setattr(answered, "_topics", lambda _: topics["all"])
    monkeypatch.setattr(answered, "_deeds", lambda _: (np.ones((3, 1)), np.ones((3, 1))))
    names = ["bread", "cheese"]
    texts = [f"The user purchased {name}." for name in names]
    vocabulary = pl.DataFrame(
        {"text": texts, "name": names, "items": [[], []], "family": ["purchase"] * 2},
        schema_overrides={"items": pl.List(pl.String)},
    )
    settings = {"future": "9w"}
    likeness = object.__new__(VectorLikeness)
    likeness.views = SimpleNamespace(names=np.zeros((1, 1)))  # type: ignore[assignment]
    monkeypatch.setattr(answered, "_is_known", lambda *_: np.zeros(1, bool))
    retriever = SimpleNamespace(likeness=likeness, vocabulary=vocabulary)
    return SimpleNamespace(
        model=SimpleNamespace(
            aligned=SimpleNamespace(manifest=SimpleNamespace(settings=settings)),
            space=SimpleNamespace(encoder=Encoder, few=lambda texts: Encoder().few(texts).numpy()),
        ),
        rewriter=SimpleNamespace(retriever=retriever),
    )


def read_as(demand: str, name: str = "bread", *, cosine: float | None = 0.8, **more: Any) -> Rewriting:
    meant = Meant(f"The user purchased {name}.", 1.0, cosine)
    clause = Clause(name, negated=False, any_of=(meant,))
    return Rewriting(demand, more.pop("by", BY_LIKENESS), (clause,), answerable=True, **more)


@pytest.mark.parametrize(
    "demand", ["people who will buy bread", "bread", "bakers who will buy bread", "bread within 9 weeks"]
)
def test_what_is_wholly_understood_has_a_number(engine: Any, demand: str) -> None:
    assert why_no_number(engine, read_as(demand)) == ""


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ("bread within the next two years", '"within the next two years"'),
        ("who will buy bread tomorrow?", '"tomorrow"'),
        ("women who will buy bread", '"women"'),
        ("pilots who will buy bread", '"pilots"'),
        ("customers who will sculpt bread", '"sculpt"'),
        ("people with a pilot licence who will buy bread", '"pilot licence"'),
        ("people who fly planes and need bread", '"fly planes"'),
        ("who will open our newsletter about bread?", '"open"'),
        ("people who want a car", "vehicle"),
    ],
)
def test_another_question_has_none_and_one_line_says_why(engine: Any, demand: str, said: str) -> None:
    why = why_no_number(engine, read_as(demand))
    assert said in why
    assert why.startswith("understood: bread; ")
    assert "\n" not in why


@pytest.mark.parametrize("demand", ["reach people who will buy bread", "loyal customers who will eat bread"])
def test_words_for_the_campaign_and_of_use_cost_nothing(engine: Any, demand: str) -> None:
    assert why_no_number(engine, read_as(demand)) == ""


def test_a_word_of_a_list_that_is_alike_costs_nothing_and_another_does(engine: Any) -> None:
    alike, other = (f'not used: "{word}", which nothing is like' for word in ("bakers", "ships"))
    assert why_no_number(engine, read_as("bread and bakers", notes=(alike,))) == ""
    assert '"ships"' in why_no_number(engine, read_as("bread and ships", notes=(other,)))


def test_pieces_are_not_times(engine: Any) -> None:
    note = '"at least 3" is read as at least 3 times'
    assert '"at least 3"' in why_no_number(engine, read_as("people who will buy at least 3 bread", notes=(note,)))


def test_words_that_change_nothing_cost_the_number(engine: Any) -> None:
    note = 'not used: "elderly", which only a profile tells: filter by it with --where'
    assert '"elderly"' in why_no_number(engine, read_as("elderly people who buy bread", notes=(note,)))


def test_a_loose_reading_has_none(engine: Any) -> None:
    assert "read loosely" in why_no_number(engine, read_as("something crusty", cosine=0.37))


def test_women_whom_a_filter_tells_keep_theirs(engine: Any) -> None:
    assert why_no_number(engine, read_as("women who will buy bread"), where="sex == 'f'") == ""


def test_sentences_of_ones_own_keep_theirs(engine: Any) -> None:
    assert why_no_number(engine, read_as("a car tomorrow", by=BY_YOU)) == ""


def test_a_sentence_of_the_vocabulary_keeps_its_own(engine: Any) -> None:
    assert why_no_number(engine, read_as("The user purchased bread.", cosine=1.0)) == ""


def test_other_topics_are_distinct_and_short() -> None:
    assert len(set(TOPICS)) == len(TOPICS) > 200
    assert max(len(topic.split()) for topic in TOPICS) <= 5


def test_target_ranks_but_tells_no_number(trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    as_of = trained_workspace.train_until
    whole, later = target(trained_workspace, ["tea", "tea within 2 years"], as_of=as_of, device="cpu")
    assert not whole.unanswered
    assert whole.ranking["probability"].null_count() == 0
    assert later.ranking["probability"].null_count() == len(later.ranking)
    assert later.ranking["user_id"].to_list() == whole.ranking["user_id"].to_list()
    here = ["--workspace", str(trained_workspace.folder), "--as-of", "2024-09-09", "--device", "cpu"]
    assert exit_code("target", "tea within 2 years", *here) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == '"tea within 2 years"'
    assert "within 2 years" in second
    assert exit_code("size", "tea within 2 years", *here) == 1
    assert "within 2 years" in capsys.readouterr().err


def test_demands_are_counted_by_whether_they_get_a_number(trained_workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "demands.tsv"
    file.write_text("demand\tcategories\ntea\ttea\ntea within 2 years\t\n")
    table = measure_answered(trained_workspace, [file], device="cpu")
    assert table.select("answerable", "numbered").rows() == [(True, True), (False, False)]
