"""Run folders: whole or not at all, whatever interrupts the writing."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file, locked, replacing
from findcli.workspace.runs import MANIFEST, Draft, Run, build, open_run, rewriting, why_stale

OLD, NEW = pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]})


def write(folder: Path, frame: pl.DataFrame = OLD, **stage: object) -> Run:
    def fill(draft: Draft, _: Path) -> None:
        draft.table("deep/x.parquet", frame)
        draft.tensors("x.safetensors", {"x": np.arange(6).reshape(2, 3).T})
        draft.json("x.json", {"é": [1]})
        draft.metrics["rows"] = len(frame)

    return build(
        folder, fill, **({"kind": "pairs", "settings": {"a": (1, 2)}, "inputs": {"in": "1"}, "seed": 0} | stage)
    )


def stands(folder: Path, frame: pl.DataFrame = OLD) -> None:
    """The folder holds this table, and nothing but a lock lies beside it."""
    assert open_run(folder, "pairs").table("deep/x.parquet").equals(frame)
    assert {path.name for path in folder.parent.iterdir()} <= {folder.name, f".{folder.name}.lock"}


def refused(action: Callable[[], object], told: str) -> FindCLIError:
    with pytest.raises(FindCLIError, match=told) as error:
        action()
    assert error.value.hint
    return error.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "pairs"


def test_what_is_written_is_read_back_and_the_manifest_tells_the_files(folder: Path) -> None:
    run = write(folder)
    assert run.table("deep/x.parquet").equals(OLD)
    assert run.tensors("x.safetensors")["x"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert run.json("x.json") == {"é": [1]}
    manifest = run.manifest
    assert manifest.files == {name: hash_file(folder / name) for name in ("deep/x.parquet", "x.json", "x.safetensors")}
    assert (manifest.kind, manifest.settings, manifest.inputs, manifest.metrics) == (
        "pairs",
        {"a": [1, 2]},
        {"in": "1"},
        {"rows": 1},
    )
    assert manifest.digest() == write(folder, seed=1).manifest.digest() != write(folder, NEW, seed=2).manifest.digest()
    assert manifest.digest("deep/") != manifest.digest("x")
    stands(folder, NEW)


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"settings": {"a": (1, 3)}}, "settings changed: a"),
        ({"settings": {"a": (1, 2), "b": 0}}, "settings changed: b"),
        ({"inputs": {"in": "2"}}, "inputs changed: in"),
        ({"seed": 1}, "seed changed"),
        ({"kind": "text"}, "written in format pairs"),
    ],
)
def test_a_stage_runs_again_only_for_a_reason(folder: Path, stage: dict[str, object], told: str) -> None:
    known = {"kind": "pairs", "settings": {"a": (1, 2)}, "inputs": {"in": "1"}, "seed": 0}
    assert why_stale(folder, **known) == "missing"
    write(folder)
    assert why_stale(folder, **known) is None
    write(folder, NEW)
    stands(folder)
    assert told in str(why_stale(folder, **(known | stage)))


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_stage_leaves_what_stood(folder: Path, interruption: type[BaseException]) -> None:
    def interrupted(draft: Draft, _: Path) -> None:
        draft.table("deep/x.parquet", NEW)
        raise interruption

    write(folder)
    with pytest.raises(interruption):
        build(folder, interrupted, kind="pairs", settings={}, inputs={}, seed=1)
    stands(folder)


KILLED = """
import os, sys
from pathlib import Path
from findcli.workspace.runs import build
renames = []
rename = Path.rename
def killed(self, target):
    renames.append(self)
    if len(renames) == int(sys.argv[2]):
        os._exit(9)
    return rename(self, target)
Path.rename = killed
def fill(draft, _):
    draft.json("x.json", "new")
build(Path(sys.argv[1]), fill, kind="pairs", settings={}, inputs={}, seed=1)
"""


@pytest.mark.parametrize("rename", [1, 2])
def test_a_command_killed_at_either_rename_leaves_what_stood(folder: Path, rename: int) -> None:
    write(folder)
    assert subprocess.run([sys.executable, "-c", KILLED, str(folder), str(rename)], check=False).returncode == 9
    assert folder.exists() == (rename == 1)
    assert open_run(folder, "pairs").table("deep/x.parquet").equals(OLD)
    write(folder, NEW, seed=1)
    stands(folder, NEW)


def test_a_second_command_is_refused(folder: Path) -> None:
    write(folder)
    with locked(folder):
        refused(lambda: write(folder, NEW, seed=1), "another findcli command is writing")
    stands(folder)


def test_a_rewritten_run_has_its_new_files_and_is_otherwise_as_it_was(folder: Path) -> None:
    before = write(folder)
    with rewriting(before, inputs={"other": "2"}) as draft:
        draft.table("deep/x.parquet", NEW)
        draft.metrics["rows"] = 7
    stands(folder, NEW)
    after = open_run(folder, "pairs").manifest
    assert (
        after.files["deep/x.parquet"] == hash_file(folder / "deep/x.parquet") != before.manifest.files["deep/x.parquet"]
    )
    assert after.files["x.json"] == before.manifest.files["x.json"]
    assert (after.inputs, after.metrics) == ({"in": "1", "other": "2"}, {"rows": 7})
    assert (after.settings, after.seed, after.started) == (
        before.manifest.settings, before.manifest.seed, before.manifest.started,
    )  # fmt: skip


def test_an_interrupted_rewriting_leaves_what_stood(folder: Path) -> None:
    def interrupted() -> None:
        with rewriting(run) as draft:
            draft.table("deep/x.parquet", NEW)
            raise KeyboardInterrupt

    run = write(folder)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    stands(folder)
    assert open_run(folder, "pairs").manifest == run.manifest


def rewrite_manifest(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("change", "told", "hint"),
    [
        (lambda _: None, "of kind 'pairs', not 'text'", "pretrain text --force"),
        (lambda folder: rewrite_manifest(folder, kind="text", format=99), "of format .*99", "pretrain text --force"),
        (lambda folder: rewrite_manifest(folder, future=1), "not a manifest that findcli", "remove the folder"),
        (lambda folder: (folder / MANIFEST).write_text('{"kind":'), "not a manifest", "remove the folder"),
        (lambda folder: (folder / MANIFEST).unlink(), "there is no text run", "findcli pretrain text"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_used_names_the_command(
    folder: Path, change: Callable[[Path], object], told: str, hint: str
) -> None:
    write(folder)
    change(folder)
    assert hint in refused(lambda: open_run(folder, "text"), told).hint


@pytest.mark.parametrize("name", ["deep/x.parquet", "x.safetensors", "x.json"])
@pytest.mark.parametrize("kept", [0, 10, None])
def test_a_torn_or_missing_file_is_named(folder: Path, name: str, kept: int | None) -> None:
    run = write(folder)
    if kept is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:kept].ljust(kept, b"\xff"))
    if kept == 10 and name == "x.json":
        (folder / name).write_bytes(b"\xff\xfe")
    read = {"deep/x.parquet": run.table, "x.safetensors": run.tensors, "x.json": run.json}[name]
    assert "findcli build-pairs --force" in refused(lambda: read(name), name).hint


def fill_table(draft: Draft) -> None:
    draft.table("big", pl.DataFrame({"x": np.random.default_rng(0).random(100_000)}))


def fill_tensors(draft: Draft) -> None:
    draft.tensors("big", {"x": np.zeros(100_000)})


def fill_json(draft: Draft) -> None:
    draft.json("big", list(range(100_000)))


FILLS = [fill_table, fill_tensors, fill_json]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("fill", [fill_table, fill_json])
def test_a_full_disk_is_told_and_leaves_what_stood(folder: Path, fill: Callable[[Draft], None]) -> None:
    def full(draft: Draft, _: Path) -> None:
        draft.path("big").symlink_to("/dev/full")
        fill(draft)

    write(folder)
    refused(
        lambda: build(folder, full, kind="pairs", settings={}, inputs={}, seed=1),
        "cannot be written: No space left",
    )
    stands(folder)


@pytest.mark.parametrize("fill", FILLS)
def test_a_file_beyond_the_quota_is_told_and_leaves_what_stood(folder: Path, fill: Callable[[Draft], None]) -> None:
    write(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        refused(
            lambda: build(folder, lambda draft, _: fill(draft), kind="pairs", settings={}, inputs={}, seed=1),
            "cannot be written: File too large",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    stands(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(lambda: write(tmp_path / "runs" / "pairs"), "Permission denied")


def test_a_single_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audience.csv"
    with replacing(path) as draft:
        draft.write_text("old")
    with pytest.raises(AttributeError), replacing(path) as draft:
        draft.write_text("new").interrupted()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
