"""Files of users to exclude: every form they come in, ids compared as seeds' are, and lists that match nobody."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.eligible.listed import read_listed
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

NUMBERS = pl.Series("user_id", [1, 2, 3, 17, 40])
WORDS = pl.Series("user_id", ["u-1", "U-2", "007", "7", "ä 9"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "user_id\n3\n17\n"),
        ("a.csv", "17\n3\n"),
        ("a.txt", "user_id\n 3 \n17\n17\n\n"),
        ("a.csv", "name;user_id\nx;3\ny;17\n"),
        ("a.jsonl", '{"user_id": 3}\n{"user_id": 17}\n'),
        ("a.csv", "rank,user_id,score\n1,17,0.5\n2,3,0.1\n"),
        ("a.csv", "user_id\n3.0\n17.0\n"),
    ],
)
def test_every_form_of_list_names_the_same_users(
    tiny_workspace: Workspace, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    listed = read_listed(tmp_path / name, NUMBERS, tiny_workspace)
    assert NUMBERS.filter(pl.Series(listed.names)).to_list() == [3, 17]
    assert (listed.ids, listed.strangers, listed.warning) == (2, 0, None)


def test_an_earlier_audience_excludes_its_users(tiny_workspace: Workspace, tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [17, 3], "score": [0.2, 0.1], "rank": [1, 2]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert read_listed(tmp_path / "a.parquet", NUMBERS, tiny_workspace).names.tolist() == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_plain_list_has_no_header_to_lose(tiny_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("u-1\n007\n")
    listed = read_listed(tmp_path / "a.txt", WORDS, tiny_workspace)
    assert WORDS.filter(pl.Series(listed.names)).to_list() == ["u-1", "007"]
    (tmp_path / "b.txt").write_text("customer\nu-1\nä 9\n")
    listed = read_listed(tmp_path / "b.txt", WORDS, tiny_workspace)
    assert WORDS.filter(pl.Series(listed.names)).to_list() == ["u-1", "ä 9"]
    assert listed.ids == 2


def test_ids_that_are_nobody_are_counted_and_a_list_of_them_is_warned_of(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("user_id\nu-1\nu-2\nnobody\n")
    listed = read_listed(tmp_path / "a.csv", WORDS, tiny_workspace)
    assert (listed.ids, listed.strangers, listed.other_case) == (3, 2, 1)
    assert "'u-2'" in str(listed.warning)
    (tmp_path / "a.csv").write_text("user_id\na@b.c\nd@e.f\n")
    assert "none of the 2 ids" in str(read_listed(tmp_path / "a.csv", WORDS, tiny_workspace).warning)


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "there is no file"), ("a,b\n1,2\n", "no column user_id, only: a, b")]
)
def test_a_file_that_names_nobody_is_refused(
    tiny_workspace: Workspace, tmp_path: Path, content: str | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_text(content)
    with pytest.raises(FindCLIError, match=problem):
        read_listed(tmp_path / "a.csv", NUMBERS, tiny_workspace)
