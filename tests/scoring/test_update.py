"""An update gives what everything from nothing gives, to the bit, and computes only the users whom it concerns."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.forgetting.forget import forget
from findcli.cli.main import main
from findcli.data.events import build_events
from findcli.scoring import user_vectors
from findcli.scoring.embed import embed
from findcli.scoring.update import Update, update
from findcli.workspace.folder import Workspace, load_workspace
from tests.data.test_append import LATE, LATER, add_file, as_folder, new_orders

AS_OF = datetime(2024, 10, 7)


@pytest.fixture
def workspace(trained_workspace: Workspace) -> Workspace:
    """A trained workspace whose orders are a folder of files, embedded as of a date."""
    made = as_folder(trained_workspace)
    build_events(made)
    embed(made, as_of=AS_OF, device="cpu")
    return made


def require_equal_to_all(workspace: Workspace, done: Update) -> None:
    """The vectors that were brought up to date are those of embedding everyone."""
    before = done.embeddings.manifest
    build_events(workspace, force=True)
    whole = embed(workspace, as_of=done.as_of, device="cpu", force=True).manifest
    assert before.files == whole.files
    assert before.inputs == whole.inputs
    assert before.metrics == whole.metrics


@pytest.mark.parametrize("time", [AS_OF - timedelta(hours=3), LATE])
def test_late_rows_concern_their_users_alone(workspace: Workspace, time: datetime) -> None:
    add_file(workspace, new_orders(time))
    done = update(workspace, as_of=AS_OF, device="cpu")
    in_window = time > AS_OF - timedelta(weeks=12)
    assert (done.rows, done.whole, done.files) == (2, "", {"orders": 1})
    assert done.computed == (2 if in_window else 1)  # a user without an event in the window changes by being new
    require_equal_to_all(workspace, done)


def test_a_later_date_concerns_everyone_with_an_event_in_the_window(workspace: Workspace) -> None:
    add_file(workspace, new_orders(LATER))
    done = update(workspace, device="cpu")
    assert done.as_of == datetime(2024, 10, 21)
    assert done.computed == done.users == 61
    require_equal_to_all(workspace, done)
    update(workspace, as_of=datetime(2025, 1, 10), device="cpu")
    farther = update(workspace, as_of=datetime(2025, 1, 11), device="cpu")  # nearly nobody has an event in the window
    assert farther.computed < farther.users
    require_equal_to_all(workspace, farther)


def test_nothing_new_computes_nobody(workspace: Workspace) -> None:
    done = update(workspace, as_of=AS_OF, device="cpu")
    assert (done.rows, done.computed, done.files, done.whole) == (0, 0, {}, "")


def test_a_row_that_was_changed_concerns_its_user(workspace: Workspace) -> None:
    file = workspace.folder / "data/orders/0.parquet"
    frame = pl.read_parquet(file)
    last = frame.filter(pl.col("time") < AS_OF).tail(1)
    changed = pl.when(pl.col("time") == last["time"][0]).then(pl.col("amount") + 1).otherwise("amount")
    frame.with_columns(amount=changed).write_parquet(file)
    done = update(workspace, as_of=AS_OF, device="cpu")
    assert "changed, not only at its end" in done.whole
    assert done.computed == 1
    require_equal_to_all(workspace, done)


def test_a_changed_profile_concerns_its_user(workspace: Workspace) -> None:
    file = workspace.folder / "data/profile.parquet"
    frame = pl.read_parquet(file)
    age = pl.when(pl.col("user_id") == 5).then(79).otherwise("age")
    frame.with_columns(age=age).write_parquet(file)
    done = update(workspace, as_of=AS_OF, device="cpu")
    assert done.computed == 1
    require_equal_to_all(workspace, done)


def test_forgotten_users_stay_out(workspace: Workspace) -> None:
    forget(workspace, ["3"])
    add_file(workspace, new_orders(AS_OF - timedelta(hours=3), users=(3, 4)))
    done = update(workspace, as_of=AS_OF, device="cpu")
    assert 3 not in done.embeddings.table("users.parquet")["user_id"]
    assert done.computed == 1
    require_equal_to_all(workspace, done)


def test_interrupted_it_goes_on_where_it_was(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    add_file(workspace, new_orders(AS_OF - timedelta(hours=3)))
    with monkeypatch.context() as patch:
        patch.setattr(user_vectors.Embedder, "encode", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update(workspace, as_of=AS_OF, device="cpu")
    done = update(workspace, as_of=AS_OF, device="cpu")
    assert (done.rows, done.files) == (0, {})  # the log was finished
    assert done.computed == 2
    require_equal_to_all(workspace, done)


def test_the_command_names_what_is_out_of_date(
    finished_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = as_folder(load_workspace(shutil.copytree(finished_template, tmp_path / "shop")))
    words = ["update", "--workspace", str(made.folder), "--quiet"]
    assert run(*words) == 0
    capsys.readouterr()
    assert run(*words, "--dry-run") == 0
    assert "nothing is new" in capsys.readouterr().out
    add_file(made, new_orders(LATE))
    assert run(*words, "--dry-run", "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["whole"] == ""
    assert [Path(file).name for file in plain["new"]["orders"]] == ["1.parquet"]
    assert run(*words) == 0
    out = capsys.readouterr().out
    assert "2 new events, files read: 1 of orders" in out
    assert "they stay in use; train them again with: findcli run" in out
    assert run(*words, "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["rows"], plain["computed"]) == (0, 0)
    assert {each["stage"] for each in plain["stale"]} >= {"pairs", "aligned"}
    assert all(each["trained"] for each in plain["stale"])


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)
