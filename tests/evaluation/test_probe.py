"""The linear probe: its protocol, its labels, and what a task may not use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler

from findcli.data.tasks import read_labels
from findcli.errors import FindCLIError
from findcli.evaluation.probe import CONCATENATED, LEARNED, POSSIBLE, STORED, averages, probe
from findcli.evaluation.probe_protocol import ceiling, linear_probe, probe_draws
from findcli.models.user_summary import DIRECTIONS, FACTORS
from findcli.workspace.folder import Workspace


def task(workspace: Workspace, labels: pl.DataFrame | None = None, **changes: object) -> Workspace:
    """The workspace with its task changed."""
    if labels is not None:
        labels.write_parquet(workspace.folder / "data/tea.parquet")
    changed = replace(workspace.settings.tasks["tea"], **changes)
    return Workspace(workspace.folder, replace(workspace.settings, tasks={"tea": changed}))


def with_truth(workspace: Workspace) -> Workspace:
    """The workspace with its task's labels drawn from known probabilities, the ids in descending order."""
    rng = np.random.default_rng(5)
    probabilities = rng.random(60)
    columns = {"user_id": range(60), "label": rng.random(60) < probabilities, "p": probabilities}
    return task(workspace, pl.DataFrame(columns).reverse(), truth="p")


def labels_of(space: Workspace) -> pl.DataFrame:
    return read_labels(space, "tea", space.settings.tasks["tea"])


def test_the_protocol_is_the_published_one() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(120) < 0.3
    vectors = rng.normal(size=(120, 5)) * [1, 10, 100, 1, 1] + truth[:, None] * [0.5, 0, 60, 0, 0]
    areas, gaps = [], []
    for fitted, evaluated in StratifiedShuffleSplit(10, train_size=0.2, random_state=0).split(vectors, truth):
        scaler = StandardScaler().fit(vectors[fitted])
        model = LogisticRegression(C=0.01, max_iter=1000).fit(scaler.transform(vectors[fitted]), truth[fitted])
        scores = model.predict_proba(scaler.transform(vectors[evaluated]))[:, 1]
        areas.append(roc_auc_score(truth[evaluated], scores))
        gaps.append(
            ks_2samp(
                scores[~truth[evaluated]], scores[truth[evaluated]], alternative="greater", method="asymp"
            ).statistic
        )
    row = linear_probe("some", vectors, truth)
    assert (row.vectors, row.width) == ("some", 5)
    assert (row.auc.value, row.ks.value) == pytest.approx((np.mean(areas), np.mean(gaps)))
    assert row.auc.low < row.auc.value < row.auc.high
    assert row == linear_probe("some", vectors, truth)


def test_signal_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(200) < 0.4
    noise = rng.normal(size=(200, 4))
    assert linear_probe("signal", np.column_stack([noise, truth + rng.normal(size=200) / 10]), truth).auc.low > 0.95
    found = linear_probe("noise", noise, truth).auc
    assert found.low < 0.5 < found.high


def test_a_task_is_probed_with_every_kind_of_vector(trained_workspace: Workspace) -> None:
    result = probe(trained_workspace, "tea", device="cpu")
    labels = pl.read_parquet(trained_workspace.folder / "data/tea.parquet")["label"]
    assert (result.users, result.positives) == (len(labels), labels.sum())
    widths = {row.vectors: row.width for row in result.rows}
    tensors = ("embeddings", "sequence", "tabular", "search", "activity", "factors", "profile", "rhythm")
    assert widths.keys() == {*tensors, CONCATENATED, LEARNED, STORED}
    assert widths[CONCATENATED] == widths["sequence"] + widths["tabular"] + widths["search"]
    assert widths[STORED] == widths["profile"] + widths["activity"] + widths["rhythm"] + widths[LEARNED]
    assert widths[LEARNED] == min(FACTORS, widths["factors"]) + DIRECTIONS
    assert averages([result, result])[0] == ("embeddings", result.rows[0].auc.value, result.rows[0].ks.value)


def test_a_source_left_out_changes_the_vectors_and_loses_no_user(trained_workspace: Workspace) -> None:
    whole = probe(trained_workspace, "tea", device="cpu")
    without = probe(task(trained_workspace, without_sources=("searches",)), "tea", device="cpu")
    assert without.users == whole.users
    areas = [{row.vectors: row.auc.value for row in result.rows} for result in (whole, without)]
    assert areas[1]["search"] == pytest.approx(0.5)
    assert areas[0]["search"] != areas[1]["search"]
    assert areas[0]["sequence"] == pytest.approx(areas[1]["sequence"])


@pytest.mark.parametrize("folds", [None, 5])
def test_users_of_one_person_are_fitted_or_evaluated_together(folds: int | None) -> None:
    people = pl.Series([f"person {i % 40}" for i in range(100)])
    truth = np.random.default_rng(0).random(100) < 0.4
    draws = list(probe_draws(truth, people, folds=folds))
    assert len(draws) == (folds or 10)
    for fitted, evaluated in draws:
        assert sorted([*fitted, *evaluated]) == list(range(100))
        assert set(people[fitted]).isdisjoint(people[evaluated])
        assert abs(len(fitted) - (80 if folds else 20)) < 8


def test_intervals_are_over_people(trained_workspace: Workspace) -> None:
    alone, together = (
        replace(trained_workspace, settings=replace(trained_workspace.settings, split=replace(split, **groups)))
        for split in [trained_workspace.settings.split]
        for groups in ({}, {"group_pattern": r"(\d)$"})
    )
    widths = [row.auc.high - row.auc.low for space in (alone, together) for row in probe(space, "tea").rows[:1]]
    assert widths[0] != widths[1]


def test_a_task_on_strangers_alone_is_refused(trained_workspace: Workspace) -> None:
    strangers = task(trained_workspace, pl.DataFrame({"user_id": [900, 901], "label": [0, 1]}))
    with pytest.raises(FindCLIError, match="too few"):
        probe(strangers, "tea", device="cpu")


def test_a_task_may_not_use_what_it_forbids(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="profile column 'age'"):
        probe(task(tiny_workspace, without_columns=("income", "age")), "tea")


def test_an_unknown_task_names_those_there_are(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no task 'coffee'") as error:
        probe(tiny_workspace, "coffee")
    assert "tea" in error.value.hint


def test_the_ceiling_is_what_the_true_probability_reaches_on_the_evaluated_draws(trained_workspace: Workspace) -> None:
    space = with_truth(trained_workspace)
    result = probe(space, "tea", device="cpu")
    labels = labels_of(space).sort("user_id")
    truth, possible = labels["label"].to_numpy(), labels["truth"].to_numpy()
    draws = list(StratifiedShuffleSplit(10, train_size=0.2, random_state=0).split(truth, truth))
    areas = [roc_auc_score(truth[evaluated], possible[evaluated]) for _, evaluated in draws]
    assert result.ceiling is not None
    assert result.ceiling.auc == pytest.approx(np.mean(areas))
    assert averages([result, result])[-1] == (POSSIBLE, result.ceiling.auc, result.ceiling.ks)
    assert probe(trained_workspace, "tea", device="cpu").ceiling is None


def test_a_probability_that_is_certain_has_nothing_above_it() -> None:
    truth = np.arange(60) % 3 == 0
    found = ceiling(np.where(truth, 0.9, 0.1), truth)
    assert (found.auc, found.ks, found.precision) == (1, 1, 1)
