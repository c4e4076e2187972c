"""Consent: missing is no, the latest row counts, and nothing but a yes is a yes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from findcli.audiences.eligible.consent import agreed_and_objecting, require_purpose
from findcli.audiences.experiment.assign import open_experiment
from findcli.audiences.handoff.export import export
from findcli.audiences.saved import Record, Sizes, save_audience
from findcli.audiences.sets import combine
from findcli.data.reader.yes_no import NO, YES
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, load_workspace

USERS = pl.Series("user_id", [*range(60)])
NOW = datetime(2024, 9, 10, tzinfo=UTC)


def with_consent(workspace: Workspace, rows: str, keys: str = "") -> Workspace:
    (workspace.folder / "consent.csv").write_text(rows)
    path = workspace.folder / "findcli.toml"
    text = path.read_text().partition("\n[consent]")[0]
    purposes = '{ ads = "ads", mail = "mail" }' if "purposes" not in keys else ""
    path.write_text(
        f'{text}\n[consent]\npath = "consent.csv"\n{keys}\n' + (f"purposes = {purposes}\n" if purposes else "")
    )
    return load_workspace(workspace.folder)


def agreed(workspace: Workspace, purpose: str | None = "ads") -> list[int]:
    return USERS.filter(pl.Series(agreed_and_objecting(workspace, USERS, purpose, now=NOW)[0])).to_list()


def test_who_is_not_in_the_table_has_not_agreed(tiny_workspace: Workspace) -> None:
    workspace = with_consent(tiny_workspace, "user_id,ads,mail\n1,yes,no\n2,,yes\n3,No,yes\n4,TRUE ,\n99,yes,yes\n")
    assert agreed(workspace) == [1, 4]
    assert agreed(workspace, "mail") == [2, 3]


def test_one_no_is_enough_where_no_row_is_the_latest(tiny_workspace: Workspace) -> None:
    workspace = with_consent(tiny_workspace, "user_id,ads,mail\n1,1,1\n1,0,1\n2,1,1\n2,1,0\n")
    assert agreed(workspace) == [2]


def test_the_latest_row_counts_and_a_later_one_not_yet(tiny_workspace: Workspace) -> None:
    rows = (
        "user_id;when;ads;mail\n1;2024-01-01;1;1\n1;2024-02-01;0;1\n2;2024-01-01;0;0\n2;2024-03-01;1;1\n"
        "3;2024-01-01;1;1\n3;2025-01-01;0;0\n4;2024-01-01;1;1\n4;;0;0\n5;2024-01-01;1;1\n5;2024-01-01;0;1\n"
    )
    assert agreed(with_consent(tiny_workspace, rows, 'time = "when"')) == [2, 3]


def test_a_purpose_is_needed_and_known(tiny_workspace: Workspace) -> None:
    workspace = with_consent(tiny_workspace, "user_id,ads,mail\n1,1,1\n")
    with pytest.raises(FindCLIError, match="none is named") as refused:
        require_purpose(workspace.settings.consent, None)
    assert "--purpose ads" in str(refused.value.hint)
    with pytest.raises(FindCLIError, match="no purpose 'sms'"):
        agreed_and_objecting(workspace, USERS, "sms")
    with pytest.raises(FindCLIError, match=r"no purpose 'ads' in \[consent\]"):
        agreed_and_objecting(load_workspace(_without(tiny_workspace)), USERS, "ads")


def _without(workspace: Workspace) -> Path:
    path = workspace.folder / "findcli.toml"
    path.write_text(path.read_text().partition("\n[consent]")[0])
    return workspace.folder


@pytest.mark.parametrize("strange", ["maybe", "2", "2024-01-01", "ja"])
def test_a_value_that_is_neither_is_refused_not_guessed(tiny_workspace: Workspace, strange: str) -> None:
    workspace = with_consent(tiny_workspace, f"user_id,ads,mail\n1,yes,no\n2,{strange},no\n")
    with pytest.raises(FindCLIError, match=f"'ads' of the table of consent holds '{strange}'"):
        agreed(workspace)


def test_a_missing_table_or_column_ranks_nobody(tiny_workspace: Workspace) -> None:
    workspace = with_consent(tiny_workspace, "user_id,ads\n1,yes\n")
    with pytest.raises(FindCLIError, match="has no column mail"):
        agreed(workspace, "mail")
    (workspace.folder / "consent.csv").unlink()
    with pytest.raises(FindCLIError, match="no table of consent"):
        agreed(workspace)


def test_an_objection_is_out_whatever_was_agreed(tiny_workspace: Workspace) -> None:
    keys = 'objection = "stop"'
    workspace = with_consent(tiny_workspace, "user_id,ads,mail,stop\n1,1,1,1\n2,1,1,0\n3,1,1,\n1,1,1,0\n", keys)
    _, objecting = agreed_and_objecting(workspace, USERS, "ads")
    assert USERS.filter(pl.Series(objecting)).to_list() == [1]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.lists(st.tuples(st.integers(0, 59), st.sampled_from([*YES, *NO, ""])), min_size=1, max_size=80))
def test_nobody_agreed_who_said_no_anywhere_or_nothing(tiny_workspace: Workspace, rows: list[tuple[int, str]]) -> None:
    lines = "".join(f"{user},{value},1\n" for user, value in rows)
    workspace = with_consent(tiny_workspace, "user_id,ads,mail\n" + lines)
    said = {user: [value for other, value in rows if other == user] for user, _ in rows}
    assert agreed(workspace) == sorted(user for user, values in said.items() if set(values) <= set(YES))


def test_a_combined_audience_is_exported_for_a_purpose_alone(tiny_workspace: Workspace, tmp_path: Path) -> None:
    workspace = with_consent(tiny_workspace, "user_id,ads,mail\n1,1,0\n2,0,1\n")
    for name, purpose in (("one", "ads"), ("other", "mail")):
        record = Record(demands=["tea"], made_by="target", sizes=Sizes(selected=2), details={"purpose": purpose})
        save_audience(workspace, name, pl.DataFrame({"user_id": [1, 2]}), record)
    combine(workspace, "union", ["one", "other"], save="both")
    with pytest.raises(FindCLIError, match="none is named"):
        export(workspace, "both", tmp_path / "both.csv")
    assert export(workspace, "both", tmp_path / "both.csv", purpose="ads").users == 1
    combine(workspace, "intersect", ["one", "one"], save="same")
    assert export(workspace, "same", tmp_path / "same.csv").users == 1


def test_an_export_warns_of_users_whom_another_experiment_holds_out(tiny_workspace: Workspace, tmp_path: Path) -> None:
    experiment = open_experiment(tiny_workspace, "spring", 0.5)
    record = Record(demands=["tea"], made_by="target", sizes=Sizes(selected=60))
    save_audience(tiny_workspace, "tea", pl.DataFrame({"user_id": range(60)}), record)
    held = int(experiment.held_out(tiny_workspace, pl.Series(range(60))).sum())
    done = export(tiny_workspace, "tea", tmp_path / "tea.csv")
    assert f"{held} of these users are held out of the experiment spring" in done.warnings[0]
