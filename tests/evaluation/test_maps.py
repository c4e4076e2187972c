"""Maps of users: what is drawn, in which file, and what is said where a library is missing."""

from __future__ import annotations

import builtins
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from findcli.audiences.prompts.store import score_prompt
from findcli.audiences.prompts.tune import tune_prompt
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.evaluation.map_drawing import UserMap, writer
from findcli.evaluation.maps import plot_users
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    pl.DataFrame({"user_id": [0, 6, 12, 1, 7], "label": [1, 1, 1, 0, 0]}).write_csv(tmp_path / "seeds.csv")
    return tmp_path / "seeds.csv"


def ids(hover: list[str]) -> list[int]:
    return [int(re.fullmatch(r"user (\d+)(<br>.*)?", line)[1]) for line in hover]  # type: ignore[index]


def place_of(user_map: UserMap) -> dict[int, np.ndarray]:
    return dict(zip(ids(user_map.hover), user_map.places, strict=True))


def test_a_picture_shows_outcomes_seeds_and_the_prompt_before_and_after(
    trained_workspace: Workspace, tmp_path: Path, seeds: Path
) -> None:
    sentence = "people who will buy tea"
    tune_prompt(trained_workspace, sentence, seeds, "tea", device="cpu")
    user_map = plot_users(
        trained_workspace, tmp_path / "map.png", task="tea", prompt="tea", seeds=seeds, users=40, device="cpu"
    )
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    positives, wanted, unwanted, before, after = user_map.marks
    drawn = place_of(user_map)
    labels = pl.read_parquet(trained_workspace.folder / "data/tea.parquet")
    assert sorted(ids(positives.hover)) == sorted(set(labels.filter(pl.col("label"))["user_id"]) & set(drawn))
    assert (ids(wanted.hover), ids(unwanted.hover)) == ([0, 6, 12], [1, 7])
    assert [marks.name for marks in user_map.marks] == [
        f"positives ({len(positives.hover)})", "seeds (3)", "hard negative seeds (2)",
        "the prompt before tuning", "the prompt after tuning",
    ]  # fmt: skip
    for marks in (positives, wanted, unwanted):
        np.testing.assert_array_equal(marks.places, [drawn[user] for user in ids(marks.hover)])

    engine = open_engine(trained_workspace, as_of=trained_workspace.settings.tasks["tea"].as_of, device="cpu")
    scores = {"before": engine.score([sentence]).scores[:, 0], "after": score_prompt(engine, "tea").scores[:, 0]}
    for marks, ranked in zip((before, after), scores.values(), strict=True):
        first = [engine.users[int(row)] for row in np.argsort(-ranked, kind="stable")[:10]]
        np.testing.assert_array_equal(marks.places[0], np.median([drawn[user] for user in first], axis=0))
    np.testing.assert_array_equal(user_map.moved, [before.places[0], after.places[0]])
    by_user = dict(zip(engine.users, scores["after"], strict=True))
    np.testing.assert_array_equal(user_map.values, [by_user[user] for user in drawn])

    again = plot_users(
        trained_workspace, tmp_path / "again.png", task="tea", prompt="tea", seeds=seeds, users=40, device="cpu"
    )
    np.testing.assert_array_equal(again.places, user_map.places)


def test_a_page_holds_all_it_needs(trained_workspace: Workspace, tmp_path: Path) -> None:
    user_map = plot_users(trained_workspace, tmp_path / "map.html", task="tea", users=30, device="cpu")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "<script src=" not in page  # it needs no network
    assert "<title>" in page.split("</head>")[0]
    everyone, positives = plotted(page)
    assert everyone["text"] == user_map.hover
    assert everyone["name"] == f"users ({len(user_map.hover)})"
    labels = dict(pl.read_parquet(trained_workspace.folder / "data/tea.parquet").iter_rows())
    assert user_map.hover == [
        f"user {user}<br>{'positive' if labels[user] else 'negative'}" for user in ids(user_map.hover)
    ]
    assert positives["text"] == [line for line in user_map.hover if line.endswith("<br>positive")]
    assert user_map.title == "workspace: buys tea"
    note = f"{len(user_map.hover)} of 60 users, histories before 2024-09-09, t-SNE of their vectors"
    assert user_map.note == f"{note}; positives are drawn more often"
    assert user_map.title in page


def plotted(page: str) -> list[dict[str, Any]]:
    """The groups that a page draws."""
    start = page.index("[", page.index("Plotly.newPlot("))
    return json.JSONDecoder().raw_decode(page, start)[0]


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
    for path, told in (
        (tmp_path / "map.svg", r"ends in \.svg"),
        (tmp_path / "map", "has no file extension"),
        (tmp_path / "no/map.png", "no folder"),
    ):
        with pytest.raises(FindCLIError, match=told):
            writer(path)
