"""The table of stages: whole, in order, and read by everything that speaks of a stage."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main

from findcli import pipeline
from findcli.cli.main import app
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build
from findcli.workspace.stages import STAGES, Stage


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_needs_those_declared_before_it_and_has_a_command(stage: Stage) -> None:
    names = list(STAGES)
    assert all(names.index(need) < names.index(stage.name) for need in stage.needs)
    assert set(stage.also) <= set(stage.needs)
    command: Any = typer.main.get_command(app)
    for word in shlex.split(stage.command)[1:]:
        command = command.commands[word]


def test_every_stage_of_run_is_bound(tiny_workspace: Workspace) -> None:
    wanted = [name for name, stage in STAGES.items() if stage.in_run and not stage.optional]
    assert [bound.name for bound in pipeline.stages(tiny_workspace, as_of=datetime(2024, 9, 9))] == wanted


def test_a_result_leaves_out_the_figures_that_a_run_lacks() -> None:
    assert STAGES["text"].result({"texts": 1200, "d_space": 64}) == "1,200 texts in 64 dimensions"
    loss = {"loss_first": 2.0, "loss_last": 1.0, "steps": 5.0}
    assert STAGES["sequence"].result(loss) == "loss 2 → 1 in 5 steps"
    assert STAGES["sequence"].result({}) == ""


def test_a_stage_of_many_folders_lists_those_that_only_left_something(tmp_path: Path) -> None:
    (tmp_path / "embeddings" / "2024-01-01").mkdir(parents=True)
    (tmp_path / "embeddings" / ".2024-02-01.draft").mkdir()
    assert [folder.name for folder in STAGES["embeddings"].folders(tmp_path)] == ["2024-01-01", "2024-02-01"]
    assert STAGES["aligned"].folders(tmp_path) == [tmp_path / "aligned"]


@pytest.fixture
def restored_stages() -> Iterator[None]:
    """The table of stages, put back in its order at the end."""
    declared = dict(STAGES)
    yield
    STAGES.clear()
    STAGES.update(declared)


@pytest.mark.usefixtures("restored_stages")
def test_a_declared_and_bound_stage_is_run_told_and_cleaned(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(workspace: Workspace, *, force: bool = False, **_: object) -> Run:
        def write(draft: Draft, _: Path) -> None:
            draft.metrics["rows"] = 7

        return build(workspace.run("toy"), write, kind="toy", settings={}, inputs={}, seed=0, force=force)

    toy = Stage(name="toy", format=1, command="findcli run", seeded=False, on_device=False, headline=("{rows} rows",))
    for name in ("pairs", "text", "sequence", "tabular", "aligned", "embeddings"):
        del STAGES[name]
    STAGES["toy"] = toy
    monkeypatch.setitem(pipeline.BUILDERS, "toy", pipeline.Builder(lambda _: {}, lambda _: {}, count))
    assert [status.state for status in pipeline.plan(tiny_workspace)] == ["missing", "missing"]
    made = pipeline.run(tiny_workspace)
    assert STAGES["toy"].result(made[-1].manifest.metrics) == "7 rows"
    assert pipeline.why_stale(tiny_workspace, "toy") is None
    assert tiny_workspace.run("toy") in [path for path, _ in pipeline.clean(tiny_workspace, everything=True)]
    assert not tiny_workspace.run("toy").exists()
