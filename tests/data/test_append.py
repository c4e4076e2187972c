"""New rows alone give the log that all rows give, to the bit; where they may not, all are read and it says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.forgetting.forget import forget
from findcli.data import append, events
from findcli.data.events import build_events
from findcli.workspace.folder import Workspace, load_workspace

LATE, LATER = datetime(2024, 2, 3, 4, 5), datetime(2024, 10, 20, 4, 5)


def orders(workspace: Workspace) -> Path:
    return workspace.folder / "data/orders.parquet"


def as_csv(workspace: Workspace) -> Workspace:
    """The workspace with its orders as a CSV file."""
    frame = pl.read_parquet(orders(workspace))
    orders(workspace).unlink()
    frame.write_csv(workspace.folder / "data/orders.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    return _with(workspace, "data/orders.parquet", "data/orders.csv")


def as_folder(workspace: Workspace) -> Workspace:
    """The workspace with its orders as a folder of Parquet files."""
    folder = workspace.folder / "data/orders"
    folder.mkdir()
    shutil.move(orders(workspace), folder / "0.parquet")
    return _with(workspace, "data/orders.parquet", "data/orders")


def _with(workspace: Workspace, old: str, new: str) -> Workspace:
    file = workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace(old, new))
    return load_workspace(workspace.folder)


def new_orders(*times: datetime, users: tuple[int, ...] = (3, 999)) -> pl.DataFrame:
    rows = [(user, time, "plain tea", "tea", "food", 4.5, "coupon") for user in users for time in times]
    schema = ["user_id", "time", "item", "category", "department", "amount", "status"]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("time").cast(pl.Datetime("us")))


def add_to_csv(workspace: Workspace, rows: pl.DataFrame) -> None:
    with (workspace.folder / "data/orders.csv").open("a") as file:
        file.write(rows.write_csv(include_header=False, datetime_format="%Y-%m-%d %H:%M:%S"))


def add_file(workspace: Workspace, rows: pl.DataFrame) -> None:
    rows.write_parquet(workspace.folder / "data/orders/1.parquet")


def rewrite(workspace: Workspace, rows: pl.DataFrame) -> None:
    pl.concat([pl.read_parquet(orders(workspace)), rows]).write_parquet(orders(workspace))


def require_equal_to_all(workspace: Workspace, updated: append.Updated) -> None:
    """The log that was updated is that of a workspace made from nothing."""
    before = updated.run.manifest
    whole = build_events(workspace, force=True).manifest
    assert before.files == whole.files
    assert before.inputs == whole.inputs
    assert before.metrics == whole.metrics


@pytest.mark.parametrize("time", [LATER, LATE])
@pytest.mark.parametrize(("form", "add"), [(as_csv, add_to_csv), (as_folder, add_file)])
def test_new_rows_alone_are_read(
    tiny_workspace: Workspace,
    form: Callable[[Workspace], Workspace],
    add: Callable[[Workspace, pl.DataFrame], None],
    time: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = form(tiny_workspace)
    build_events(workspace)
    add(workspace, new_orders(time))
    with monkeypatch.context() as patch:
        patch.setattr(events, "write_log", None)  # reading all of them would fail
        updated = append.update_events(workspace)
    assert (updated.rows, updated.whole, list(updated.new.files)) == (2, "", ["orders"])
    assert events.stage_inputs(workspace) == updated.run.manifest.inputs  # findcli run has nothing to do
    require_equal_to_all(workspace, updated)


def test_nothing_new_is_nothing_done(tiny_workspace: Workspace) -> None:
    run = build_events(tiny_workspace)
    updated = append.update_events(tiny_workspace)
    assert updated.new.nothing
    assert updated.run.manifest == run.manifest


def test_a_file_that_was_written_again_is_read_whole(tiny_workspace: Workspace) -> None:
    build_events(tiny_workspace)
    rewrite(tiny_workspace, new_orders(LATER))
    updated = append.update_events(tiny_workspace)
    assert updated.whole == "orders.parquet of source 'orders' changed, not only at its end"
    assert updated.rows == 2
    require_equal_to_all(tiny_workspace, updated)


def test_a_changed_row_is_no_new_row(tiny_workspace: Workspace) -> None:
    workspace = as_csv(tiny_workspace)
    build_events(workspace)
    file = workspace.folder / "data/orders.csv"
    file.write_text(file.read_text().replace("coupon", "credit", 1))
    add_to_csv(workspace, new_orders(LATER))
    updated = append.update_events(workspace)
    assert updated.whole == "orders.csv of source 'orders' changed, not only at its end"
    require_equal_to_all(workspace, updated)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("3,20.10.2024 10:00,plain tea,tea,food,4.5,coupon\n", "orders"),
        ('3,2024-10-20 10:00:00,plain tea,tea,food,"4,5",coupon\n', "orders"),
    ],
)
def test_rows_that_read_otherwise_are_not_read_alone(tiny_workspace: Workspace, text: str, why: str) -> None:
    workspace = as_csv(tiny_workspace)
    build_events(workspace)
    with (workspace.folder / "data/orders.csv").open("a") as file:
        file.write(text)
    new = append.news(workspace)
    assert not new.whole
    draft = workspace.folder / "links"
    read = append.other_reading(
        events.open_run(workspace.run("events"), "events").manifest.metrics["sources"],
        append.new_rows(workspace, new, draft),
    )
    assert why in read


def test_a_possible_copy_is_decided_over_all_rows(tiny_workspace: Workspace) -> None:
    workspace = as_folder(tiny_workspace)
    build_events(workspace)
    first = pl.read_parquet(workspace.folder / "data/orders/0.parquet").head(1)
    add_file(workspace, first.with_columns(amount=pl.lit(77.0)))
    updated = append.update_events(workspace)
    assert "may be its copy" in updated.whole
    require_equal_to_all(workspace, updated)


def test_a_forgotten_user_does_not_come_back(tiny_workspace: Workspace) -> None:
    workspace = as_folder(tiny_workspace)
    build_events(workspace)
    forget(workspace, ["3"])
    add_file(workspace, new_orders(LATER, users=(3, 4)))
    again = append.update_events(workspace)
    assert (again.whole, again.rows) == ("", 1)
    ids = pl.concat([again.run.table(f"later/{part}") for part in events.parts(again.run)])["user_id"]
    assert 3 not in ids
    assert 4 in ids
    require_equal_to_all(workspace, again)


def test_an_interrupted_update_leaves_the_log_as_it_was(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = as_folder(tiny_workspace)
    before = build_events(workspace).manifest
    add_file(workspace, new_orders(LATER))
    with monkeypatch.context() as patch:
        patch.setattr(events, "write_part", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            append.update_events(workspace)
    assert events.open_run(workspace.run("events"), "events").manifest == before
    require_equal_to_all(workspace, append.update_events(workspace))
