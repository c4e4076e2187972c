"""Numbers are compared with what came true of users whom training never saw."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from findcli.evaluation.benchmark.sizes import PRECISIONS, SHARES, measure_sizes
from findcli.scoring.reliability import Reliability
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code
from tests.scoring.test_reliability import reliability


def test_every_category_has_a_row_a_depth(
    trained_workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Reliability, "of", lambda *_: reliability())
    numbers = measure_sizes(trained_workspace, device="cpu")
    assert len(numbers.table) == numbers.categories * len(SHARES)
    assert [depth.share for depth in numbers.depths] == list(SHARES)
    assert [kept.precision for kept in numbers.kept] == list(PRECISIONS)
    assert numbers.table.filter((pl.col("realised") > pl.col("users")) | (pl.col("low") > pl.col("high"))).is_empty()
    words = ["benchmark", "sizes", "--workspace", str(trained_workspace.folder), "--json"]
    assert exit_code(*words, "-o", str(tmp_path / "sizes.parquet")) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["ratio"] == pytest.approx(numbers.ratio)
    assert pl.read_parquet(tmp_path / "sizes.parquet").equals(numbers.table)


def test_where_nothing_was_measured_it_says_so(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Reliability, "of", lambda *_: None)
    assert exit_code("benchmark", "sizes", "--workspace", str(trained_workspace.folder)) == 1
    assert "nothing was measured" in capsys.readouterr().err
