"""A ranker of one workspace in another: every way ranks the same users, and nothing of the two workspaces changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import read_manifest
from tests.evaluation.benchmark.test_run import exit_code, split_in_half


@pytest.fixture
def pair(tiny_template: Path, tmp_path: Path) -> tuple[Workspace, Workspace]:
    """Two trained workspaces; the second is split in half, as its pairs are."""
    from tests.conftest import train

    folders = [shutil.copytree(tiny_template, tmp_path / name) for name in ("source", "shop")]
    split_in_half(folders[1])
    workspaces = [load_workspace(folder) for folder in folders]
    for workspace in workspaces:
        train(workspace)
    return workspaces[0], workspaces[1]


def test_every_way_is_measured_on_the_same_users(
    pair: tuple[Workspace, Workspace], capsys: pytest.CaptureFixture[str]
) -> None:
    source, shop = pair
    before = [read_manifest(workspace.run("aligned")) for workspace in pair]
    words = ("benchmark", "transfer", "--from", str(source.folder), "--to", str(shop.folder), "-q")
    assert exit_code(*words, "--users", "12,0", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    named = {(row["by"].split(" (")[0], row["users"]) for row in rows}
    ways = {"native", "transferred", "adapted", "untrained", "best counter"}
    assert {(way, users) for way in ways for users in (12, 0)} <= named
    assert all(row["less_native"]["value"] == 0 for row in rows if row["by"] == "native")
    assert [read_manifest(workspace.run("aligned")) for workspace in pair] == before
    assert exit_code(*words, "--users", "all") == 2


def test_a_source_without_a_ranker_is_named(tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tiny_workspace.folder)
    assert exit_code("benchmark", "transfer", "--from", folder, "--to", folder, "-q") == 1
    assert "has no trained ranker" in capsys.readouterr().err
