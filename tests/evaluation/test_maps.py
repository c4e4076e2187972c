"""Maps of users: what is drawn, in which file, and what is said where a library is missing."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.audiences.prompts.tune import tune_prompt
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.evaluation.map_drawing import writer
from findcli.evaluation.maps import plot_users
from findcli.workspace.folder import Workspace


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    pl.DataFrame({"user_id": [0, 6, 12, 1, 7], "label": [1, 1, 1, 0, 0]}).write_csv(tmp_path / "seeds.csv")
    return tmp_path / "seeds.csv"


def test_a_picture_shows_outcomes_seeds_and_the_prompt_before_and_after(
    trained_workspace: Workspace, tmp_path: Path, seeds: Path
) -> None:
    tune_prompt(trained_workspace, "people who will buy tea", seeds, "tea", device="cpu")
    found = plot_users(
        trained_workspace, tmp_path / "map.png", task="tea", prompt="tea", seeds=seeds, users=40, device="cpu"
    )
    names = [marks.name for marks in found.marks]
    assert names[1:] == ["seeds (3)", "hard negative seeds (2)", "the prompt before tuning", "the prompt after tuning"]
    assert names[0].startswith("positives")
    assert found.values is not None
    assert len(found.values) == len(found.places) >= 40
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    before, after = (marks.places[0] for marks in found.marks[-2:])
    np.testing.assert_array_equal(found.moved, [before, after])
    again = plot_users(
        trained_workspace, tmp_path / "again.png", task="tea", prompt="tea", seeds=seeds, users=40, device="cpu"
    )
    np.testing.assert_array_equal(again.places, found.places)


def test_a_page_holds_all_it_needs(trained_workspace: Workspace, tmp_path: Path) -> None:
    plot_users(trained_workspace, tmp_path / "map.html", task="tea", users=30, device="cpu")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "buys tea" in page
    assert "<script src=" not in page
    assert "<title>" in page.split("</head>")[0]
    assert "positive" in page
    assert "positives are drawn more often" in page


def test_the_command_draws_and_says_where(
    trained_workspace: Workspace, tmp_path: Path, seeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "map.html"
    words = ["plot", "-w", str(trained_workspace.folder), "--demand", "people who will buy tea", "--users", "20"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--seeds", str(seeds), "--device", "cpu", "--output", str(output), "--json"])
    assert end.value.code == 0
    drawn = json.loads(capsys.readouterr().out)
    assert drawn["output"] == str(output)
    assert output.is_file()
    assert [marks["name"] for marks in drawn["marks"]] == ["seeds (3)", "hard negative seeds (2)", "the sentence"]


def test_a_missing_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **options: object) -> object:
        if name in ("matplotlib", "plotly"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in ("map.png", "map.html"):
        with pytest.raises(FindCLIError, match="pictures need the package") as error:
            writer(tmp_path / name)
        assert "findcli[plot]" in error.value.hint


def test_another_ending_or_folder_is_refused(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "map.svg", r"ends in \.svg"), (tmp_path / "no/map.png", "no folder")):
        with pytest.raises(FindCLIError, match=told):
            writer(path)
