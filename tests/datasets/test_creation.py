"""A new workspace is there whole or not at all, whatever a killed command left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from findcli.datasets.creation import new_workspace
from findcli.errors import FindCLIError


def fill(scratch: Path, content: str) -> None:
    (scratch / "data").mkdir()
    (scratch / "data/orders.csv").write_text(content)
    (scratch / "findcli.toml").write_text(content)


def half_written(folder: Path) -> None:
    (folder / ".new/data").mkdir(parents=True)
    (folder / ".new/data/orders.csv").write_text("ol")


def all_but_moved(folder: Path) -> None:
    half_written(folder)
    (folder / ".new.toml").write_text("old")


def moved_but_settings(folder: Path) -> None:
    all_but_moved(folder)
    (folder / ".new/data").rename(folder / "data")


@pytest.mark.parametrize("leave", [half_written, all_but_moved, moved_but_settings])
def test_what_a_killed_command_left_gives_way(tmp_path: Path, leave: Callable[[Path], None]) -> None:
    leave(tmp_path)
    with new_workspace(tmp_path) as scratch:
        fill(scratch, "new")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "data", "data/orders.csv", "findcli.toml",
    ]  # fmt: skip
    assert (tmp_path / "data/orders.csv").read_text() == (tmp_path / "findcli.toml").read_text() == "new"


@pytest.mark.parametrize("leave", [half_written, all_but_moved])
def test_data_of_the_users_own_stays(tmp_path: Path, leave: Callable[[Path], None]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine.csv").write_text("mine")
    leave(tmp_path)
    with pytest.raises(FindCLIError, match="already exists"), new_workspace(tmp_path):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "mine.csv"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with contextlib.suppress(ValueError), new_workspace(tmp_path) as scratch:
        fill(scratch, "new")
        raise ValueError
    assert list(tmp_path.iterdir()) == []
