"""The pipeline: what is out of date and why, that an interruption leaves no trace, and what cleaning removes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from findcli import pipeline
from findcli.errors import FindCLIError
from findcli.progress import Progress
from findcli.scoring.embed import embed
from findcli.workspace.disk import locked
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import MANIFEST

STAGES = ["events", "pairs", "text", "sequence", "tabular", "aligned", "embeddings"]
LATEST = "embeddings/2024-10-07"

TIMES = ("started", "seconds", "cpu_seconds", "peak_bytes")  # of a manifest


def states(workspace: Workspace) -> dict[str, str]:
    return {status.name: status.reason or status.state for status in pipeline.plan(workspace)}


def content(runs: Path) -> dict[str, str]:
    """The digest of every file, the manifests' times aside."""
    found = {}
    for path in sorted(runs.rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            value = path.read_bytes()
            if path.name == MANIFEST:
                manifest = json.loads(value)
                value = json.dumps({k: v for k, v in manifest.items() if k not in TIMES}).encode()
            found[path.relative_to(runs).as_posix()] = hashlib.sha256(value).hexdigest()
    return found


def change(workspace: Workspace, old: str, new: str) -> Workspace:
    file = workspace.folder / "findcli.toml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return load_workspace(workspace.folder)


@contextmanager
def interrupting(name: str, *, at: int, of: str) -> Iterator[Progress]:
    def tell(step: int, total: int, metrics: Mapping[str, float]) -> None:
        if name == of and at <= step <= total and "loss" in metrics:
            raise KeyboardInterrupt

    yield tell


def test_a_new_workspace_misses_everything_and_then_nothing(tiny_workspace: Workspace) -> None:
    assert [status.state for status in pipeline.plan(tiny_workspace)] == ["missing"] * len(STAGES)
    assert not tiny_workspace.runs.exists()
    assert [run.manifest.kind for run in pipeline.run(tiny_workspace)] == STAGES
    found = pipeline.plan(tiny_workspace)
    assert [status.name for status in found] == STAGES
    assert {status.state for status in found} == {"current"}
    assert found[-1].folder == tiny_workspace.runs / LATEST
    assert all(status.bytes > 0 and status.finished and status.metrics for status in found)
    assert pipeline.run(tiny_workspace) == []


@pytest.mark.parametrize(("stage", "at"), [("text", 2), ("sequence", 3), ("tabular", 1), ("aligned", 4)])
def test_interrupted_and_started_again_it_ends_the_same(
    finished_workspace: Workspace, tiny_workspace: Workspace, stage: str, at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(tiny_workspace, progress_for=lambda name: interrupting(name, at=at, of=stage))
    assert states(tiny_workspace)[stage] == "missing"
    made = pipeline.run(tiny_workspace)
    assert [run.manifest.kind for run in made] == STAGES[STAGES.index(stage) :]
    assert content(tiny_workspace.runs) == content(finished_workspace.runs)


def test_a_checkpoint_is_gone_on_from(tiny_workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(tiny_workspace, progress_for=lambda name: interrupting(name, at=3, of="sequence"))
    seen: list[int] = []

    @contextmanager
    def watching(name: str) -> Iterator[Progress]:
        yield lambda step, *_: seen.append(step) if name == "sequence" else None

    pipeline.run(tiny_workspace, progress_for=watching)
    assert seen == [3, 4, 5, 6]


def test_a_changed_setting_makes_its_stage_stale_and_the_later_ones_wait(finished_workspace: Workspace) -> None:
    changed = change(finished_workspace, "positives = 2", "positives = 3")
    assert states(changed) == dict.fromkeys(STAGES, "current") | {
        "sequence": "settings changed: positives",
        "aligned": "waits for sequence",
        "embeddings": "waits for aligned",
    }
    assert pipeline.changed_before(changed, "aligned") == {"sequence": "settings changed: positives"}
    assert [run.manifest.kind for run in pipeline.run(changed)] == ["sequence", "aligned", "embeddings"]


def test_a_stage_made_again_with_the_same_content_leaves_the_later_ones(finished_workspace: Workspace) -> None:
    before = content(finished_workspace.runs)
    shutil.rmtree(finished_workspace.run("sequence"))
    assert [run.manifest.kind for run in pipeline.run(finished_workspace)] == ["sequence"]
    assert content(finished_workspace.runs) == before


def test_the_seed_is_that_of_the_trained_stages_alone(finished_workspace: Workspace) -> None:
    seeded = load_workspace(finished_workspace.folder, overrides={"workspace": {"seed": 7}})
    found = states(seeded)
    assert found["events"] == found["pairs"] == "current"
    assert found["text"] == "seed changed: 0 -> 7"


def test_events_after_train_until_change_the_embeddings_alone(finished_workspace: Workspace) -> None:
    file = finished_workspace.folder / "data/orders.parquet"
    orders = pl.read_parquet(file)
    late = pl.col("time") == orders["time"].max()
    orders.with_columns(amount=pl.when(late).then(pl.col("amount") + 1).otherwise("amount")).write_parquet(file)
    assert states(finished_workspace)["events"] == "inputs changed: orders"
    assert pipeline.why_stale(finished_workspace, "pairs") == "events: inputs changed: orders"
    assert pipeline.why_stale(finished_workspace, "text") is None
    assert [run.manifest.kind for run in pipeline.run(finished_workspace)] == ["events", "embeddings"]


def test_force_from_makes_a_stage_and_all_after_it(finished_workspace: Workspace) -> None:
    before = content(finished_workspace.runs)
    made = pipeline.run(finished_workspace, force_from="tabular")
    assert [run.manifest.kind for run in made] == ["tabular", "aligned", "embeddings"]
    assert content(finished_workspace.runs) == before


def test_without_profile_or_its_modality_there_is_no_tabular_stage(tiny_workspace: Workspace) -> None:
    changed = load_workspace(tiny_workspace.folder, overrides={"align": {"modalities": ["sequence", "search"]}})
    assert "tabular" not in states(changed)
    with pytest.raises(FindCLIError, match="no pairs run"):
        pipeline.why_stale(changed, "text")


def test_a_run_of_another_version_has_to_run(finished_workspace: Workspace) -> None:
    path = finished_workspace.run("sequence") / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))
    assert states(finished_workspace)["sequence"] == "written in format sequence 0"
    pipeline.run(finished_workspace)
    assert set(states(finished_workspace).values()) == {"current"}


def test_cleaning_a_finished_workspace_removes_nothing_that_is_used(finished_workspace: Workspace) -> None:
    embed(finished_workspace, as_of=datetime(2024, 9, 9))
    before = content(finished_workspace.runs)
    assert pipeline.clean(finished_workspace) == []
    assert content(finished_workspace.runs) == before
    assert list(finished_workspace.runs.rglob("*.lock")) == []


def test_cleaning_removes_what_another_model_left(finished_workspace: Workspace) -> None:
    old = embed(finished_workspace, as_of=datetime(2024, 9, 9)).folder
    pipeline.run(change(finished_workspace, "vocabulary = 400", "vocabulary = 300"))
    changed = load_workspace(finished_workspace.folder)
    planned = pipeline.clean(changed, dry_run=True)
    assert old.exists()
    removed = pipeline.clean(changed)
    assert removed == planned
    assert all(size > 0 for _, size in removed)
    assert [path.relative_to(changed.runs).parts[0] for path, _ in removed] == ["embeddings", "cache"]
    assert removed[0][0] == old
    assert set(states(changed).values()) == {"current"}


def test_cleaning_keeps_checkpoints_of_an_unfinished_stage_alone(tiny_workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(tiny_workspace, progress_for=lambda name: interrupting(name, at=3, of="sequence"))
    kept = tiny_workspace.runs / ".sequence.checkpoints"
    left = [tiny_workspace.runs / name for name in (".text.draft", ".text.old", ".text.checkpoints")]
    for folder in left:
        folder.mkdir()
    assert {path for path, _ in pipeline.clean(tiny_workspace)} == set(left)
    assert kept.exists()


def test_clean_all_removes_every_run_and_nothing_else(finished_workspace: Workspace) -> None:
    own = finished_workspace.runs / "notes.txt"
    own.write_text("mine")
    folder = finished_workspace.runs / "embeddings/mine"
    folder.mkdir()
    data = content(finished_workspace.folder / "data")
    pipeline.clean(finished_workspace, everything=True)
    assert [path for path in finished_workspace.runs.rglob("*") if path.is_file()] == [own]
    assert folder.exists()
    assert content(finished_workspace.folder / "data") == data


def test_a_run_that_is_being_written_is_not_cleaned(finished_workspace: Workspace) -> None:
    with (
        locked(finished_workspace.run("aligned")),
        pytest.raises(FindCLIError, match="another findcli command"),
    ):
        pipeline.clean(finished_workspace, everything=True)
    assert set(states(finished_workspace).values()) == {"current"}


def test_a_setting_of_the_command_line_holds_until_the_file_says_otherwise(tiny_workspace: Workspace) -> None:
    folder = tiny_workspace.folder
    told = load_workspace(folder, overrides={"text": {"steps": 3}})
    pipeline.bind(told, "events").build()
    pipeline.bind(told, "pairs").build()
    pipeline.bind(told, "text").build(device="cpu")
    later = load_workspace(folder)
    before = tiny_workspace.settings.text.steps
    assert later.settings.text.steps == 3
    assert later.overrides == {"text.steps": {"value": 3, "file": before}}
    assert pipeline.bind(later, "text").why_stale() is None
    file = folder / "findcli.toml"
    file.write_text(file.read_text().replace(f"steps = {before}", f"steps = {before + 1}"))
    assert load_workspace(folder).settings.text.steps == before + 1
    back = load_workspace(folder, overrides={"text": {"steps": before + 1}})
    assert pipeline.bind(back, "text").why_stale() == "settings changed: steps"
