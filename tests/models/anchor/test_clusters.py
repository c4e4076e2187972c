"""Cluster-based prompts of the tower that reads questions, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.cli.main import main
from findcli.workspace.folder import Workspace, load_workspace

SET = [
    "align.user_tower=qanchor", "qanchor.d_model=16", "qanchor.heads=2", "qanchor.d_embedding=16", "qanchor.events=12",
    "qanchor.questions=8", "qanchor.steps=10", "qanchor.batch_size=16",
]  # fmt: skip


def run(*words: str) -> int:
    try:
        main(list(words))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def seeds(trained_workspace: Workspace) -> Path:
    path = trained_workspace.folder / "seeds.csv"
    users = np.arange(0, 40, 4)  # buyers of the first shelves
    pl.DataFrame({"user_id": users, "label": [1] * 5 + [0] * 5}).write_csv(path)
    return path


def test_a_prompt_of_clusters_is_learned_printed_used_and_kept(
    trained_workspace: Workspace, seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained_workspace.folder
    monkeypatch.chdir(folder)
    changes = [word for change in SET for word in ("--set", change)]
    tune = ["tune-prompt", "The user purchased tea.", "--seeds", str(seeds), "--name", "tea", "--as-of", "2024-09-09"]
    assert run(*tune, "--method", "clusters") == 1
    assert "clusters need a tower that reads questions" in capsys.readouterr().err
    assert run("align", "-q", *changes) == 0
    assert run("embed", "--as-of", "2024-09-09", "-q") == 0
    capsys.readouterr()
    assert run(*tune, "--method", "clusters") == 0
    said = capsys.readouterr().out
    assert "6 tokens and 2 prototypes" in said
    assert "attention of the question to" in said
    assert run(*tune, "--method", "clusters", "--json") == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    for part in ("attention_before", "attention_after"):
        assert sum(metrics[part].values()) == pytest.approx(1, abs=1e-4)
        assert set(metrics[part]) == {"user", "sequence", "tabular", "search", "question"}
    assert run("target", "--prompt", "tea", "--as-of", "2024-09-09", "--all", "--output", "all.parquet") == 0
    scores = pl.read_parquet(folder / "all.parquet")
    assert scores["score"].n_unique() > 30
    assert run("prompts", "list") == 0
    assert run("prompts", "show", "tea", "--json") == 0
    assert load_workspace(folder).settings.align.user_tower == "qanchor"
