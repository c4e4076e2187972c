"""Metrics agree with scikit-learn, SciPy and naive loops, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from findcli.metrics import (
    Bootstrap,
    auc_by_column,
    bootstrap_p,
    bootstrap_weights,
    holm,
    interval,
    r_precision,
    recall_at,
    resampled_means,
    weighted_auc_ks,
)

SEEDS = st.integers(0, 2**32 - 1)


def tied_scores(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, rng.integers(1, 8), shape) / 4 - 0.5


@given(SEEDS, st.integers(2, 40))
def test_auc_agrees_with_scikit_learn_column_by_column(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = tied_scores(rng, n, 4), rng.random((n, 4)) < 0.4
    found = auc_by_column(scores, truth)
    for column in range(4):
        if truth[:, column].all() or not truth[:, column].any():
            assert np.isnan(found[column])
        else:
            assert found[column] == pytest.approx(roc_auc_score(truth[:, column], scores[:, column]))


@given(SEEDS, st.integers(2, 40))
@settings(max_examples=50)
def test_weighted_auc_and_ks_agree_with_scikit_learn_and_scipy(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = tied_scores(rng, n), rng.random(n) < 0.4
    truth[:2] = True, False
    weights = np.vstack([np.ones(n), rng.integers(0, 4, (3, n))])
    weights[1:, :2] += 1
    auc, ks = weighted_auc_ks(scores, truth, weights)
    assert auc == pytest.approx([roc_auc_score(truth, scores, sample_weight=w) for w in weights])
    assert ks[0] == pytest.approx(one_sided_ks(scores, truth))
    repeated = np.repeat(np.arange(n), weights[1].astype(int))
    assert ks[1] == pytest.approx(one_sided_ks(scores[repeated], truth[repeated]))


def one_sided_ks(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(ks_2samp(scores[~truth], scores[truth], alternative="greater", method="asymp").statistic)


def test_a_weighting_without_positives_has_no_auc() -> None:
    auc, _ = weighted_auc_ks(
        np.array([0.1, 0.2, 0.3]), np.array([True, False, False]), np.array([[0, 1, 1], [1, 1, 1]])
    )
    assert np.isnan(auc[0])
    assert auc[1] == 0


@given(SEEDS, st.integers(1, 12), st.integers(1, 15))
def test_recall_is_the_share_of_reachable_truths_among_the_k_best(seed: int, columns: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(columns, dtype=float), (6, 1)), axis=1)
    truth = rng.random((6, columns)) < 0.3
    rows = [i for i in range(6) if truth[i].any()]
    shares = [truth[i, np.argsort(-scores[i])[:k]].sum() / min(truth[i].sum(), k) for i in rows]
    found = recall_at(scores, truth, k)
    assert found == pytest.approx(np.mean(shares)) if rows else np.isnan(found)


def test_an_interval_leaves_out_replicates_without_a_value() -> None:
    figure = interval(np.array([0.5, *np.linspace(0, 1, 41), np.nan]))
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.5, 0.025, 0.975))
    nothing = interval(np.array([0.5, np.nan, np.nan]))
    assert nothing.value == 0.5
    assert np.isnan([nothing.low, nothing.high]).all()


def test_a_bootstrap_is_the_multinomial_one_and_observes_everybody_once_first() -> None:
    weights = bootstrap_weights(30, 50)
    drawn = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), 50)
    np.testing.assert_array_equal(weights, np.vstack([np.ones(30), drawn]))


def test_a_member_weighs_the_same_wherever_it_is_measured() -> None:
    rng = np.random.default_rng(0)
    users, categories = Bootstrap(["a", "b", "c"], 5, seed=rng), Bootstrap(["x", "y"], 5, seed=rng)
    np.testing.assert_array_equal(users.weights(["a", "c"])[:, 1], users.weights(["c", "b"])[:, 0])
    np.testing.assert_array_equal(users.weights(["a", "b", "c"]), bootstrap_weights(3, 5))
    assert (categories.weights(["x", "y"]).sum(1) == 2).all()


@given(SEEDS, st.integers(1, 30))
@settings(max_examples=20)
def test_resampled_means_agree_with_a_loop(seed: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    values, picked = rng.random((groups, 2, 8)), rng.integers(groups, size=(groups, 7))
    means = resampled_means(values, picked)
    assert means[:, 0] == pytest.approx(values[:, :, 0].mean(0))
    for r in range(7):
        assert means[:, 1 + r] == pytest.approx(values[picked[:, r], :, 1 + r].mean(0))
    assert resampled_means(values[:, 0], picked) == pytest.approx(means[0])


@given(SEEDS, st.integers(1, 40))
def test_r_precision_looks_at_as_many_users_as_there_are_positives(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.permutation(n).astype(float), rng.random(n) < 0.5
    positives = int(truth.sum())
    found = r_precision(scores, truth)
    if positives == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(truth[scores >= n - positives].sum() / positives)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_stepping_down_rejects(p: list[float]) -> None:
    """As Holm wrote it: the smallest against level / n, the next against level / (n - 1), until one is not rejected."""
    level, rejected = 0.05, set()
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] * (len(p) - step) > level:
            break
        rejected.add(i)
    assert set(np.flatnonzero(holm(np.array(p)) <= level)) == rejected


def test_what_is_no_test_does_not_count_in_holm() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.06, 0.06])


def test_p_values_of_no_difference_are_uniform() -> None:
    rng = np.random.default_rng(0)
    truths = rng.normal(size=2000)
    p = [bootstrap_p(np.append(truth, truth + rng.normal(size=200))) for truth in truths]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.isnan(bootstrap_p(np.zeros(20)))
