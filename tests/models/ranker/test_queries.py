"""Questions as weights over concepts: what stands for the unknown, and rates as a loop counts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.data.templates import Measure
from findcli.errors import FindCLIError
from findcli.models.ranker.concepts import LATELY, latest_of
from findcli.models.ranker.queries import Pick, rates_of, softmax, tangent_of, translate, weigh
from tests.models.ranker.test_features import unit, world


def test_an_unknown_concept_is_stood_for_by_the_nearest_known_ones() -> None:
    _, concepts = world()
    model_vectors = concepts.vectors[:4]
    stands = translate(concepts.vectors, model_vectors)
    assert np.allclose(np.asarray(stands.sum(1)).ravel(), 1, atol=1e-5)
    assert np.allclose(np.asarray(stands[:4].todense()).diagonal(), 1, atol=0.01)
    nearest = (concepts.vectors[5] @ model_vectors.T).argmax()
    assert np.asarray(stands[5].todense()).argmax() == nearest


def test_a_world_without_concepts_is_refused() -> None:
    with pytest.raises(FindCLIError, match="names anything"):
        translate(np.zeros((0, 4), np.float32), np.zeros((3, 4), np.float32))


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30), st.sampled_from([0.04, 0.15]))
def test_weights_sum_to_one_and_the_nearest_weighs_most(cosine: list[float], temperature: float) -> None:
    weights = softmax(np.array(cosine, np.float32)[:, None], temperature)[:, 0]
    assert np.isclose(weights.sum(), 1, atol=1e-4)
    assert weights[int(np.argmax(cosine))] == weights.max()


@pytest.mark.parametrize(
    ("measure", "least", "ever", "lately"),
    [
        ("any", 1.0, ("latest", 1e-9), ("latest", latest_of(LATELY))),
        ("count", 2.0, ("times", 2.0), ("times in window", 2.0)),
        ("amount", 2.5, ("amount", 2.5), ("amount in window", 2.5)),
    ],
)
def test_rates_are_shares_of_users(
    measure: Measure, least: float, ever: tuple[str, float], lately: tuple[str, float]
) -> None:
    habits, concepts = world()
    members = np.array([0, 2, 3])
    rates = rates_of([Pick(concepts.vectors[members], members, measure, least)], concepts, habits)
    for rate, (name, bound) in zip(rates[:, 0], (ever, lately), strict=True):
        whole = habits.sums[name][:, members].toarray().sum(1)
        assert rate == pytest.approx(np.mean(whole >= bound))


def test_the_tangent_is_the_slope_of_the_weights() -> None:
    habits, concepts = world()
    rng = np.random.default_rng(1)
    vector, move = unit(rng.normal(size=(2, 16)))
    tangent = tangent_of(vector, move[None], concepts)
    step = 1e-3
    ahead, behind = (
        weigh([pick], concepts, rates=rates_of([pick], concepts, habits))
        for pick in (Pick((vector + sign * step * move)[None]) for sign in (1, -1))
    )
    for name in ("about", "wide", "translated", "rates"):
        either = [getattr(query, name) for query in (ahead, behind)]
        high, low = (each if isinstance(each, np.ndarray) else each.toarray() for each in either)
        np.testing.assert_allclose(getattr(tangent, name), (high - low) / (2 * step), atol=0.02)
