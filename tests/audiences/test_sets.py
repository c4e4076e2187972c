"""Audiences out of audiences: sets of ids of any type, whoever is in a control group, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.log import read_log
from findcli.audiences.saved import Record, Sizes, open_audience, save_audience
from findcli.audiences.sets import Operation, combined, difference
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

USERS = st.dictionaries(st.integers(0, 12).map(str), st.sampled_from([None, "target", "control"]))


def frame(groups: dict[str, str | None]) -> pl.DataFrame:
    schema = {"user_id": pl.String, "group": pl.String}
    return pl.DataFrame({"user_id": list(groups), "group": list(groups.values())}, schema=schema)


def save(workspace: Workspace, name: str, ids: list[object], groups: list[str | None] | None = None) -> None:
    columns = {"score": [float(-i) for i in range(len(ids))], "probability": [0.5] * len(ids)}
    users = pl.DataFrame({"user_id": ids, **columns, "rank": list(range(1, len(ids) + 1))})
    users = users.with_columns(group=pl.Series(groups or [None] * len(ids), dtype=pl.String))
    record = Record(demands=[name], made_by="target", sizes=Sizes(selected=len(ids)), as_of="2024-09-09T00:00:00+00:00")
    save_audience(workspace, name, users, record)


def run(*words: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert (end.value.code or 0) == code


@given(st.lists(USERS, min_size=2, max_size=4))
def test_the_operations_are_those_of_sets(lists: list[dict[str, str | None]]) -> None:
    ids = [set(each) for each in lists]
    wanted = {"union": set.union(*ids), "intersect": set.intersection(*ids), "minus": ids[0].difference(*ids[1:])}
    for operation, users in wanted.items():
        result = combined(operation, [frame(each) for each in lists])  # type: ignore[arg-type]
        assert result["user_id"].is_unique().all()
        assert set(result["user_id"]) == users


@given(st.lists(USERS, min_size=2, max_size=4), st.sampled_from(["union", "intersect", "minus"]))
def test_control_users_stay_control_users(lists: list[dict[str, str | None]], operation: Operation) -> None:
    result = combined(operation, [frame(each) for each in lists])
    for user, group in result.select("user_id", "group").iter_rows():
        groups = {each[user] for each in lists if user in each}
        assert group == ("control" if "control" in groups else "target" if "target" in groups else None)


def test_a_file_of_text_meets_ids_that_are_numbers(tiny_workspace: Workspace, tmp_path: Path) -> None:
    save(tiny_workspace, "tea", [3, 7, 11])
    (tmp_path / "mailed.csv").write_text("user_id\n7\n011\n")
    run("audience", "minus", "tea", tmp_path / "mailed.csv", "--save", "rest", "-w", tiny_workspace.folder)
    rest = open_audience(tiny_workspace, "rest")
    assert rest.users()["user_id"].to_list() == [3, 11]  # 011 is another id
    assert rest.users()["rank"].to_list() == [1, 2]
    assert rest.record.made_of == ["tea", str(tmp_path / "mailed.csv")]
    assert rest.record.sizes == Sizes(passed=3, selected=2)
    assert rest.record.expected == 1.0
    assert sum(drop.users for drop in rest.record.drops) == 1
    assert rest.record.as_of == "2024-09-09T00:00:00+00:00"
    assert read_log(tiny_workspace, "rest")[0].action == "combined"


def test_a_union_has_no_scores(tiny_workspace: Workspace) -> None:
    save(tiny_workspace, "tea", [3, 7])
    save(tiny_workspace, "soap", [7, 5])
    run("audience", "union", "tea", "soap", "--save", "both", "-w", tiny_workspace.folder)
    both = open_audience(tiny_workspace, "both")
    assert both.users()["user_id"].to_list() == [3, 7, 5]
    assert both.users()["score"].null_count() == 3
    assert both.record.expected is None
    assert both.record.demands == ["tea", "soap"]


def test_diff_says_in_numbers_who_moved_and_lists_them(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tiny_workspace, "may", [1, 2, 3])
    save(tiny_workspace, "june", [3, 4])
    run("audience", "diff", "may", "june", "-o", tmp_path / "moved.csv", "-w", tiny_workspace.folder)
    assert "from may to june: 1 entered, 2 left, 1 stayed" in capsys.readouterr().out
    assert (tmp_path / "moved.csv").read_text() == "user_id,change\n4,entered\n1,left\n2,left\n"


def test_who_is_held_out_is_in_no_list_of_changes(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tiny_workspace, "may", [1, 2], ["control", "target"])
    save(tiny_workspace, "june", [3, 4], ["target", "control"])
    run("audience", "diff", "may", "june", "-o", tmp_path / "moved.csv", "-w", tiny_workspace.folder)
    assert (tmp_path / "moved.csv").read_text() == "user_id,change\n3,entered\n2,left\n"
    out = capsys.readouterr().out
    assert "2 entered, 2 left, 0 stayed" in out
    assert "2 who are held out are in no file" in out


@given(first=USERS, second=USERS)
def test_a_difference_adds_up(first: dict[str, str | None], second: dict[str, str | None]) -> None:
    entered = set(combined("minus", [frame(second), frame(first)])["user_id"])
    assert entered == set(second) - set(first)
    union = combined("union", [frame(first), frame(second)])
    both = combined("intersect", [frame(first), frame(second)])
    assert len(union) == len(first) + len(second) - len(both)


def test_the_audiences_are_listed_and_shown(tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run("audience", "list", "-w", tiny_workspace.folder)
    assert "no audiences yet" in capsys.readouterr().out
    save(tiny_workspace, "tea", [1, 2, 3], [None, "target", "control"])
    run("audience", "list", "-w", tiny_workspace.folder)
    assert "2024-09-09" in capsys.readouterr().out
    run("audience", "show", "tea", "-w", tiny_workspace.folder)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "in the audience 3" in lines
    assert "of them in the control group, never exported 1" in lines
    run("audience", "show", "tea", "--json", "-w", tiny_workspace.folder)
    assert json.loads(capsys.readouterr().out)["sizes"]["selected"] == 3
    run("audience", "log", "-w", tiny_workspace.folder)
    assert "saved" in capsys.readouterr().out
    run("audience", "remove", "tea", "-w", tiny_workspace.folder)
    run("audience", "show", "tea", "-w", tiny_workspace.folder, code=1)
    assert "findcli target" in capsys.readouterr().err


def test_what_cannot_be_combined_says_why(tiny_workspace: Workspace, tmp_path: Path) -> None:
    save(tiny_workspace, "tea", [1])
    with pytest.raises(FindCLIError, match="there is no audience 'coffee'"):
        difference(tiny_workspace, "tea", "coffee")
    with pytest.raises(FindCLIError, match="there is no file"):
        difference(tiny_workspace, "tea", "coffee.csv")
    (tmp_path / "people.csv").write_text("customer,x\n1,2\n3,4\n")
    with pytest.raises(FindCLIError, match="no column user_id"):
        difference(tiny_workspace, "tea", str(tmp_path / "people.csv"))
    run("audience", "union", "tea", "--save", "one", "-w", tiny_workspace.folder, code=1)
