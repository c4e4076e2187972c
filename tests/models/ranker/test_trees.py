"""Boosted trees: they answer as scikit-learn's model does, whichever leaf a row falls into."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from findcli.models.ranker.trees import BITS, BLOCK, Trees


def examples(n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 8)).astype(np.float32)
    odds = 2 * features[:, 0] * (features[:, 1] > 0)
    return features, rng.random(n) < 1 / (1 + np.exp(-odds))


def walked(trees: Trees, rows: np.ndarray) -> np.ndarray:
    """The log odds, node by node."""
    odds = np.full(len(rows), trees.base[0])
    for i, row in enumerate(rows):
        for root in trees.roots:
            node = int(root)
            while trees.left[node] != node:
                goes_left = row[trees.feature[node]] <= trees.threshold[node]
                node = int(trees.left[node] if goes_left else trees.right[node])
            odds[i] += trees.value[node]
    return odds


def test_trees_answer_as_the_model_they_were_read_from(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[HistGradientBoostingClassifier] = []
    fit = HistGradientBoostingClassifier.fit

    def remember(model: HistGradientBoostingClassifier, *rest: object) -> HistGradientBoostingClassifier:
        models.append(model)
        return fit(model, *rest)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", remember)
    features, true = examples()
    trees = Trees.from_tensors(Trees.learn(features, true, rounds=60, seed=0).tensors())
    odds = trees(torch.from_numpy(features).reshape(30, 100, -1))
    np.testing.assert_allclose(odds.flatten(), models[0].decision_function(features), atol=1e-4)
    assert np.mean((odds.flatten().numpy() > 0) == true) > 0.7


@pytest.fixture(scope="module")
def grown() -> Trees:
    return Trees.learn(*examples(), rounds=20, seed=0)


@given(data=st.data())
def test_a_row_falls_into_the_leaf_that_a_walk_finds(grown: Trees, data: st.DataObject) -> None:
    bounds = sorted(set(grown.threshold.tolist()))
    value = st.sampled_from(bounds) | st.floats(-5, 5)  # on a threshold, and anywhere
    rows = np.array(data.draw(st.lists(st.lists(value, min_size=8, max_size=8), min_size=1, max_size=6)))
    np.testing.assert_allclose(grown(torch.from_numpy(rows)), walked(grown, rows), atol=1e-6)


def test_rows_of_several_blocks_are_scored_alike(grown: Trees) -> None:
    rows = torch.from_numpy(np.resize(examples()[0], (BLOCK + 5, 8)))
    torch.testing.assert_close(grown(rows)[-5:], grown(rows[-5:]))
    assert grown(rows[:0]).shape == (0,)


def test_a_tree_of_more_leaves_than_a_set_holds_is_refused() -> None:
    splits = BITS  # a comb: every split has a leaf on its left
    nodes = np.arange(2 * splits + 1)
    left, right = nodes.copy(), nodes.copy()
    left[: 2 * splits : 2], right[: 2 * splits : 2] = nodes[1::2], nodes[2::2]
    comb = Trees(
        np.zeros(1, int),
        np.zeros(len(nodes), int),
        np.zeros(len(nodes)),
        left,
        right,
        np.zeros(len(nodes)),
        np.zeros(1),
    )
    with pytest.raises(ValueError, match="more than 16 leaves"):
        comb(torch.zeros(1, 1))
