"""Rivals of the linear probe: they find planted signal, on training users' past alone, and always the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from findcli.data import events
from findcli.data.splits import held_out_users
from findcli.errors import FindCLIError
from findcli.evaluation.probe_protocol import fit_head
from findcli.evaluation.rivals import coles
from findcli.evaluation.rivals.aggregates import Aggregates, CategoryCounts
from findcli.evaluation.rivals.coles import Coles
from findcli.evaluation.rivals.cpc import Cpc
from findcli.evaluation.rivals.handmade import HandMade
from findcli.evaluation.rivals.msdp import Msdp
from findcli.evaluation.rivals.one4all import One4all, u_mlp
from findcli.evaluation.rivals.probe_inputs import Representation, UserInputs, streams
from findcli.evaluation.rivals.probe_registry import PROBE_RIVALS, chosen_rivals, user_inputs
from findcli.evaluation.rivals.stage_one import Concatenated, TabTransformer, TextModel
from findcli.workspace.folder import Workspace

SHELVES = 6
ONE4ALL = One4all(d_model=16, layers=1, heads=2, length=32, steps=60, batch_size=16, lr=3e-3)
CPC = Cpc(d_model=16, positives=2, steps=40, batch_size=32)
MSDP = Msdp(d_model=16, types=20, days=(7, 14), steps=40, batch_size=32)
COLES = Coles(d_model=16, d_level=4, epochs=12, batch_size=8, shortest=5, longest=30)
WITH_LIFESTREAM = pytest.mark.skipif(find_spec("ptls") is None, reason="pytorch-lifestream is not installed")
TRAINED = [ONE4ALL, CPC, MSDP, pytest.param(COLES, marks=WITH_LIFESTREAM)]
HAND_MADE, HAND_MADE_PROFILE = HandMade(), HandMade(events=False, attributes=True)
UNTRAINED: list[Representation] = [
    Aggregates(), CategoryCounts(), HAND_MADE, HandMade(attributes=True), TextModel(), TabTransformer(), Concatenated(),
]  # fmt: skip


def given_of(workspace: Workspace) -> UserInputs:
    log = events.build_events(workspace)
    read = [events.read_part(log, part, before=workspace.train_until) for part in events.parts(log)]
    users = pl.concat(read, how="diagonal_relaxed")["user_id"].unique().sort()
    return user_inputs(workspace, log, workspace.train_until, users, device="cpu")


@pytest.fixture
def given(trained_workspace: Workspace) -> UserInputs:
    return given_of(trained_workspace)


def favours_food(given: UserInputs) -> np.ndarray:
    """The tiny world's users have a favourite among three shelves of food and three of the home."""
    return given.users.to_numpy() % SHELVES < SHELVES // 2


def lives_north(given: UserInputs) -> np.ndarray:
    return (given.profiles["city"] == "north").fill_null(value=False).to_numpy()


def area(vectors: np.ndarray, truth: np.ndarray) -> float:
    """AUC of the probe's own head, each fifth of the users scored by the rest."""
    scores = np.zeros(len(truth))
    for fitted, rest in StratifiedKFold(5, shuffle=True, random_state=0).split(vectors, truth):
        scores[rest] = fit_head("linear", vectors[fitted], truth[fitted], vectors[rest])
    return float(roc_auc_score(truth, scores))


@pytest.mark.parametrize(
    ("rival", "planted"),
    [
        *((rival, favours_food) for rival in (CategoryCounts(), HAND_MADE, TextModel(), ONE4ALL, CPC, MSDP)),
        pytest.param(COLES, favours_food, marks=WITH_LIFESTREAM),
        *((rival, lives_north) for rival in (Aggregates(), HAND_MADE_PROFILE, TabTransformer())),
    ],
    ids=lambda value: getattr(value, "name", "planted"),
)
def test_planted_signal_is_above_chance(
    given: UserInputs, rival: Representation, planted: Callable[[UserInputs], np.ndarray]
) -> None:
    vectors = rival.vectors(given)
    assert vectors.shape[0] == len(given.users)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert area(vectors, planted(given)) > 0.6


@pytest.mark.parametrize("rival", [*TRAINED, *UNTRAINED], ids=lambda rival: rival.name)
def test_the_same_seed_gives_the_same_vectors(given: UserInputs, rival: Representation) -> None:
    np.testing.assert_array_equal(rival.vectors(given), rival.vectors(given))


@pytest.mark.parametrize("rival", TRAINED, ids=lambda rival: rival.name)
def test_held_out_users_take_no_part_in_training(given: UserInputs, rival: Representation) -> None:
    known = given.users.is_in(given.training_users.implode())
    assert not known.all()
    strange = pl.when(pl.col("user_id").is_in(given.training_users.implode())).then(pl.col("category"))
    changed = given.events.with_columns(category=strange.otherwise(pl.lit("never met")), event=pl.col("event"))
    before, after = rival.vectors(given), rival.vectors(replace(given, events=changed))
    np.testing.assert_allclose(before[known.to_numpy()], after[known.to_numpy()], atol=1e-5)


def test_training_reads_training_users_before_train_until(given: UserInputs, trained_workspace: Workspace) -> None:
    later = replace(given, train_until=given.train_until - timedelta(weeks=4))
    read = later.for_training()
    assert read["time"].max() < later.train_until  # type: ignore[operator]
    held = held_out_users(trained_workspace, given.users)
    assert held
    assert not set(read["user_id"]) & held
    with pytest.raises(ValueError, match="at or after the date"):
        replace(given, as_of=given.as_of - timedelta(weeks=4))


def test_what_comes_later_changes_nothing_that_rivals_see(trained_workspace: Workspace) -> None:
    before = given_of(trained_workspace)
    path = trained_workspace.path("data/orders.parquet")
    later = pl.col("time") >= trained_workspace.train_until
    other = pl.when(later).then(pl.lit("from the future")).otherwise(pl.col("category"))
    pl.read_parquet(path).with_columns(category=other).write_parquet(path)
    after = given_of(trained_workspace)
    assert after.digest() == before.digest()
    for rival in (CategoryCounts(), TextModel(), CPC):
        np.testing.assert_array_equal(rival.vectors(after), rival.vectors(before))


def test_another_past_is_another_digest(given: UserInputs) -> None:
    fewer = replace(given, events=given.events.filter(pl.col("category") != "tea"))
    assert fewer.digest() != given.digest()
    assert replace(given, seed=given.seed + 1).digest() != given.digest()


def test_heads_find_what_is_linear_and_u_mlp_what_is_not() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(600, 3))
    straight, bent = vectors[:, 0] > 0, np.abs(vectors[:, 0]) > 0.7
    for head in ("linear", "perceptron", "boosted"):
        assert roc_auc_score(straight[400:], fit_head(head, vectors[:400], straight[:400], vectors[400:])) > 0.9
    assert roc_auc_score(bent[400:], u_mlp(vectors[:400], bent[:400], steps=400).scores(vectors[400:])) > 0.75
    few = u_mlp(vectors[:10], straight[:10])
    assert roc_auc_score(straight[10:], few.scores(vectors[10:])) > 0.7
    np.testing.assert_array_equal(few.scores(vectors), u_mlp(vectors[:10], straight[:10]).scores(vectors))


def test_streams_keep_each_users_events_in_order(given: UserInputs) -> None:
    found = streams(given, given.events, given.users)
    users, times = found.frame["user"].to_numpy().astype(int), found.frame["seconds"].to_numpy()
    assert (np.diff(users) >= 0).all()
    assert (np.diff(times)[np.diff(users) == 0] >= 0).all()
    assert [found.texts[row] for row in found.frame["text_row"]] == found.frame["event"].to_list()


def test_without_pytorch_lifestream_coles_says_how_to_get_it(
    given: UserInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ptls.frames.coles.losses", None)
    with pytest.raises(FindCLIError, match="needs pytorch-lifestream") as error:
        COLES.vectors(given)
    assert "--no-deps pytorch-lifestream==0.7.0" in error.value.hint
    assert error.value.hint == coles.INSTALL


def test_a_workspace_without_a_profile_has_no_aggregates(given: UserInputs) -> None:
    bare = replace(given, profiles=pl.DataFrame())
    with pytest.raises(FindCLIError, match="no profile columns"):
        Aggregates().vectors(bare)
    assert CategoryCounts().vectors(bare).shape[1] < CategoryCounts().vectors(given).shape[1]


def test_rivals_are_chosen_by_name() -> None:
    assert chosen_rivals("none") == ()
    assert len(chosen_rivals("all")) == sum(map(len, PROBE_RIVALS.values()))
    assert [rival.name for rival in chosen_rivals("one4all, aggregates")] == [
        "one4all",
        "one4all, U-MLP",
        "aggregates",
        "aggregates, logs",
    ]
    with pytest.raises(FindCLIError, match="rival of the probe 'word2vec'") as error:
        chosen_rivals("word2vec")
    assert "coles" in error.value.hint


def test_hand_made_features_are_of_the_sources_that_are_named(given: UserInputs) -> None:
    of_orders, boosted = chosen_rivals("handmade:orders")
    assert [rival.name for rival in (of_orders, boosted)] == ["hand-made: orders", "hand-made: orders, LightGBM"]
    both = chosen_rivals("handmade:orders+searches")[0].vectors(given)
    apart = [HandMade(sources=(name,)).vectors(given) for name in ("orders", "searches")]
    assert np.array_equal(both, np.concatenate(apart, axis=1))
    assert np.array_equal(both, HandMade().vectors(given))
    counts = given.window().filter(pl.col("source") == "orders").group_by("user_id").len()
    expected = pl.DataFrame({"user_id": given.users}).join(counts, on="user_id", how="left")["len"].fill_null(0)
    assert np.allclose(np.expm1(apart[0][:, 0]), expected.to_numpy())
    with pytest.raises(FindCLIError, match="no source 'letters'") as error:
        chosen_rivals("handmade:letters")[0].vectors(given)
    assert "orders, searches" in error.value.hint


def test_hand_made_attributes_leave_aggregates_out(given: UserInputs) -> None:
    assert set(given.profiles.columns) - set(given.attributes) == {"spend"}
    changed = given.profiles.with_columns(pl.col("spend") + 1)
    again = replace(given, profiles=changed)
    assert np.array_equal(HAND_MADE_PROFILE.vectors(again), HAND_MADE_PROFILE.vectors(given))
