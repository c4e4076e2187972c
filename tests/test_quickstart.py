"""The main job on a small demo world: what it makes, and what is printed of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from findcli import pipeline, quickstart
from findcli.cli.main import main
from findcli.datasets.demo import simulation
from findcli.errors import FindCLIError
from findcli.quickstart import Quickstart
from findcli.workspace.folder import load_workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstart]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quickstart, "STEPS", dict.fromkeys(quickstart.STEPS, 5))
        patch.setattr(simulation, "installed_text_model", lambda: "scratch")
        yield quickstart.quickstart(tmp_path_factory.mktemp("quickstart") / "demo", users=1500, device="cpu")


def test_a_workspace_is_left_alone(tiny_template: Path) -> None:
    before = (tiny_template / "findcli.toml").read_bytes()
    with pytest.raises(FindCLIError, match="is already a workspace") as error:
        quickstart.quickstart(tiny_template)
    assert "findcli run" in error.value.hint
    assert (tiny_template / "findcli.toml").read_bytes() == before


@pytest.mark.slow
def test_the_workspace_is_up_to_date_with_its_own_file(made: Quickstart) -> None:
    workspace = load_workspace(made.workspace.folder)
    assert workspace.settings.align.steps == 5
    assert {each.state for each in pipeline.plan(workspace)} == {"current"}
    assert made.audience.demand == "users likely to rent phones"
    assert len(made.audience.selected) == 100
    assert made.probe.ceiling is not None
    assert made.probe.rows[0].auc.value < made.probe.ceiling.auc


@pytest.mark.slow
def test_the_command_prints_the_answer_and_what_to_try_next(
    made: Quickstart, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(quickstart, "quickstart", lambda folder, **options: asked.append((folder, options)) or made)
    for words in (["quickstart", "-q"], ["quickstart", "there", "--users", "9", "--seed", "3", "--json"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
    told, plain = capsys.readouterr().out.split("\n{", 1)
    assert '"users likely to rent phones"' in told
    assert "findcli describe" in told.split("next:")[1]
    assert json.loads("{" + plain)["probe"]["task"] == "d1"
    assert [(str(folder), options["users"], options["seed"]) for folder, options in asked] == [
        ("demo", quickstart.USERS, 0),
        ("there", 9, 3),
    ]
