"""Saved audiences: whole or not at all, equal sizes everywhere, refreshed and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from findcli.audiences import saved as module
from findcli.audiences.export import require_writable
from findcli.audiences.handoff.export import export
from findcli.audiences.log import read_log
from findcli.audiences.saved import Drop, Record, Sizes, list_audiences, open_audience, remove_audience, save_audience
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

DEMAND = "The user purchased tea."


def record(users: int, demand: str = DEMAND) -> Record:
    drops = [Drop(reason="have objected", users=2)]
    return Record(demands=[demand], made_by="target", sizes=Sizes(embedded=60, passed=50, selected=users), drops=drops)


def listed(*ids: object) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(ids), "score": [1.0] * len(ids)})


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert not end.value.code


@pytest.mark.parametrize("terms", [{"experiment": {"name": "spring"}}, {"purpose": "spring"}])
def test_a_refresh_keeps_the_experiment_and_the_purpose(tiny_workspace: Workspace, terms: dict[str, object]) -> None:
    save_audience(tiny_workspace, "tea", listed("a"), replace(record(1), details=terms))
    with pytest.raises(FindCLIError, match=r"was chosen for the .* spring") as refused:
        save_audience(tiny_workspace, "tea", listed("b"), record(1))
    assert f"--{next(iter(terms))} spring" in str(refused.value.hint)
    save_audience(tiny_workspace, "tea", listed("b"), replace(record(1), details=terms))
    save_audience(tiny_workspace, "tea", listed("c"), record(1), overwrite=True)


def test_an_audience_comes_back_as_it_was_saved(tiny_workspace: Workspace) -> None:
    users = listed("b", "007").with_columns(group=pl.Series(["target", "control"]))
    change = save_audience(tiny_workspace, "tea", users, record(2))
    assert (change.entered, change.left) == (2, 0)
    again = open_audience(tiny_workspace, "tea")
    assert again.users().columns == ["user_id", "score", "probability", "rank", "group"]
    assert again.users()["user_id"].to_list() == ["b", "007"]
    assert again.record.drops == [Drop(reason="have objected", users=2)]
    assert again.record.created[-6] in "+-"
    assert [each.name for each in list_audiences(tiny_workspace)] == ["tea"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_a_refresh_counts_who_entered_and_left(tiny_workspace: Workspace, first: set[int], then: set[int]) -> None:
    for ids in (first, then):
        save_audience(tiny_workspace, "tea", listed(*ids), record(len(ids)), overwrite=True)
    last = read_log(tiny_workspace, "tea")[-1]
    assert (last.details["entered"], last.details["left"]) == (len(then - first), len(first - then))
    assert last.users == len(then) == open_audience(tiny_workspace, "tea").users().height


def test_the_log_counts_and_names_nobody(tiny_workspace: Workspace) -> None:
    save_audience(tiny_workspace, "tea", listed("customer-71934"), record(1))
    assert "customer-71934" not in (tiny_workspace.audiences / "log.jsonl").read_text()


def test_a_name_belongs_to_one_demand(tiny_workspace: Workspace) -> None:
    save_audience(tiny_workspace, "tea", listed(1), record(1))
    save_audience(tiny_workspace, "tea", listed(2), record(1))
    with pytest.raises(FindCLIError, match="for another demand") as error:
        save_audience(tiny_workspace, "tea", listed(3), record(1, "The user purchased soap."))
    assert "--overwrite" in error.value.hint
    assert open_audience(tiny_workspace, "tea").users()["user_id"].to_list() == [2]


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a b", "log.jsonl"])
def test_a_name_is_a_plain_word(tiny_workspace: Workspace, name: str) -> None:
    with pytest.raises(FindCLIError, match="not a valid audience name"):
        save_audience(tiny_workspace, name, listed(1), record(1))


def test_a_record_of_another_size_is_refused(tiny_workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="says 3 users"):
        save_audience(tiny_workspace, "tea", listed(1, 2), record(3))
    with pytest.raises(ValueError, match="twice"):
        save_audience(tiny_workspace, "tea", listed(1, 1), record(2))


def test_an_interrupted_save_leaves_what_was_there(tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    save_audience(tiny_workspace, "tea", listed(1), record(1))

    def stop(_: Path) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "hash_file", stop)
    with pytest.raises(KeyboardInterrupt):
        module.save_audience(tiny_workspace, "soap", listed(2), record(1))
    monkeypatch.undo()
    assert [each.name for each in list_audiences(tiny_workspace)] == ["tea"]
    assert not list(tiny_workspace.audiences.glob(".*.draft"))
    (tiny_workspace.audiences / "tea").rename(tiny_workspace.audiences / ".tea.old")  # died between two renames
    assert [each.name for each in list_audiences(tiny_workspace)] == ["tea"]


def test_a_list_that_was_changed_by_hand_is_refused(tiny_workspace: Workspace) -> None:
    saved = save_audience(tiny_workspace, "tea", listed(1), record(1)).saved
    listed(1, 2).write_parquet(saved.folder / "users.parquet")
    with pytest.raises(FindCLIError, match="not the list that its manifest speaks of"):
        open_audience(tiny_workspace, "tea").users()


def test_a_removed_audience_stays_in_the_log(tiny_workspace: Workspace) -> None:
    save_audience(tiny_workspace, "tea", listed(1), record(1))
    remove_audience(tiny_workspace, "tea")
    assert not list_audiences(tiny_workspace)
    assert [entry.action for entry in read_log(tiny_workspace)] == ["saved", "removed"]


def test_a_torn_line_of_the_log_is_one_unreadable_entry(tiny_workspace: Workspace) -> None:
    save_audience(tiny_workspace, "tea", listed(1), record(1))
    with (tiny_workspace.audiences / "log.jsonl").open("a") as stream:
        stream.write('{"time": "2024')
    save_audience(tiny_workspace, "tea", listed(2), record(1))
    assert [entry.action for entry in read_log(tiny_workspace)] == ["saved", "unreadable", "refreshed"]


@pytest.mark.parametrize("selection", [("--top-k", 7), ("--top-percent", 30), ("--min-probability", 0.55), ("--all",)])
def test_target_saves_what_it_prints(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], selection: tuple[object, ...]
) -> None:
    """Sizes in the output, the file, the manifest, the log and an export are one number."""
    words = ["target", DEMAND, "--where", "age >= 30", *selection, "-w", trained_workspace.folder]
    run(*words, "--save", "tea", "-o", tmp_path / "tea.csv", "--json")
    printed = json.loads(capsys.readouterr().out)[0]
    saved = open_audience(trained_workspace, "tea")
    written = pl.read_csv(tmp_path / "tea.csv")
    sizes = saved.record.sizes
    assert printed["selected"] == len(written) == sizes.selected == len(saved.users())
    assert printed["selected"] == read_log(trained_workspace, "tea")[0].users
    assert printed["selected"] == export(trained_workspace, "tea", tmp_path / "again.csv").users
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "tea.csv").read_bytes()
    assert printed["users"] == sizes.embedded
    assert printed["where"]["users"] == sizes.passed
    assert written["user_id"].to_list() == saved.users()["user_id"].to_list()
    assert printed["saved"] == {"name": "tea", "entered": sizes.selected, "left": 0}
    assert saved.record.reading
    assert saved.record.model["aligned"]
    run(*words, "--save", "tea")
    assert f"saved {sizes.selected} users as tea: 0 entered, 0 left" in capsys.readouterr().out


def test_several_demands_are_not_saved_under_one_name(trained_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "demands.txt").write_text("tea\nsoap\n")
    with pytest.raises(SystemExit) as end:
        main(
            [
                "target",
                "--demands",
                str(tmp_path / "demands.txt"),
                "--save",
                "both",
                "-w",
                str(trained_workspace.folder),
            ]
        )
    assert end.value.code == 2


def test_no_file_is_written_over_what_findcli_keeps(trained_workspace: Workspace) -> None:
    save_audience(trained_workspace, "tea", listed(1), record(1))
    for path in ("audiences/tea/users.parquet", "runs/pairs/users.parquet"):
        with pytest.raises(FindCLIError, match="findcli keeps itself"):
            require_writable(trained_workspace.folder / path, workspace=trained_workspace, force=True)
