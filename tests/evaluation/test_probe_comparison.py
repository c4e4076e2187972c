"""The probe beside its rivals: paired differences, averages over tasks, and the commands that print them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit

from findcli.cli.main import main
from findcli.datasets import complete_journey
from findcli.evaluation.benchmark import journey
from findcli.evaluation.probe import LEARNED, STORED, ProbedTask, ProbeResult, measure_tasks
from findcli.evaluation.probe_comparison import AVERAGE, compare
from findcli.evaluation.probe_protocol import ProbeRow, fit_head, probe_vectors
from findcli.evaluation.rivals.probe_registry import chosen_rivals
from findcli.metrics import Interval, bootstrap_weights
from findcli.workspace.folder import Workspace

ONE = Interval(0.0, 0.0, 0.0)


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert isinstance(end.value.code, int)
    return end.value.code


def measured(task: str, areas: dict[str, np.ndarray], notes: list[str] | None = None) -> ProbedTask:
    rows = [ProbeRow(kind, 1, ONE, ONE, 0.0, rival=kind not in (STORED, LEARNED), seconds=2.0) for kind in areas]
    return ProbedTask(ProbeResult(task, task, "", 10, 5, rows), areas, notes or [])


def test_a_constant_lead_has_an_interval_of_no_width() -> None:
    rng = np.random.default_rng(0)
    theirs = {task: 0.6 + rng.normal(size=201) / 50 for task in ("a", "b")}
    tasks = [measured(task, {STORED: found + 0.05, LEARNED: found, "rival": found}) for task, found in theirs.items()]
    found = {(less.by, less.task): less.auc for less in compare([""], [tasks]).differences}
    for task in ("a", "b", AVERAGE):
        assert (found[STORED, task].value, found[STORED, task].low, found[STORED, task].high) == pytest.approx(
            [0.05] * 3
        )
        assert found[LEARNED, task] == Interval(0.0, 0.0, 0.0)


def test_averages_are_over_tasks_and_over_splits() -> None:
    flat = [np.full(201, value) for value in (0.5, 0.7, 0.6, 0.8)]
    splits = []
    for areas in (flat[:2], flat[2:]):
        named = zip(("a", "b"), areas, strict=True)
        splits.append([measured(task, {STORED: area, LEARNED: area, "r": area}) for task, area in named])
    found = {(row.by, row.task): row.auc.value for row in compare(["", "1"], splits).rows}
    assert found[STORED, "a"] == pytest.approx(0.55)
    assert found["r", AVERAGE] == pytest.approx(0.65)


def test_the_best_rival_is_named_on_each_task_and_one_that_lacks_a_task_is_left_out() -> None:
    def flat(value: float) -> np.ndarray:
        return np.full(201, value)

    own = {STORED: flat(0.7), LEARNED: flat(0.6)}
    tasks = [
        measured("a", own | {"x": flat(0.8), "y": flat(0.5), "late": flat(0.9)}),
        measured("b", own | {"x": flat(0.4), "y": flat(0.6)}, ["late: over time"]),
    ]
    found = compare([""], [tasks])
    best = {less.task: (less.beside, round(less.auc.value, 3)) for less in found.best_rivals(STORED)}
    assert best == {"a": ("x", -0.1), "b": ("y", 0.1), AVERAGE: ("x", 0.1)}
    assert found.notes == ["late: over time"]
    table = found.table()
    assert len(table.filter(pl.col("beside").is_null())) == 4 * 3
    assert len(table.filter(pl.col("beside").is_not_null())) == 2 * 2 * 3


def test_replicates_are_those_of_an_explicit_bootstrap() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(150) < 0.4
    vectors = rng.normal(size=(150, 3)) + truth[:, None]
    weights = bootstrap_weights(150, 200)
    row, areas = probe_vectors("some", vectors, truth, head="linear", weights=weights)
    assert row.auc.value == areas[0]
    draws = StratifiedShuffleSplit(10, train_size=0.2, random_state=0).split(vectors, truth)
    scores = [(rest, fit_head("linear", vectors[fit], truth[fit], vectors[rest])) for fit, rest in draws]
    for replicate in (0, 1, 7):
        chosen = [
            (truth[np.repeat(rest, weights[replicate, rest])], np.repeat(found, weights[replicate, rest]))
            for rest, found in scores
        ]
        assert areas[replicate] == pytest.approx(np.mean([roc_auc_score(*pair) for pair in chosen]))


def two_tasks(workspace: Workspace) -> Workspace:
    """The tiny workspace with its task a second time, under another name and other ids' labels."""
    tea = workspace.settings.tasks["tea"]
    file = workspace.folder / "findcli.toml"
    file.write_text(file.read_text() + f'\n[tasks.again]\npath = "{tea.path}"\nas_of = 2024-09-09\ndemand = "tea"\n')
    return Workspace(workspace.folder, replace(workspace.settings, tasks={"tea": tea, "again": replace(tea)}))


def test_tasks_share_their_resampled_users(trained_workspace: Workspace) -> None:
    space = two_tasks(trained_workspace)
    rivals = chosen_rivals("aggregates,category_counts")
    first, again = measure_tasks(space, ["tea", "again"], rivals=rivals, device="cpu")
    assert {row.vectors for row in first.result.rows if row.rival} == {rival.name for rival in rivals}
    for kind, areas in first.replicates.items():
        np.testing.assert_array_equal(areas, again.replicates[kind])
    kept = list((space.runs / "benchmark" / "vectors").glob("*.safetensors"))
    assert len(kept) == 3  # boosted trees have the vectors of the logistic regression
    (same,) = measure_tasks(space, ["tea"], rivals=rivals, device="cpu")
    assert [row.seconds for row in same.result.rows] == [row.seconds for row in first.result.rows]


def test_a_rival_over_its_time_is_a_note(trained_workspace: Workspace) -> None:
    (found,) = measure_tasks(trained_workspace, ["tea"], rivals=chosen_rivals("cpc"), seconds=0.0, device="cpu")
    assert found.notes == ["cpc: over time"]
    assert "cpc" not in found.replicates


def test_probe_prints_the_rivals_of_any_workspace(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_tasks(trained_workspace)
    output = tmp_path / "probes.parquet"
    words = ("probe", "--dataset", "all", "--rivals", "aggregates,category_counts", "-w", str(trained_workspace.folder))
    assert exit_code(*words, "-q", "--device", "cpu", "--output", str(output)) == 0
    told = capsys.readouterr().out
    assert "all that is stored, less" in told
    assert "its best rival" in told
    table = pl.read_parquet(output)
    assert set(table["task"]) == {"tea", "again", AVERAGE}
    assert {"aggregates", STORED, LEARNED} <= set(table["by"])
    assert set(table["beside"].drop_nulls()) >= {"aggregates", "aggregates, counts, LightGBM"}
    assert exit_code(*words, "-q", "--device", "cpu", "--json") == 0
    assert json.loads(capsys.readouterr().out)["probes"]["tasks"].keys() == {"tea", "again"}
    assert exit_code("probe", "-d", "tea", "--output", str(output), "-w", str(trained_workspace.folder)) == 2


def test_the_journey_probes_by_itself(
    trained_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(folder: Path, **_: object) -> None:
        shutil.copytree(trained_template, folder)

    monkeypatch.setattr(complete_journey, "create", create)
    monkeypatch.setattr(journey, "train", lambda *_args, **_options: None)
    words = ("benchmark", "journey", "--only", "probes", "--workspace-root", str(tmp_path), "-q", "--device", "cpu")
    assert exit_code(*words, "--salts", ",1", "--rivals", "aggregates") == 0
    told = capsys.readouterr().out
    assert 'splits "", "' in told
    assert "aggregates, logs" in told
    assert exit_code(*words, "--rivals", "nobody") == 1
    assert "one4all" in capsys.readouterr().err
