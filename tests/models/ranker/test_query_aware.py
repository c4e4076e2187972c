from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from findcli.models.ranker.co_occurrence import CoOccurrence, fit_co_occurrence
from findcli.models.ranker.concepts import ACTIVITY, LEVELS, Habits
from findcli.models.ranker.query_aware import (
    FEATURES,
    Concepts,
    Ranker,
    co_occurrence_features,
    pick_concepts,
    query_features,
    score,
    softmax,
    translate,
)


def unit(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def world(users: int = 40, concepts: int = 6) -> tuple[Habits, Concepts]:
    rng = np.random.default_rng(0)
    counts = (rng.random((users, concepts)) < 0.4) * rng.random((users, concepts))
    levels = {name: sparse.csr_matrix(counts.astype(np.float32)) for name in LEVELS}
    habits = Habits(levels, rng.random((users, len(ACTIVITY))).astype(np.float32))
    vectors = unit(rng.normal(size=(concepts, 16)))
    return habits, Concepts(vectors, *habits.shares(), translate(vectors, vectors))


def companions_of(habits: Habits) -> CoOccurrence:
    return fit_co_occurrence([habits.levels["decay 0.95"]], ridge=1, factors=2, seed=0)


def test_a_concepts_own_sentence_picks_that_concept_alone() -> None:
    habits, concepts = world()
    query = pick_concepts(concepts.vectors[[2]], concepts)
    assert query.nearest[0] > 0.999
    assert query.sharp[2, 0] > 0.99
    learned = companions_of(habits)
    features = query_features(habits, co_occurrence_features(habits, concepts, learned), query, learned)
    own = np.asarray(habits.levels[LEVELS[0]][:, [2]].todense()).ravel()
    assert np.allclose(features[:, 0, 0], own, atol=0.01)


def test_every_feature_has_its_place() -> None:
    habits, concepts = world()
    learned = companions_of(habits)
    query = pick_concepts(concepts.vectors[:3], concepts)
    among = co_occurrence_features(habits, concepts, learned)
    features = query_features(habits, among, query, learned)
    assert features.shape == (40, 3, len(FEATURES))
    first = FEATURES.index(f"user's {ACTIVITY[0]}")
    assert np.array_equal(features[:, 1, first : first + len(ACTIVITY)], habits.activity)
    assert np.array_equal(features[0, :, -2], query.base[0])
    factors = learned.user_factors(habits.levels["decay 0.95"])
    meant = factors @ (learned.factors.T @ query.translated)
    assert np.allclose(features[:, :, FEATURES.index("factors")], meant, atol=1e-3)


def test_users_are_scored_alike_alone_and_together() -> None:
    habits, concepts = world()
    learned = companions_of(habits)
    torch.manual_seed(0)
    ranker = Ranker(features=len(FEATURES), width=8).eval()
    query = pick_concepts(concepts.vectors[:3], concepts)
    among, alone = (co_occurrence_features(some, concepts, learned) for some in (habits, habits.rows(np.array([7]))))
    whole = score(habits, among, query, learned, ranker)
    alone = score(habits.rows(np.array([7])), alone, query, learned, ranker)
    assert np.allclose(whole[7], alone[0], atol=1e-5)


def test_an_unknown_concept_is_stood_for_by_the_nearest_known_ones() -> None:
    _, concepts = world()
    model_vectors = concepts.vectors[:4]
    stands = translate(concepts.vectors, model_vectors)
    assert np.allclose(np.asarray(stands.sum(1)).ravel(), 1, atol=1e-5)
    assert np.allclose(np.asarray(stands[:4].todense()).diagonal(), 1, atol=0.01)
    nearest = (concepts.vectors[5] @ model_vectors.T).argmax()
    assert np.asarray(stands[5].todense()).argmax() == nearest


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30), st.sampled_from([0.04, 0.15]))
def test_weights_sum_to_one_and_the_nearest_weighs_most(cosine: list[float], temperature: float) -> None:
    weights = softmax(np.array(cosine, np.float32)[:, None], temperature)[:, 0]
    assert np.isclose(weights.sum(), 1, atol=1e-4)
    assert weights[int(np.argmax(cosine))] == weights.max()
