"""Fused vectors beside their sources: figures are those of the probe, differences those of its resamplings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from findcli.cli.main import main
from findcli.evaluation.probe import CONCATENATED, STORED, ProbedTask, ProbeResult
from findcli.evaluation.sources_together import together
from findcli.workspace.folder import Workspace


def probed(**areas: list[float]) -> ProbedTask:
    kinds = {name.replace("_", " "): np.array(values) for name, values in areas.items()}
    kinds = {CONCATENATED: kinds.pop("side"), STORED: kinds.pop("stored")} | kinds
    return ProbedTask(ProbeResult("task", "task", "", 100, 20, []), kinds, [])


def test_the_best_source_is_the_best_on_the_average_and_differences_are_paired() -> None:
    one = probed(embeddings=[0.7, 0.6, 0.8], sequence=[0.6, 0.5, 0.7], tabular=[0.65, 0.6, 0.7], side=[0.7, 0.6, 0.8],
                 stored=[0.8, 0.7, 0.9])  # fmt: skip
    other = probed(embeddings=[0.7, 0.6, 0.8], sequence=[0.6, 0.5, 0.7], tabular=[0.5, 0.4, 0.6], side=[0.6, 0.5, 0.7],
                   stored=[0.8, 0.7, 0.9])  # fmt: skip
    (row,) = together([("findcli", [one, other])])
    assert (row.source, row.best_source.value) == ("sequence", pytest.approx(0.6))
    assert row.side_by_side.value == pytest.approx(0.65)
    assert (row.less_source.low, row.less_source.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert row.less_first.value == 0


def test_ablate_probes_each_form(trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ablate", "--dataset", "tea", "--variants", "find-concat", "--probe", "--folds", "2", "--json"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--workspace", str(trained_workspace.folder)])
    assert stop.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert [form["by"] for form in printed["tasks"][0]["forms"]] == ["findcli", "find-concat"]
    own, concat = printed["probes"]
    assert concat["less_first"]["value"] == pytest.approx(concat["fused"]["value"] - own["fused"]["value"])
