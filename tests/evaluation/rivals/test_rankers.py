"""Every rival: what it may see, and that it finds planted signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.activity import Activity
from findcli.evaluation.rivals.als import Als
from findcli.evaluation.rivals.boosted import Boosted
from findcli.evaluation.rivals.counts import Counts
from findcli.evaluation.rivals.ranking_inputs import RankingInputs, RankingRival, activity, decayed_counts, with_ties_by
from findcli.evaluation.rivals.rules import Rules
from findcli.evaluation.rivals.svd import Svd
from findcli.evaluation.rivals.text_similarity import MeanText, NearestText
from findcli.metrics import auc_by_column

DATE = datetime(2024, 9, 2)
NAMES = ("TEA", "BREAD", "CHEESE", "SOAP", "CANDLES", "TOWELS")
RANKERS: tuple[RankingRival, ...] = (
    Activity(), Counts(), MeanText(), NearestText(), Als(rank=4), Svd(rank=3), Rules(),
    Boosted(svd=((3, 0.9),), als=((4, 0.9, 1.0),), rounds=20, leaves=4, samples=100, least=0.0),
)  # fmt: skip
BY_NAME = pytest.mark.parametrize("ranker", RANKERS, ids=lambda ranker: ranker.name)


def words(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors that tell which of the names a text holds."""
    found = np.array([[name.lower() in text.lower() for name in NAMES] + [True] for text in texts], np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def world(seed: int = 0, users: int = 120) -> pl.DataFrame:
    """A year of purchases: some users buy more, and each has a favourite category that makes up most of it."""
    rng = np.random.default_rng(seed)
    n = users * 60
    rate = np.geomspace(0.1, 2, users)[np.random.default_rng(1).permutation(users)]
    user = rng.choice(users, n, p=rate / rate.sum())
    category = np.where(rng.random(n) < 0.6, user % len(NAMES), rng.integers(0, len(NAMES), n))
    minutes = np.sort(rng.integers(0, 364 * 24 * 60, n))
    return pl.DataFrame(
        {
            "user_id": user,
            "time": [DATE - timedelta(days=300) + timedelta(minutes=int(m)) for m in minutes],
            "category": [NAMES[i] for i in category],
            "item": [f"fine {NAMES[i].lower()}" for i in category],
            "department": ["SHOP"] * n,
        }
    )


def given(rows: pl.DataFrame) -> RankingInputs:
    users = pl.Series("user_id", range(120))
    return RankingInputs(
        purchases=rows.filter(pl.col("time") < DATE), users=users.gather_every(4),
        training_users=users.filter(users % 4 != 0), categories=list(NAMES),
        demands=[f"The user purchased {name.lower()}." for name in NAMES],
        seen=np.array([True] * 5 + [False]), all_seen=frozenset(NAMES[:5]), test_date=DATE,
        history=timedelta(weeks=26), future=timedelta(weeks=4), text_model="words", encode=words,
    )  # fmt: skip


@BY_NAME
def test_it_finds_who_buys_what(ranker: RankingRival) -> None:
    rows = world()
    inputs = given(rows)
    later = rows.filter(pl.col("time") >= DATE)
    truth = decayed_counts(later, inputs.users, NAMES, at=DATE, decay=1.0) > 0
    scores = ranker.scores(inputs)
    assert scores.shape == truth.shape
    assert scores.dtype == np.float32
    assert auc_by_column(scores, truth).mean() > 0.55


@BY_NAME
def test_it_gives_the_same_scores_again(ranker: RankingRival) -> None:
    inputs = given(world())
    np.testing.assert_array_equal(ranker.scores(inputs), ranker.scores(inputs))


@BY_NAME
def test_it_learns_nothing_from_the_evaluated_users(ranker: RankingRival) -> None:
    """Another evaluated user's purchases change nobody's order: only oneself and the training users tell."""
    rows = world()
    alone = given(rows.filter((pl.col("user_id") % 4 != 0) | (pl.col("user_id") <= 40)))
    together = given(rows)
    kept = slice(0, 11)
    one, other = ranker.scores(alone)[kept], ranker.scores(together)[kept]
    for column in range(len(NAMES)):
        assert np.array_equal(np.argsort(one[:, column], kind="stable"), np.argsort(other[:, column], kind="stable"))


def test_the_boosted_trees_never_learn_the_label_of_an_unseen_category() -> None:
    inputs = given(world())
    ranker = Boosted(svd=((3, 0.9),), als=((4, 0.9, 1.0),), least=0.0)
    features, labels = ranker._examples(inputs)
    cutoffs = ranker._cutoffs(inputs)
    assert all(cutoff + inputs.future <= DATE for cutoff in cutoffs)
    assert len(labels) == len(features) <= len(cutoffs) * len(inputs.training_users) * 5


def test_inputs_with_a_later_purchase_are_refused() -> None:
    inputs = given(world())
    with pytest.raises(ValueError, match="at or after the test date"):
        replace(inputs, purchases=world())


def test_counts_decay_with_age() -> None:
    rows = pl.DataFrame(
        {"user_id": [1, 1, 2], "time": [DATE - timedelta(weeks=w) for w in (1, 2, 1)], "category": ["A", "A", "B"]}
    )
    users = pl.Series("user_id", [2, 1])
    found = decayed_counts(rows, users, ["A", "B"], at=DATE, decay=0.5)
    np.testing.assert_allclose(found, [[0, 0.5], [0.75, 0]])
    np.testing.assert_allclose(activity(rows, users, at=DATE, decay=1.0), [1, 2])


def test_ties_are_broken_and_only_ties() -> None:
    ranks = with_ties_by(np.array([[0.0], [0.0], [2.0], [1.0]]), np.array([5.0, 9.0, 0.0, 1.0]))
    assert ranks[:, 0].tolist() == [1, 2, 4, 3]


def test_a_rule_holds_of_those_who_bought_what_the_demand_means() -> None:
    rows = pl.DataFrame(
        {
            "user_id": [1, 2, 2, 3, 3, 3],
            "time": [DATE - timedelta(days=3)] * 6,
            "category": ["TEA", "TEA", "TEA", "SOAP", "SOAP", "SOAP"],
            "item": ["x"] * 6,
            "department": ["y"] * 6,
        }
    )
    inputs = replace(
        given(rows), users=pl.Series("user_id", [1, 2, 3, 4]), categories=["TEA"], demands=["who will buy tea"]
    )
    assert Rules(most=1).scores(inputs)[:, 0].argsort().tolist() == [3, 2, 0, 1]


def test_recent_events_weigh_more_in_texts() -> None:
    """Two users bought the same things, one tea lately and soap long ago, the other the reverse."""
    weeks = (1, 20, 20, 1)
    rows = pl.DataFrame(
        {
            "user_id": [1, 1, 2, 2],
            "time": [DATE - timedelta(weeks=w) for w in weeks],
            "category": ["TEA", "SOAP"] * 2,
            "item": ["x"] * 4,
            "department": ["y"] * 4,
        }
    )
    inputs = replace(given(rows), users=pl.Series("user_id", [1, 2]))
    for ranker in (MeanText(), NearestText()):
        scores = ranker.scores(inputs)
        assert scores[0, NAMES.index("TEA")] > scores[1, NAMES.index("TEA")]
        assert scores[0, NAMES.index("SOAP")] < scores[1, NAMES.index("SOAP")]


@pytest.mark.parametrize("ranker", [Svd(rank=3), Als(rank=4)], ids=lambda ranker: ranker.name)
def test_own_counts_and_activity_add_to_low_rank_scores(ranker: Svd | Als) -> None:
    inputs = given(world())
    whole, low_rank = ranker.scores(inputs), replace(ranker, own=0.0, activity=0.0).scores(inputs)
    added = {name: whole - replace(ranker, **{name: 0.0}).scores(inputs) for name in ("own", "activity")}
    np.testing.assert_allclose(whole, low_rank + added["own"] + added["activity"], rtol=1e-4, atol=1e-4)
    assert np.ptp(added["activity"], axis=1).max() < 1e-4  # the same for every category
    bought = decayed_counts(inputs.purchases, inputs.users, NAMES, at=DATE, decay=1.0) > 0
    assert added["own"][bought].min() >= 0 < added["own"].max()
    assert not added["own"][~bought].any()


def test_trees_are_told_the_days_and_ages_of_purchases() -> None:
    rows = pl.DataFrame(
        {"user_id": [1, 1, 1], "time": [DATE - timedelta(weeks=w) for w in (1, 5, 5)], "category": ["TEA"] * 3}
    )
    *_, days, latest, first = Boosted()._own(rows, pl.Series("user_id", [1, 2]), ["TEA"], DATE)
    assert days.tolist() == [[2], [0]]
    np.testing.assert_allclose(np.log(latest[0] / 0.9), 0, atol=1e-6)
    np.testing.assert_allclose(np.log(first[0] / 0.9**5), 0, atol=1e-6)


@pytest.mark.parametrize("ranker", [MeanText(), NearestText(), Rules()], ids=lambda ranker: ranker.name)
def test_without_a_text_model_the_command_that_brings_one_is_named(ranker: RankingRival) -> None:
    with pytest.raises(FindCLIError) as caught:
        ranker.scores(replace(given(world()), encode=None, text_model=None))
    assert "findcli[offline]" in caught.value.hint


@pytest.mark.parametrize(("ranker", "package"), [(Als(), "implicit"), (Boosted(), "lightgbm")])
def test_a_missing_package_is_named(ranker: RankingRival, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(FindCLIError, match=package) as caught:
        ranker.scores(given(world()))
    assert caught.value.hint == 'pip install "findcli[benchmark]"'
