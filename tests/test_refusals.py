"""What a user is told before a slip costs something: one clear error, and nothing written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.export import require_writable
from findcli.audiences.select import Selection, rank
from findcli.data.pairs import build_pairs
from findcli.data.tasks import task_names
from findcli.errors import FindCLIError
from findcli.scoring.embed import embed
from findcli.workspace.durations import parse_instant
from findcli.workspace.folder import Workspace, load_workspace


def changed(workspace: Workspace, before: str, after: str) -> Workspace:
    file = workspace.folder / "findcli.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    return load_workspace(workspace.folder)


def test_the_mean_of_words(tiny_workspace: Workspace) -> None:
    workspace = changed(tiny_workspace, 'measure = "sum"\ncolumn = "amount"', 'measure = "mean"\ncolumn = "status"')
    with pytest.raises(FindCLIError, match=r"column 'status' holds .* no numbers"):
        build_pairs(workspace)


@pytest.mark.parametrize("sentence", ["bought {category!r}", "bought {category:>3}", "bought {{x}} {category}"])
def test_a_template_with_more_than_slots(tiny_workspace: Workspace, sentence: str) -> None:
    with pytest.raises(FindCLIError, match="more in braces than a slot's name"):
        changed(tiny_workspace, 'status = "status"', f'status = "status"\nsentences = ["{sentence}"]')


def test_a_split_file_that_names_nobody(tiny_workspace: Workspace) -> None:
    (tiny_workspace.folder / "held.txt").write_text("nobody\n")
    workspace = changed(tiny_workspace, "held_out_users = 6", 'users_file = "held.txt"')
    with pytest.raises(FindCLIError, match=r"none of the held-out users in held\.txt"):
        build_pairs(workspace)


def test_a_date_long_after_the_last_event(trained_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no user has an event in the 12w before 2090"):
        embed(trained_workspace, as_of=datetime(2090, 1, 1))
    assert not trained_workspace.embeddings(datetime(2090, 1, 1)).exists()


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for path in (tmp_path / "folder.csv", tmp_path / "missing" / "a.csv", tmp_path / "a.xlsx"):
        with pytest.raises(FindCLIError):
            require_writable(path)


def test_a_percentage_of_nobody() -> None:
    ranked = rank(pl.Series("user_id", [1, 2]), pl.Series([0.1, 0.2]).to_numpy())
    with pytest.raises(FindCLIError, match="top percent is 0"):
        Selection(top_percent=0).keep(ranked)


def test_all_tasks_of_a_workspace_without_any(tiny_workspace: Workspace) -> None:
    text = (tiny_workspace.folder / "findcli.toml").read_text()
    (tiny_workspace.folder / "findcli.toml").write_text(text[: text.index("[tasks.")])
    with pytest.raises(FindCLIError, match="no task"):
        task_names(load_workspace(tiny_workspace.folder), "all")


def test_an_instant_beyond_the_calendar() -> None:
    with pytest.raises(FindCLIError, match="outside the calendar"):
        parse_instant("9999-12-31T23:59:59-05:00")
