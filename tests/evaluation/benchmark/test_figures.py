"""Figures of rankings, their intervals and their calibration."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.calibration import calibration, calibration_error
from findcli.evaluation.benchmark.figures import differences, measure, members, pooled_rows, resampling_of
from findcli.evaluation.benchmark.protocol import Case
from findcli.evaluation.rivals.ranking_inputs import RankingInputs
from findcli.evaluation.rivals.ranking_registry import RankerScores


def planted(seed: int, *, users: int = 150, categories: int = 30) -> tuple[Case, np.ndarray]:
    """A case whose truth follows known log odds, and those log odds (U, C)."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=(users, 1)) + rng.normal(size=(users, categories)) - 1
    names = [f"C{i:02}" for i in range(categories)]
    inputs = RankingInputs(
        purchases=pl.DataFrame(schema={"user_id": pl.Int64, "time": pl.Datetime, "category": pl.String}),
        users=pl.Series(range(users)), training_users=pl.Series([1000]), categories=names, demands=names,
        seen=np.arange(categories) % 3 != 0, all_seen=frozenset(names), test_date=datetime(2024, 1, 1),
        history=timedelta(weeks=8), future=timedelta(weeks=4),
    )  # fmt: skip
    truth = rng.random((users, categories)) < 1 / (1 + np.exp(-odds))
    new = rng.random((users, categories)) < 0.7
    return Case(str(seed), inputs, truth, new, np.full(categories, 0.35)), odds


def noisy(odds: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return (odds + np.random.default_rng(seed).normal(scale=noise, size=odds.shape)).astype(np.float32)


def test_the_figures_are_the_means_over_categories_and_splits() -> None:
    cases, odds = zip(*(planted(seed) for seed in (0, 1)), strict=True)
    scores = [noisy(one, 1.0, seed) for seed, one in enumerate(odds)]
    resampling = resampling_of(cases, replicates=20)
    found = [measure(case, [RankerScores("a", s, 1.0)], resampling) for case, s in zip(cases, scores, strict=True)]
    row = next(row for row in pooled_rows(found, {"a": 1.0}) if row.column == "new buyers, held-out")
    expected = []
    for case, s in zip(cases, scores, strict=True):
        masks = {i: members(case, row.column, i) for i in range(len(case.inputs.categories))}
        aucs = [roc_auc_score(case.truth[m, i], s[m, i]) for i, m in masks.items() if m is not None]
        expected.append(np.mean(aucs))
    assert row.auc.value == pytest.approx(np.mean(expected))
    assert row.auc.low < row.auc.value < row.auc.high
    assert set(found[0].table["column"].unique()) == {r.column for r in pooled_rows(found, {})}


def test_the_paired_interval_covers_the_difference_in_the_population() -> None:
    """Two scorers of known noise: the interval holds their difference among many users nearly always, and is narrow."""
    case, odds = planted(99, users=2000, categories=60)
    whole = resampling_of([case], replicates=1)
    scored = [RankerScores("findcli", noisy(odds, 0.5, 1), 0.0), RankerScores("rival", noisy(odds, 1.5, 2), 0.0)]
    truth = next(d for d in differences([measure(case, scored, whole)], "findcli") if d.column == "seen").auc.value
    covered, widths = [], []
    for seed in range(6):
        case, odds = planted(seed)
        scored = [
            RankerScores("findcli", noisy(odds, 0.5, 50 + seed), 0.0),
            RankerScores("rival", noisy(odds, 1.5, seed), 0.0),
        ]
        found = differences([measure(case, scored, resampling_of([case], replicates=60))], "findcli")
        interval = next(d for d in found if d.column == "seen").auc
        covered.append(interval.low <= truth <= interval.high)
        widths.append(interval.high - interval.low)
    assert sum(covered) >= 5
    assert np.mean(widths) < truth


def test_the_average_of_the_columns_has_a_difference_of_its_own() -> None:
    case, odds = planted(3, users=300)
    scored = [RankerScores("findcli", noisy(odds, 0.5, 1), 0.0), RankerScores("rival", noisy(odds, 1.5, 2), 0.0)]
    found = {d.column: d.auc for d in differences([measure(case, scored, resampling_of([case]))], "findcli")}
    average = found.pop("average")
    assert average.value == pytest.approx(np.mean([one.value for one in found.values()]))
    assert 0 < average.low < average.value < average.high
    assert average.high - average.low < np.mean([one.high - one.low for one in found.values()])


def test_a_ranker_that_did_not_finish_is_left_out() -> None:
    case, odds = planted(0)
    scored = [RankerScores("findcli", noisy(odds, 1.0, 0), 0.0), RankerScores("slow", None, 9.0, "over time")]
    found = [measure(case, scored, resampling_of([case], replicates=5))]
    assert {row.by for row in pooled_rows(found, {})} == {"findcli"}
    assert differences(found, "findcli") == []
    with pytest.raises(FindCLIError, match="no ranker has finished"):
        measure(case, scored[1:], resampling_of([case], replicates=5))


def test_true_probabilities_are_calibrated_and_bold_ones_are_not() -> None:
    case, odds = planted(0, users=2000)
    p, truth, base = 1 / (1 + np.exp(-odds.ravel())), case.truth.ravel(), np.full(odds.size, 0.35)
    good = calibration("a", "seen", p, truth, base)
    bold = calibration("a", "seen", 1 / (1 + np.exp(-3 * odds.ravel())), truth, base)
    assert good.slope == pytest.approx(1, abs=0.05)
    assert good.intercept == pytest.approx(0, abs=0.05)
    assert good.error < 0.02 < bold.error
    assert bold.slope == pytest.approx(1 / 3, abs=0.05)
    assert good.brier_skill > max(0.1, bold.brier_skill)
    assert good.log_loss_skill > bold.log_loss_skill
    assert calibration("a", "seen", base, truth, base).brier_skill == pytest.approx(0)


def test_the_calibration_error_of_a_constant_is_its_distance_from_the_prevalence() -> None:
    truth = np.tile([True, False, False, False], 150)
    assert calibration_error(np.full(600, 0.4), truth) == pytest.approx(0.15, abs=0.01)
