"""What histories say about questions: each feature in its place, sets as the sums of their members."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from findcli.models.ranker.candidates import Ranker
from findcli.models.ranker.co_occurrence import CoOccurrence, fit_co_occurrence
from findcli.models.ranker.concepts import ACTIVITY, POWER, SUMS, Habits
from findcli.models.ranker.features import FEATURES, query_features, user_features
from findcli.models.ranker.odds import score
from findcli.models.ranker.queries import Concepts, Pick, Query, rates_of, translate, weigh


def unit(vectors: np.ndarray) -> np.ndarray:
    units: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def world(users: int = 40, concepts: int = 6) -> tuple[Habits, Concepts]:
    """Random habits; the last concept is the scope of all."""
    rng = np.random.default_rng(0)
    counts = (rng.random((users, concepts)) < 0.4) * (1 + rng.random((users, concepts)))
    sums = {name: sparse.csr_matrix(counts.astype(np.float32)) for name in SUMS}
    habits = Habits(sums, rng.random((users, len(ACTIVITY))).astype(np.float32))
    vectors = unit(rng.normal(size=(concepts, 16)))
    scopes = np.full(concepts, concepts - 1)
    return habits, Concepts(vectors, *habits.shares(), translate(vectors, vectors), scopes)


def companions_of(habits: Habits) -> CoOccurrence:
    return fit_co_occurrence([habits.log("decay 0.95")], ridge=1, factors=2, seed=0)


def weighed(picks: list[Pick], concepts: Concepts, habits: Habits) -> Query:
    return weigh(picks, concepts, rates=rates_of(picks, concepts, habits))


def features(picks: list[Pick]) -> tuple[np.ndarray, Habits]:
    habits, concepts = world()
    learned = companions_of(habits)
    users = user_features(habits, concepts, learned)
    return query_features(users, weighed(picks, concepts, habits), learned).numpy(), habits


def column(name: str) -> int:
    return FEATURES.index(name)


def test_a_concepts_own_sentence_picks_that_concept_alone() -> None:
    habits, concepts = world()
    query = weighed([Pick(concepts.vectors[[2]])], concepts, habits)
    assert query.nearest[0] > 0.999
    assert query.about[2, 0] == 1
    assert query.about.sum() < 1.1
    read, _ = features([Pick(concepts.vectors[[2]])])
    counts = np.log1p(habits.sums[SUMS[0]][:, [2]].toarray()[:, 0])
    assert np.allclose(read[:, 0, 0], counts, atol=0.05)


def test_a_set_is_the_sum_of_its_members() -> None:
    habits, concepts = world()
    members = np.array([0, 3, 4])
    read, _ = features([Pick(concepts.vectors[members], members)])
    counts = habits.sums["decay 0.9"][:, members].toarray().sum(1)
    assert np.allclose(read[:, 0, column("decay 0.9")], np.log1p(counts), atol=1e-5)
    recency = np.log(np.maximum(habits.sums["latest"][:, members].toarray().sum(1), 1)) / POWER
    assert np.allclose(read[:, 0, column("recency")], recency, atol=1e-5)
    odds = np.log(np.mean(counts > 0) / np.mean(counts == 0))
    assert np.allclose(read[:, 0, column("rate ever")], odds, atol=1e-5)


def test_a_level_is_read_in_units_of_what_is_asked() -> None:
    habits, concepts = world()
    one = np.array([1])
    read, _ = features([Pick(concepts.vectors[one], one, "amount", 0.5), Pick(concepts.vectors[one], one, "count", 2)])
    amount = habits.sums["amount in window"][:, [1]].toarray()[:, 0]
    assert np.allclose(read[:, 0, column("level in window")], np.log1p(amount / 0.5), atol=1e-5)
    assert np.array_equal(read[:, 0, column("reaches")], np.minimum(amount / 0.5, 1))
    assert read[0, :, column("asks for amount")].tolist() == [1, 0]
    assert read[0, :, column("asks for count")].tolist() == [0, 1]
    assert np.allclose(read[0, :, column("least")], [0, np.log(2)])


def test_users_and_their_families_activity_have_their_places() -> None:
    habits, concepts = world()
    read, _ = features([Pick(vector[None]) for vector in concepts.vectors[:3]])
    assert read.shape == (40, 3, len(FEATURES))
    first = column(f"user's {ACTIVITY[0]}")
    assert np.array_equal(read[:, 1, first : first + len(ACTIVITY)], habits.activity)
    scope = np.log1p(habits.sums["decay 0.7"][:, [5]].toarray()[:, 0])
    assert np.allclose(read[:, 2, column("family's decay 0.7")], scope, atol=1e-6)


def test_users_are_scored_alike_alone_and_together() -> None:
    habits, concepts = world()
    learned = companions_of(habits)
    torch.manual_seed(0)
    ranker = Ranker(features=len(FEATURES), width=8).eval()
    query = weighed([Pick(vector[None]) for vector in concepts.vectors[:3]], concepts, habits)
    users = user_features(habits, concepts, learned)
    whole = score(users, query, learned, ranker)
    alone = score(users.rows(np.array([7])), query, learned, ranker)
    assert np.allclose(whole[7], alone[0], atol=1e-5)
