"""The user's own tables: whose rows are found, and what is left of a file byte for byte."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.forgetting.source_tables import Listed, listed_in_sources, take_out
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.table_form import TableForm


def listed(path: Path, rows: int) -> Listed:
    return Listed("a table", path, rows, "user", TableForm())


@pytest.mark.parametrize(
    ("before", "rows", "after"),
    [
        ("user,x\n7,a\n8,b\n7,c\n", 2, "user,x\n8,b\n"),
        ('x;user\r\n"a\nb";7\r\n"c\nd";8\r\n', 1, 'x;user\r\n"c\nd";8\r\n'),
        ('user,note\n8,"7"\n"7","say ""no"""\n', 1, 'user,note\n8,"7"\n'),
        ("user,x\n007,a\n7,b\n", 1, "user,x\n007,a\n"),
        ("user,x\n7.0,a\n8.0,b\n", 1, "user,x\n8.0,b\n"),
    ],
)
def test_every_other_row_of_a_text_file_stays_byte_for_byte(tmp_path: Path, before: str, rows: int, after: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(before.encode())
    assert take_out(listed(path, rows), ["7"])
    assert path.read_bytes() == after.encode()


def test_another_encoding_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("user;name\n7;Müller\n8;Jürgen\n".encode("cp1252"))
    assert take_out(listed(path, 1), ["7"])
    assert path.read_bytes() == "user;name\n8;Jürgen\n".encode("cp1252")


def test_lines_of_json_and_rows_of_parquet_go(tmp_path: Path) -> None:
    lines = tmp_path / "t.jsonl"
    lines.write_text('{"user": "7", "x": 1}\n{"user": "8", "x": 7}\n')
    assert take_out(listed(lines, 1), ["7"])
    assert lines.read_text() == '{"user": "8", "x": 7}\n'
    table = tmp_path / "t.parquet"
    pl.DataFrame({"user": [7, 8, None], "x": [8, 7, 7]}).write_parquet(table)
    assert take_out(listed(table, 1), ["7"])
    assert pl.read_parquet(table).rows() == [(8, 7), (None, 7)]


def test_a_packed_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"user,x\n7,a\n8,b\n"))
    assert not take_out(listed(path, 1), ["7"])


def test_a_file_of_which_other_rows_would_go_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("user,x\n7,a\n7,b\n")
    with pytest.raises(FindCLIError, match="stays as it is"):
        take_out(listed(path, 1), ["7"])
    assert path.read_text() == "user,x\n7,a\n7,b\n"


def test_every_table_that_names_a_user_is_listed(tiny_workspace: Workspace) -> None:
    listed = listed_in_sources(tiny_workspace, ["7", "8"])
    assert [each.what for each in listed] == ["source 'orders'", "source 'searches'", "task 'tea'", "[profile]"]
    assert listed[3].rows == 2
    assert not listed_in_sources(tiny_workspace, ["1000"])


def test_a_file_of_held_out_users_is_one_of_the_users_own(tiny_workspace: Workspace) -> None:
    path = tiny_workspace.folder / "held.txt"
    path.write_text("6\n7\n77\n")
    split = replace(tiny_workspace.settings.split, users_file="held.txt")
    workspace = replace(tiny_workspace, settings=replace(tiny_workspace.settings, split=split))
    each = listed_in_sources(workspace, ["7"])[-1]
    assert (each.what, each.rows) == ("users_file of [split]", 1)
    assert take_out(each, ["7"])
    assert path.read_text() == "6\n77\n"
