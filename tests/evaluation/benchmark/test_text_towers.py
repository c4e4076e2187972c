"""`findcli benchmark towers`: each tower aligned in run folders of its own, and measured on the same users."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from findcli import pipeline
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.text_towers import (
    TOWERS,
    Spent,
    Tower,
    chosen_towers,
    measure_towers,
    plan_towers,
    train_apart,
)
from findcli.models.align import align
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import read_manifest

TINY = (
    Tower("own-frozen", {"tower": "text", "lora_rank": 0}),
    Tower("llama-lora", {"tower": "llama", "tower_layers": 1, "lora_rank": 2, "pooling": "last"}),
)
SPENT = Spent(cpu_seconds=1.5, peak_bytes=123_456_789)


def train_here(workspace: Workspace, device: str) -> Spent:
    align(workspace, device=device, force=True)
    return SPENT


@pytest.fixture(scope="module")
def template(tiny_template: Path, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained workspace with every other user held out, and a small Llama in it."""
    folder = shutil.copytree(tiny_template, tmp_path_factory.mktemp("towers") / "workspace")
    file = folder / "findcli.toml"
    text = file.read_text().replace("held_out_users = 6", "held_out_users = 2\nheld_out_categories = 3")
    file.write_text(text.replace('future = "4w"', 'future = "1w"'))
    shutil.copytree(tiny_llama, folder / "llama")
    workspace = load_workspace(folder)
    pipeline.run(workspace, as_of=workspace.train_until, device="cpu")
    return folder


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Workspace:
    return load_workspace(shutil.copytree(template, tmp_path / "workspace"))


def test_towers_are_measured_beside_the_first_and_the_model_stays(workspace: Workspace) -> None:
    before = read_manifest(workspace.run("aligned"))
    assert plan_towers(workspace, TINY) == [("own-frozen", "missing"), ("llama-lora", "missing")]
    assert not (workspace.runs / "benchmark").exists()
    found = measure_towers(workspace, TINY, tasks=True, device="cpu", train=train_here)
    assert read_manifest(workspace.run("aligned")) == before
    assert not pipeline.why_stale(workspace, "aligned")
    assert {row.by for row in found.rows} == {"own-frozen", "llama-lora"}
    assert {(d.by, d.beside) for d in found.differences} == {("llama-lora", "own-frozen")}
    frozen, lora = found.costs
    assert (frozen.training, lora.training) == (SPENT, SPENT)
    assert lora.steps == workspace.settings.align.steps
    assert lora.training_seconds > 0
    assert lora.sentence_seconds > 0
    assert 0 < lora.parameters < lora.tower_bytes
    assert {(task, tower) for task, tower, _ in found.tasks} == {("tea", "own-frozen"), ("tea", "llama-lora")}
    assert plan_towers(workspace, TINY) == []
    longer = load_workspace(workspace.folder, overrides={"align": {"steps": 7}})
    assert plan_towers(longer, TINY[1:]) == [("llama-lora", "settings changed: steps")]
    again = measure_towers(workspace, TINY, device="cpu", train=lambda *_: pytest.fail("trained again"))
    assert [row.auc for row in again.rows] == [row.auc for row in found.rows]
    assert [cost.training for cost in again.costs] == [SPENT, SPENT]


def test_categories_may_be_left_out_of_the_figures(workspace: Workspace) -> None:
    found = measure_towers(workspace, TINY[:1], without=["tea"], device="cpu", train=train_here)
    assert "tea" not in found.table["category"].to_list()
    assert found.table.height


def test_stages_that_are_out_of_date_are_named_before_any_work(workspace: Workspace) -> None:
    file = workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace("positives = 2", "positives = 3"))
    with pytest.raises(FindCLIError, match=r"sequence .* is stale") as refused:
        measure_towers(load_workspace(workspace.folder), TINY, train=lambda *_: pytest.fail("trained"))
    assert "findcli run" in refused.value.hint


def test_a_tower_that_is_not_there_is_named_before_any_work(workspace: Workspace) -> None:
    absent = Tower("absent", {"tower": "no-such-tower"})
    with pytest.raises(FindCLIError, match="no text model 'no-such-tower'"):
        measure_towers(workspace, [*TINY, absent], train=lambda *_: pytest.fail("trained"))


def test_towers_are_chosen_by_name(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen_towers("all") == TOWERS
    assert [tower.name for tower in chosen_towers("smollm2-lora, minilm-frozen")] == ["smollm2-lora", "minilm-frozen"]
    with pytest.raises(SystemExit) as end:
        main(["benchmark", "towers", "--towers", "bert", "-w", str(workspace.folder)])
    assert end.value.code == 1
    assert "there is no tower 'bert'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_trains_in_a_process_of_its_own(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("findcli.evaluation.benchmark.text_towers.TOWERS", TINY)
    output = workspace.folder / "figures.parquet"
    words = ["benchmark", "towers", "-w", str(workspace.folder), "--device", "cpu", "-q", "--towers", "llama-lora"]
    for more in (["--output", str(output)], ["--json"]):
        with pytest.raises(SystemExit) as end:
            main([*words, *more])
        assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "ms a sentence" in printed
    (cost,) = json.loads(printed[printed.index("{") :])["costs"]
    assert 2**27 < cost["training"]["peak_bytes"] < 2**33
    assert 0 < cost["training"]["cpu_seconds"] < 600
    assert output.is_file()
    with pytest.raises(FindCLIError, match="9 layers are asked"):
        train_apart(load_workspace(workspace.folder, overrides={"align": {"tower": "llama", "tower_layers": 9}}), "cpu")
