"""What `check` finds in a workspace's tables."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from findcli.data.check import Report, check_workspace
from findcli.workspace.folder import load_workspace, write_settings

START = datetime(2024, 1, 1)


def bills(**changes: list[Any]) -> pl.DataFrame:
    """Twenty users with a bill a week over a year."""
    rows = [(user, START + timedelta(weeks=week, hours=user)) for user in range(20) for week in range(52)]
    table = pl.DataFrame(rows, schema=["user_id", "at", "item"][:2], orient="row")
    return table.with_columns(item=pl.lit("tea"), **{name: pl.Series(values) for name, values in changes.items()})


def check(folder: Path, table: pl.DataFrame | str, *, source: dict[str, Any] | None = None, **tables: Any) -> Report:
    if isinstance(table, str):
        (folder / "bills.csv").write_text(table)
    else:
        table.write_csv(folder / "bills.csv")
    entry = {
        "name": "bills",
        "path": "bills.csv",
        "families": ["purchase"],
        "user": "user_id",
        "time": "at",
        "item": "item",
    }
    values = {
        "windows": {"train_until": date(2024, 10, 1)},
        "sources": [{**entry, **(source or {})}],
        **tables,
    }
    write_settings(folder, values, header="a test")
    return check_workspace(load_workspace(folder))


def told(report: Report) -> str:
    return "\n".join(f"{problem.what} | {problem.fix}" for problem in report.problems)


def test_a_sound_workspace_is_a_go(tmp_path: Path) -> None:
    report = check(tmp_path, bills())
    assert report.go
    assert report.problems == ()
    (source,) = report.sources
    assert (source.rows, source.usable, source.users, source.duplicates) == (1040, 1040, 20, 0)
    assert source.first == START
    assert source.before == sum(
        START + timedelta(weeks=w, hours=u) < datetime(2024, 10, 1) for u in range(20) for w in range(52)
    )
    assert report.users == 20
    assert 0 < report.held_out < 20
    # 2024-07-30 and every four weeks before it, 13 weeks after the first event at the earliest.
    assert report.cutoffs == 5


def test_nothing_is_written(tmp_path: Path) -> None:
    check(tmp_path, bills())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bills.csv", "findcli.toml"]


def test_rows_without_user_or_time_are_counted_and_left_out(tmp_path: Path) -> None:
    table = bills().with_row_index()
    row = pl.col("index")
    table = table.with_columns(
        user_id=pl.when(row != 1).then("user_id"), at=pl.when(row > 2).then("at"), item=pl.when(row != 9).then("item")
    )
    report = check(tmp_path, table.drop("index"))
    assert report.go
    assert report.sources[0].missing == {"user": 1, "time": 3, "item": 1}
    assert report.sources[0].usable == 1040 - 3
    assert "3 rows without time" in told(report)


def test_repeated_rows_are_refused_unless_the_source_says_what_they_are(tmp_path: Path) -> None:
    table = pl.concat([bills(), bills().head(3)])
    folders = [tmp_path / name for name in ("error", "keep", "drop")]
    for folder in folders:
        folder.mkdir()
    refused, kept, dropped = (check(folder, table, source={"duplicates": folder.name}) for folder in folders)
    assert not refused.go
    assert "3 rows repeat another" in told(refused)
    assert 'duplicates = "keep"' in told(refused)
    assert kept.go
    assert kept.sources[0].duplicates is None
    assert dropped.go
    assert dropped.sources[0].duplicates == 3


@pytest.mark.parametrize(
    ("table", "source", "what"),
    [
        ("user_id,at,item\n1,2024-01-01,tea\n1,03/01/2024,tea\n", {}, "'03/01/2024'"),
        ("user_id,at,item\n1,01/02/2024,tea\n", {}, "fit both"),
        ("user_id,at,item\n1,yesterday,tea\n", {}, "'yesterday'"),
        ("user_id,at,item\n1,2024-01-01,tea\n", {"item": "thing"}, "item = 'thing'"),
        ("user_id,at,item\n1.5,2024-01-01,tea\n", {}, "whole numbers or text"),
        ("user_id,at,item\n,2024-01-01,tea\n", {"user": "item", "item": "at"}, None),
        ("user_id,at,item\n", {}, "no usable row"),
        ("", {}, "cannot be read"),
        ("user_id,at,item\n1,2024-11-01,tea\n", {}, "has an event before train_until"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_no_go(
    tmp_path: Path, table: str, source: dict[str, Any], what: str | None
) -> None:
    report = check(tmp_path, table, source=source)
    assert not report.go
    assert all(problem.fix for problem in report.problems)
    assert what is None or what in told(report)


def test_all_tables_are_checked_although_one_is_broken(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and then the disk was full")
    torn = {"name": "torn", "path": "torn.parquet", "families": ["click"], "user": "u", "time": "t", "item": "i"}
    gone = {**torn, "name": "gone", "path": "gone/*.csv"}
    good = {
        "name": "bills",
        "path": "bills.csv",
        "families": ["purchase"],
        "user": "user_id",
        "time": "at",
        "item": "item",
    }
    report = check(tmp_path, bills(), sources=[torn, gone, good])
    assert [source.name for source in report.sources] == ["bills"]
    assert not report.go
    assert "source 'torn' cannot be read" in told(report)
    assert "no file matches 'gone/*.csv'" in told(report)


def test_users_of_two_types_are_one_person_where_they_are_written_alike(tmp_path: Path) -> None:
    pl.DataFrame({"u": [0, 77], "t": [START] * 2, "i": ["x"] * 2}).write_parquet(tmp_path / "clicks.parquet")
    entry = {"families": ["click"], "user": "user_id", "time": "at", "item": "item"}
    sources = [
        {"name": "bills", "path": "bills.csv", **entry},
        {"name": "clicks", "path": "clicks.parquet", "families": ["click"], "user": "u", "time": "t", "item": "i"},
    ]
    assert check(tmp_path, bills(), sources=sources).users == bills()["user_id"].n_unique() + 1


@pytest.mark.parametrize(
    ("other", "doubted"),
    [
        ("2024-01-01T10:00:00", True),
        ("2024-01-01T10:00:00Z", False),
        ("2024-01-01T10:00:00+02:00", False),
        ("2024-01-01", False),
    ],
)
def test_times_without_a_zone_beside_times_with_one_are_pointed_out(tmp_path: Path, other: str, doubted: bool) -> None:
    (tmp_path / "clicks.csv").write_text(f"user_id,at,item\n1,{other},home\n")
    entry = {"families": ["click"], "user": "user_id", "time": "at", "item": "item"}
    sources = [
        {"name": "bills", "path": "bills.csv", **entry, "timezone": "Europe/Berlin"},
        {"name": "clicks", "path": "clicks.csv", **entry},
    ]
    report = check(tmp_path, bills(), sources=sources)
    assert report.go
    assert ("times of clicks name no zone" in told(report)) == doubted


def test_too_short_data_have_no_cutoff(tmp_path: Path) -> None:
    report = check(tmp_path, bills().filter(pl.col("at") > datetime(2024, 6, 1)))
    assert report.cutoffs == 0
    assert not report.go


def test_days_without_data_before_train_until_are_pointed_out(tmp_path: Path) -> None:
    report = check(tmp_path, bills().filter(pl.col("at") < datetime(2024, 8, 1)))
    assert report.go
    assert "days before train_until" in told(report)


def test_holding_out_everybody_is_a_no_go(tmp_path: Path) -> None:
    report = check(tmp_path, bills(), split={"held_out_users": 1})
    assert not report.go
    assert "every user is held out" in told(report)


def test_the_profile_is_checked(tmp_path: Path) -> None:
    people = pl.DataFrame(
        {"who": [0, 1, 1, 99], "age": ["young", None, "old", "ancient"], "size": [1.5, 2.0, None, 4.0]}
    )
    people.write_parquet(tmp_path / "people.parquet")
    profile = {"path": "people.parquet", "user": "who", "ordered": {"age": ["young", "old"]}, "numeric": ["size"]}
    report = check(tmp_path, bills(), profile=profile)
    assert report.profile is not None
    assert (report.profile.rows, report.profile.users) == (4, 3)
    assert report.profile.missing == {"age": 1, "size": 1}
    assert "1 rows of users it has already" in told(report)
    assert "'ancient'" in told(report)
    assert report.go


def test_a_profile_of_strangers_is_a_no_go(tmp_path: Path) -> None:
    pl.DataFrame({"who": [900], "size": [1.0]}).write_parquet(tmp_path / "people.parquet")
    report = check(tmp_path, bills(), profile={"path": "people.parquet", "user": "who", "numeric": ["size"]})
    assert not report.go
    assert "no user of the profile table has an event" in told(report)


def task(folder: Path, users: list[Any], labels: list[Any], **changes: Any) -> dict[str, Any]:
    pl.DataFrame({"user_id": users, "label": labels}).write_parquet(folder / "d1.parquet")
    return {"d1": {"path": "d1.parquet", "as_of": date(2024, 10, 1), "demand": "who?", **changes}}


def test_tasks_are_counted(tmp_path: Path) -> None:
    report = check(tmp_path, bills(), tasks=task(tmp_path, [0, 1, 2, 700], [1, 0, 0, 0]))
    (found,) = report.tasks
    assert (found.users, found.positives, found.unknown) == (4, 1, 1)
    assert report.go


def test_a_task_that_training_looks_beyond_is_pointed_out(tmp_path: Path) -> None:
    report = check(tmp_path, bills(), tasks=task(tmp_path, [0, 1], [0, 1], as_of=date(2024, 9, 1)))
    assert report.go
    assert "training reads events after it" in told(report)


def test_progress_is_told_once_a_table(tmp_path: Path) -> None:
    check(tmp_path, bills())
    steps: list[tuple[int, int]] = []
    check_workspace(load_workspace(tmp_path), progress=lambda step, total, _: steps.append((step, total)))
    assert steps == [(1, 2), (2, 2)]
