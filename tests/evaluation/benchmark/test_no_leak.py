"""Proof of no leak in the benchmark: without the outcome, its scores are the same to the byte."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import tomlkit

from findcli import pipeline
from findcli.evaluation.benchmark.findcli_ranker import score_own
from findcli.evaluation.benchmark.journey import journey_workspace
from findcli.evaluation.benchmark.protocol import build_case
from findcli.evaluation.rivals.ranking_registry import chosen_rivals, score_rival
from findcli.training.loop import set_determinism
from findcli.workspace.folder import FILE, load_workspace

SMALL = {
    "text": {"model": "scratch", "steps": 2, "max_tokens": 16}, "sequence": {"steps": 2}, "tabular": {"steps": 2},
    "align": {"steps": 2, "lora_rank": 0}, "ranker": {"steps": 10},
}  # fmt: skip


def scores(folder: Path, demands: pl.Series, users: pl.Series) -> dict[str, bytes]:
    """Of findcli and its rivals for the same users and categories; made from nothing."""
    workspace = load_workspace(folder)
    set_determinism(1)
    pipeline.run(workspace, as_of=workspace.train_until, device="cpu")
    case = build_case(workspace, scored=demands.to_list())
    assert case.inputs.users.to_list() == users.to_list()
    found = [score_own(workspace, case, device="cpu")]
    digest = case.inputs.digest()
    for ranker in chosen_rivals("activity,counts,svd,als"):
        kept = workspace.runs / "scores"
        found.append(score_rival(ranker, case.inputs, kept, seconds=600, digest=digest))
    assert not any(one.note for one in found)
    return {one.name: one.scores.tobytes() for one in found if one.scores is not None}


@pytest.mark.slow
def test_without_the_outcome_every_score_is_the_same(tmp_path: Path) -> None:
    folder = journey_workspace(tmp_path, "leak", users=100).folder
    settings = tomlkit.parse((folder / FILE).read_text(encoding="utf-8"))
    for table, keys in SMALL.items():
        settings[table] = keys
    (folder / FILE).write_text(tomlkit.dumps(settings), encoding="utf-8")
    blind = shutil.copytree(folder, tmp_path / "blind")
    case = build_case(load_workspace(folder))
    categories, users = pl.Series(case.inputs.categories), case.inputs.users
    assert case.truth.any()
    cut = 0
    for path in sorted((blind / "data").glob("*.parquet")):
        table = pl.read_parquet(path)
        before = table.filter(pl.col("time") < datetime(2017, 10, 30))
        cut += len(table) - len(before)
        before.write_parquet(path)
    assert cut > 1000
    whole = scores(folder, categories, users)
    shutil.copytree(folder / "runs/cache", blind / "runs/cache")  # vectors of texts, which know no user
    assert scores(blind, categories, users) == whole
