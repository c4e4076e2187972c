"""The event log: which side of `train_until` an event lies on, partitions, duplicates, and when it is made again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from findcli.data import events
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Settings, Source, Windows

UNTIL = datetime(2024, 6, 1)
TICK = timedelta(microseconds=1)


def workspace(folder: Path, **columns: object) -> Workspace:
    entry = {"name": "s", "path": "s*.parquet", "families": ("purchase",), "user": "u", "time": "t", "item": "i"}
    return Workspace(folder, Settings(windows=Windows(train_until=UNTIL), sources=(Source(**(entry | columns)),)))


def table(n: int = 40) -> pl.DataFrame:
    """Events of ten users, some of them only late, on both sides of `train_until`."""
    rows = [(i % 10, UNTIL + (i - n // 2) * timedelta(hours=7), f"thing {i % 7}", i) for i in range(n)]
    return pl.DataFrame(rows, schema=["u", "t", "i", "note"], orient="row")


def build(folder: Path, frame: pl.DataFrame, **columns: object) -> events.Run:
    frame.write_parquet(folder / "s.parquet")
    return events.build_events(workspace(folder, **columns))


def side(run: events.Run, name: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in run.files(f"{name}/*.parquet")])


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ROWS_PER_PART", 5)


def test_training_ends_just_before_train_until(tmp_path: Path) -> None:
    instants = [UNTIL - TICK, UNTIL, UNTIL + TICK]
    run = build(tmp_path, pl.DataFrame({"u": [1, 1, 1], "t": instants, "i": ["a", "b", "c"]}))
    assert side(run, "train")["time"].to_list() == instants[:1]
    assert side(run, "later")["time"].to_list() == instants[1:]
    (part,) = events.parts(run)
    assert events.read_part(run, part)["time"].to_list() == instants[:1]
    assert events.read_part(run, part, before=UNTIL + TICK)["time"].to_list() == instants[:2]
    assert events.first_and_last(run) == (instants[0], instants[-1])


@pytest.mark.usefixtures("small_parts")
def test_partitions_share_the_users_out_and_lose_nothing(tmp_path: Path) -> None:
    run = build(tmp_path, table())
    found = [events.read_part(run, part, before=datetime(2030, 1, 1)) for part in events.parts(run)]
    assert len(found) > 1
    assert sum(part["user_id"].n_unique() for part in found) == 10
    for part in found:
        assert part.equals(part.sort("user_id", "time"))
    everything = pl.concat(found).select("user_id", "time", "item").sort("user_id", "time")
    assert_frame_equal(everything, table().select(user_id="u", time="t", item="i").sort("user_id", "time"))


@pytest.mark.usefixtures("small_parts")
def test_later_events_and_the_order_of_rows_change_no_byte_of_the_training_side(tmp_path: Path) -> None:
    digests = []
    for name, frame in {
        "whole": table(),
        "early": table().filter(pl.col("t") < UNTIL),
        "shuffled": table().sample(40, seed=1, shuffle=True),
    }.items():
        (tmp_path / name).mkdir()
        digests.append(build(tmp_path / name, frame).manifest.digest("train/"))
    assert len(set(digests)) == 1


def test_rows_equal_in_every_raw_column_are_refused_dropped_or_kept(tmp_path: Path) -> None:
    frame = pl.concat([table(), table().head(3)])
    with pytest.raises(FindCLIError, match="source 's' has duplicate events, such as one of user") as error:
        build(tmp_path, frame)
    assert 'duplicates = "keep"' in error.value.hint
    assert not (tmp_path / "runs" / "events").exists()
    assert sum(len(side(build(tmp_path, frame, duplicates="drop"), name)) for name in events.SIDES) == 40
    assert sum(len(side(build(tmp_path, frame, duplicates="keep"), name)) for name in events.SIDES) == 43


def test_rows_that_differ_in_an_unused_column_alone_are_no_duplicates(tmp_path: Path) -> None:
    twice = pl.concat([table(), table().with_columns(pl.col("note") + 1000)])
    assert build(tmp_path, twice).manifest.metrics["rows"] == 80


def test_the_same_row_in_two_files_of_a_source_is_a_duplicate(tmp_path: Path) -> None:
    table().tail(1).write_parquet(tmp_path / "s2.parquet")
    with pytest.raises(FindCLIError, match="duplicate events"):
        build(tmp_path, table())


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (table().clear(), "has no usable row"),
        (table().with_columns(pl.lit(None, pl.Int64).alias("u")), "has no usable row"),
        (table().filter(pl.col("t") >= UNTIL), "no event lies before train_until"),
    ],
)
def test_a_log_without_events_to_train_on_is_refused(tmp_path: Path, frame: pl.DataFrame, told: str) -> None:
    with pytest.raises(FindCLIError, match=told) as error:
        build(tmp_path, frame)
    assert error.value.hint


def test_it_is_made_again_when_what_it_depends_on_changed_and_not_otherwise(tmp_path: Path) -> None:
    def remade(frame: pl.DataFrame, **columns: object) -> bool:
        mark = tmp_path / "runs" / "events" / "mark"
        mark.touch()
        build(tmp_path, frame, **columns)
        return not mark.exists()

    build(tmp_path, table())
    assert not remade(table(), sentences=("They took {item}.",))
    assert remade(table(41))
    assert remade(table(41), timezone="Europe/Berlin")
