"""The baselines: each finds the pattern that it is made for, and nothing but training users teaches them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from findcli.errors import FindCLIError
from findcli.evaluation.next_event.baselines.registry import NAMES, chosen_names, fit_baselines
from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.questions import Questions, last_instants
from findcli.evaluation.next_event.ranks import ranks
from findcli.models.next_event.tokens import Vocabulary
from findcli.models.next_event.train import Lessons
from findcli.training.token_histories import TokenHistories
from findcli.workspace.next_event_settings import NextEvent

V, USERS, LENGTH = 12, 80, 12
SETTINGS = NextEvent(
    d_model=16, d_field=0, layers=1, heads=2, dropout=0.0, prototypes=4, steps=40, epochs=20, lr=1e-2, max_events=12,
    validate_every=20, fields=("source",),
)  # fmt: skip


def cycling() -> Teaching:
    """Token a is followed by a + 1; user u begins anywhere, and sixty train."""
    rng = np.random.default_rng(0)
    tokens = (rng.integers(0, V, USERS)[:, None] + np.arange(LENGTH)) % V
    days = 86_400 * np.tile(np.arange(LENGTH), USERS)
    histories = TokenHistories(
        user=np.repeat(np.arange(USERS), LENGTH), seconds=days, inputs=tokens.ravel() + 1, users=USERS, tokens=V
    )
    counts = pl.DataFrame({"source": list("abcdefghijkl"), "count": [9] * V}, schema_overrides={"count": pl.UInt32})
    return Teaching(
        lessons=Lessons(histories, np.arange(60), ()), tuning=last_instants(histories, np.arange(60, 80), 12, most=3),
        vocabulary=Vocabulary.fit(counts, None, most=V), settings=SETTINGS, cardinalities=(), ordered_alone=False,
        seed=0, device="cpu",
    )  # fmt: skip


def hits(scores: np.ndarray, asked: Questions) -> float:
    return float((ranks(scores, asked)["all"] <= 1).mean())


def test_what_follows_what_is_found_by_those_that_look_at_it() -> None:
    teaching = cycling()
    fitted = {each.name: each for each in fit_baselines(teaching, NAMES)}
    asked = teaching.tuning.rows(np.arange(20))
    right = {name: hits(each.scores(asked), asked) for name, each in fitted.items()}
    assert all(each.scores(asked).shape == (20, V) for each in fitted.values())
    for name in ("Markov", "Markov + own counts", "FPMC", "SASRec-like", "LightGBM lambdarank"):
        assert right[name] > 0.9, name
    for name in ("popularity", "last token", "most frequent own token"):
        assert right[name] < 0.5, name


def test_only_users_that_train_are_counted() -> None:
    teaching = cycling()
    histories = teaching.histories
    others = histories.user >= 60
    changed = TokenHistories(
        user=histories.user, seconds=histories.seconds, inputs=np.where(others, 1, histories.inputs), users=USERS,
        tokens=V,
    )  # fmt: skip
    again = replace(teaching, lessons=Lessons(changed, np.arange(60), ()))
    asked = teaching.tuning.rows(np.arange(5))
    for name in ("popularity", "recent-popularity", "fpmc"):
        one, other = (fit_baselines(each, [name])[0].scores(asked) for each in (teaching, again))
        np.testing.assert_array_equal(one, other)


def test_names_are_chosen_by_a_list() -> None:
    assert chosen_names("all") == list(NAMES)
    assert chosen_names("none") == []
    assert chosen_names("markov, last") == ["last", "markov"]
    with pytest.raises(FindCLIError, match="no baseline 'oracle'"):
        chosen_names("oracle")
