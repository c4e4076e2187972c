"""What a ranker learns from: which sentences teach, what unions are made of, and their truth."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from findcli.data.templates import Template, workspace_templates
from findcli.models.ranker.lessons import Lessons, write_lessons
from findcli.models.ranker.queries import ANYTHING, LEVEL, THING, UNION
from findcli.training.examples import Truth
from findcli.workspace.settings import Settings, Source, Windows

SENTENCES = [
    "The user purchased a blue bag.",
    "The user purchased a red bag.",
    "The user purchased anything at least 2 times.",
    "The user purchased anything.",
    "The user purchased candles.",
    "The user purchased nothing.",
    "The user purchased what nobody remembers.",
    "The user made purchases amounting more than 5 dollars.",
]


def templates() -> list[Template]:
    bills = Source(name="b", path="b.csv", families=("purchase",), user="u", time="t", item="i", amount="a")
    return workspace_templates(Settings(windows=Windows(train_until=datetime(2024, 3, 4)), sources=(bills,)))


def lessons() -> Lessons:
    concepts = {text: i for i, text in enumerate(SENTENCES[:2] + SENTENCES[3:5])}
    vectors = np.eye(4, 8, dtype=np.float32)
    return write_lessons(pl.Series(SENTENCES), templates(), concepts, vectors, seed=0)


def test_sentences_about_what_users_met_teach_and_nothing_else() -> None:
    learned = lessons()
    single = {SENTENCES[int(c[0])]: k for c, k in zip(learned.columns, learned.kinds, strict=True) if k != UNION}
    assert single == {
        "The user purchased a blue bag.": THING,
        "The user purchased a red bag.": THING,
        "The user purchased candles.": THING,
        "The user purchased anything.": ANYTHING,
        "The user purchased anything at least 2 times.": LEVEL,
        "The user made purchases amounting more than 5 dollars.": LEVEL,
    }
    level = learned.picks[[c.tolist() for c in learned.columns].index([7])]
    assert (level.measure, level.least, level.members) == ("amount", 5.0, np.array([2]))


def test_a_shared_word_makes_a_union_whose_truth_is_that_of_any_member() -> None:
    learned = lessons()
    unions = [i for i, kind in enumerate(learned.kinds) if kind == UNION]
    bags = next(i for i in unions if sorted(learned.columns[i].tolist()) == [0, 1])
    truth = Truth(np.array([0, 1, 2, 2]), np.array([0, 1]), len(SENTENCES))
    assert learned.true(truth, np.arange(3), np.array([bags])).ravel().tolist() == [True, True, False]
