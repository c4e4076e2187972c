"""The ranker's start: shipped without what is benchmarked, learned in several worlds, read or refused."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from findcli.cli.main import main
from findcli.datasets.complete_journey import ONE_WORLD as JOURNEY
from findcli.datasets.demo.simulation import ONE_WORLD as DEMO
from findcli.errors import FindCLIError
from findcli.models.align import align
from findcli.models.ranker.candidates import Ranker
from findcli.models.ranker.features import FEATURES
from findcli.models.ranker.start import SHIPPED_FILES, load_start, read_start, shipped_card, write_start
from findcli.models.trained import TrainedModel
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import read_manifest
from findcli.workspace.settings import SHIPPED

ROOT = Path(__file__).parents[3]


def with_ranker(workspace: Workspace, **keys: object) -> Workspace:
    settings = workspace.settings
    return replace(workspace, settings=replace(settings, ranker=replace(settings.ranker, **keys)))


def test_no_world_that_benchmarks_run_on_taught_the_weights_they_start_from() -> None:
    card = shipped_card()["files"]
    for world, start in ((JOURNEY, SHIPPED[1]), (DEMO, SHIPPED[2])):
        taught = card[SHIPPED_FILES[start]]["worlds"]
        assert taught
        assert not any(each.startswith(world) for each in taught)
        assert any(each.startswith(world) for each in card[SHIPPED_FILES[SHIPPED[0]]]["worlds"])


def test_what_ships_is_small_and_reads_this_versions_features() -> None:
    folder = files("findcli.models.ranker") / "shipped"
    sizes = [len((folder / f"{name}.safetensors").read_bytes()) for name in SHIPPED_FILES.values()]
    assert sum(sizes) < 500_000


@pytest.mark.parametrize("start", SHIPPED)
def test_each_shipped_start_opens(tiny_workspace: Workspace, start: str) -> None:
    network = load_start(with_ranker(tiny_workspace, start=start))
    assert network is not None
    assert torch.isfinite(network(torch.zeros(2, len(FEATURES)))).all()


def test_a_workspace_without_a_start_begins_at_random(tiny_workspace: Workspace) -> None:
    assert load_start(with_ranker(tiny_workspace, start="none")) is None


def test_without_any_step_the_start_itself_ranks(trained_workspace: Workspace, tmp_path: Path) -> None:
    network = Ranker(features=len(FEATURES), width=8).eval()
    write_start(network, tmp_path / "start.safetensors")
    workspace = with_ranker(trained_workspace, start=str(tmp_path / "start.safetensors"), steps=0, candidate="start")
    align(workspace, device="cpu")
    features = torch.randn(5, len(FEATURES))
    assert torch.allclose(TrainedModel(workspace, device="cpu").ranker(features), network(features))


def test_another_start_makes_the_alignment_stale(trained_workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    workspace = with_ranker(trained_workspace, start=str(path), steps=1)
    digests = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        write_start(Ranker(features=len(FEATURES), width=8), path)
        align(workspace, device="cpu")
        manifest = read_manifest(workspace.run("aligned"))
        assert manifest is not None
        digests.append(manifest.inputs["start"])
    assert digests[0] != digests[1]


@pytest.mark.parametrize("content", [None, b"not tensors"])
def test_a_start_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "start.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FindCLIError, match="cannot be read") as error:
        read_start(path)
    assert "shipped" in error.value.hint


def test_a_start_of_other_features_is_refused(tmp_path: Path) -> None:
    write_start(Ranker(features=3, width=4), tmp_path / "start.safetensors")
    with pytest.raises(FindCLIError, match="other features"):
        read_start(tmp_path / "start.safetensors")


def test_several_workspaces_teach_one_start(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(trained_workspace.folder, tmp_path / "other")
    output = tmp_path / "both.safetensors"
    words = ["pretrain", "ranker", str(trained_workspace.folder), str(other), "-o", str(output), "--steps", "4", "-q"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--device", "cpu"])
    assert end.value.code == 0
    assert "loss" in capsys.readouterr().out
    assert read_start(output)(torch.zeros(1, len(FEATURES))).shape == (1,)
    with pytest.raises(SystemExit) as end:
        main([*words[:4], "-o", str(tmp_path / "x.txt")])
    assert end.value.code == 1
    assert ".safetensors" in capsys.readouterr().err


def test_further_workspaces_teach_beside_ones_own(trained_workspace: Workspace, tmp_path: Path) -> None:
    other = load_workspace(shutil.copytree(trained_workspace.folder, tmp_path / "other"))
    align(with_ranker(trained_workspace, worlds=(str(other.folder),), steps=3), device="cpu")
    manifest = read_manifest(trained_workspace.run("aligned"))
    assert manifest is not None
    assert f"world {other.folder}" in manifest.inputs


def test_fewer_users_teach_where_a_number_is_set(trained_workspace: Workspace) -> None:
    from findcli.models.ranker.moments import World

    few = World.open(with_ranker(trained_workspace, users=10), device="cpu")
    assert {len(moment.pairs) for moment in few.moments} <= set(range(1, 11))
    whole = World.open(trained_workspace, device="cpu")
    assert max(len(moment.pairs) for moment in whole.moments) > 10


@pytest.mark.slow
def test_the_example_makes_a_start_from_worlds_and_views_of_them(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("ranker_start", ROOT / "examples/ranker_start.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.SEEDS, example.TILLS = example.SEEDS[:1], example.TILLS[:1]
    example.main(tmp_path, households=60, users=200, steps=3)
    for name in SHIPPED_FILES.values():
        assert read_start(tmp_path / f"{name}.safetensors")(torch.zeros(1, len(FEATURES))).shape == (1,)
