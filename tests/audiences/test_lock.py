"""A refresh keeps how many there were, or how good the last one was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.audiences.export import write_audience
from findcli.audiences.lock import locked
from findcli.audiences.saved import Record, Sizes, save_audience
from findcli.audiences.select import Selection, rank
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code


def ranking(scores: list[float]) -> pl.DataFrame:
    return rank(pl.Series(range(len(scores))), np.array(scores))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_reach_keeps_the_number_and_score_the_threshold(tmp_path: Path, ending: str, tiny_workspace: Workspace) -> None:
    file = tmp_path / f"before{ending}"
    write_audience(Selection(top_k=3).keep(ranking([0.9, 0.71234567890123, 0.8, 0.1])), file)
    later = ranking([0.95, 0.71234567890123, 0.85, 0.8, 0.7, 0.2])
    assert len(locked(tiny_workspace, "reach", str(file)).keep(later)) == 3
    assert locked(tiny_workspace, "score", str(file)).keep(later)["score"].to_list() == [
        0.95,
        0.85,
        0.8,
        0.71234567890123,
    ]


def test_the_name_of_a_saved_audience_will_do(tiny_workspace: Workspace) -> None:
    record = Record(demands=["tea"], made_by="target", sizes=Sizes(selected=2))
    save_audience(tiny_workspace, "tea", ranking([3.0, 2.0]), record)
    assert locked(tiny_workspace, "reach", "tea") == Selection(top_k=2)
    assert locked(tiny_workspace, "score", "tea") == Selection(min_score=2.0)


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "user_id\n"), ("a.csv", "name\nx\n"), ("a.txt", "1\n"), ("none.csv", None)]
)
def test_what_is_no_audience_is_refused(tmp_path: Path, name: str, text: str | None, tiny_workspace: Workspace) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(FindCLIError, match=name):
        locked(tiny_workspace, "reach", str(tmp_path / name))


def test_users_without_scores_lock_reach_alone(tmp_path: Path, tiny_workspace: Workspace) -> None:
    (tmp_path / "a.csv").write_text("user_id\n1\n2\n")
    assert locked(tiny_workspace, "reach", str(tmp_path / "a.csv")) == Selection(top_k=2)
    with pytest.raises(FindCLIError, match="without a score") as error:
        locked(tiny_workspace, "score", str(tmp_path / "a.csv"))
    assert "--lock reach" in error.value.hint


def test_target_refreshes_an_audience_that_it_wrote(trained_workspace: Workspace, tmp_path: Path) -> None:
    here = ["--workspace", str(trained_workspace.folder), "--as-of", "2024-09-09", "--device", "cpu"]
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    assert exit_code("target", "The user purchased tea.", "--top-k", "7", "-o", str(before), *here) == 0
    for lock in ("reach", "score"):
        words = ["target", "The user purchased tea.", "--lock", lock, "--earlier", str(before), "-o", str(after)]
        assert exit_code(*words, *here) == 0
        assert after.read_bytes() == before.read_bytes()
    assert exit_code("target", "The user purchased tea.", "--lock", "reach", *here) == 2
