"""Raw tables as canonical events: times of every form, types, missing rows, and what is refused."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.data import sources
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Aggregate, General, Profile, Settings, Source, Windows

NOON = datetime(2024, 3, 31, 12)
BERLIN = timezone(timedelta(hours=2))


def workspace(folder: Path, *entries: Source, **settings: object) -> Workspace:
    return Workspace(folder, Settings(windows=Windows(train_until=datetime(2025, 1, 1)), sources=entries, **settings))


def entry(path: str = "s.parquet", **columns: object) -> Source:
    return Source(**({"name": "s", "path": path, "families": ("purchase",), "user": "u", "time": "t"} | columns))


def read(folder: Path, table: pl.DataFrame, *, raw: bool = False, **columns: object) -> pl.DataFrame:
    table.write_parquet(folder / "s.parquet")
    source = entry(**columns)
    return sources.scan_source(workspace(folder, source), source, raw=raw).collect()


def times(folder: Path, values: list[object], **columns: object) -> list[datetime]:
    series = values if isinstance(values, pl.Series) else pl.Series("t", values)
    found = read(folder, pl.DataFrame({"u": range(len(series)), "t": series}), **columns)
    assert found.schema["time"] == pl.Datetime("us")
    return found["time"].to_list()


@pytest.mark.parametrize(
    ("value", "columns", "expected"),
    [
        (date(2024, 3, 31), {}, datetime(2024, 3, 31)),
        (NOON, {}, NOON),
        (NOON.replace(tzinfo=UTC), {}, NOON),
        (NOON, {"timezone": "Europe/Berlin"}, NOON - timedelta(hours=2)),
        (datetime(2024, 1, 31, 12), {"timezone": "Europe/Berlin"}, datetime(2024, 1, 31, 11)),
        ("2024-03-31", {}, datetime(2024, 3, 31)),
        ("2024-03-31 12:00:00", {"timezone": "Europe/Berlin"}, NOON - timedelta(hours=2)),
        ("2024-03-31T12:00:00+02:00", {}, NOON - timedelta(hours=2)),
        ("2024-03-31T12:00:00+02:00", {"timezone": "America/New_York"}, NOON - timedelta(hours=2)),
        ("2024-03-31T12:00:00Z", {"timezone": "Europe/Berlin"}, NOON),
        ("2024-03-31T12:00:00.000001", {}, NOON + timedelta(microseconds=1)),
        ("31.03.2024", {}, datetime(2024, 3, 31)),
        ("20240331", {}, datetime(2024, 3, 31)),
        ("03/31/2024 12:00", {}, NOON),
        ("12h00 31-3-24", {"time_format": "%Hh%M %d-%m-%y"}, NOON),
        (
            "31/03/2024 12:00 +0200",
            {"time_format": "%d/%m/%Y %H:%M %z", "timezone": "Asia/Tokyo"},
            NOON - timedelta(hours=2),
        ),
        (1711886400, {"time_format": "epoch_s"}, NOON),
        (1711886400000, {"time_format": "epoch_ms"}, NOON),
    ],
)
def test_times_of_every_form_are_kept_in_utc(
    tmp_path: Path, value: object, columns: dict[str, str], expected: datetime
) -> None:
    assert times(tmp_path, [value], **columns) == [expected]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_zoned_column_is_kept_in_utc(tmp_path: Path, unit: str) -> None:
    series = pl.Series("t", [NOON.replace(tzinfo=BERLIN)], dtype=pl.Datetime(unit, "Europe/Berlin"))
    assert times(tmp_path, series) == [NOON - timedelta(hours=2)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["2024-01-05", "05.01.2024"], "'05.01.2024'"),
        (["2024-01-05"] * 1500 + ["5 January"], "'5 January'"),
        (["yesterday"], "any known format"),
        (["01/02/2024", "03/04/2024"], "fit both"),
        ([17, 18], "'17'"),
        ([True], "Boolean"),
    ],
)
def test_times_that_cannot_be_read_or_read_in_two_ways_are_refused(
    tmp_path: Path, values: list[object], told: str
) -> None:
    with pytest.raises(FindCLIError, match=told) as error:
        times(tmp_path, values)
    assert error.value.hint


def test_one_row_decides_between_two_readings_and_so_does_the_setting(tmp_path: Path) -> None:
    rows = ["01/02/2024"] * 1500
    assert times(tmp_path, [*rows, "25/12/2024"])[0] == datetime(2024, 2, 1)
    assert times(tmp_path, rows, time_format="%m/%d/%Y")[0] == datetime(2024, 1, 2)
    assert times(tmp_path, ["02/02/2024"]) == [datetime(2024, 2, 2)]


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=20))
def test_a_csv_gives_the_events_that_parquet_gives(
    tmp_path_factory: pytest.TempPathFactory, instants: list[datetime]
) -> None:
    folder = tmp_path_factory.mktemp("both")
    table = pl.DataFrame(
        {"u": range(len(instants)), "t": instants, "c": 'x,\n"y'}, schema_overrides={"t": pl.Datetime("us")}
    )
    expected = read(folder, table, category="c")
    table.write_csv(folder / "s.csv")
    source = entry("s.csv", category="c")
    assert (
        sources.scan_source(workspace(folder, source), source)
        .collect()
        .drop("copies")
        .equals(expected.drop("copies").cast({"user_id": pl.String}))
    )


def test_rows_without_user_or_time_are_left_out_unless_they_are_counted(tmp_path: Path) -> None:
    table = pl.DataFrame({"u": [1, None, 3], "t": [NOON, NOON, None]})
    assert read(tmp_path, table)["user_id"].to_list() == [1]
    assert len(read(tmp_path, table, raw=True)) == 3


def test_slots_are_text_as_found_amounts_numbers_and_aggregates_columns_of_their_own(tmp_path: Path) -> None:
    table = pl.DataFrame({"u": [1], "t": [NOON], "c": ["Tea"], "n": [7], "a": [3], "store": ["X"]})
    table.write_parquet(tmp_path / "s.parquet")
    source = entry(category="c", item="n", amount="a", duplicates="keep")
    wanted = Profile(aggregates=(Aggregate(name="stores", source="s", measure="distinct", column="store"),))
    found = sources.scan_source(workspace(tmp_path, source, profile=wanted), source).collect()
    assert found.to_dicts() == [
        {"user_id": 1, "time": NOON, "source": "s", "category": "Tea", "item": "7", "amount": 3.0, "s.store": "X"}
    ]


def test_every_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match=r"user = 'u', category = 'c', amount = 'a'") as error:
        read(tmp_path, pl.DataFrame({"x": [1], "t": [NOON]}), category="c", amount="a")
    assert "x, t" in error.value.hint


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"u": [1], "t": [NOON], "a": ["five"]}, "column 'a' holds 'five', which are no numbers"),
        ({"u": [1], "t": [NOON], "a": [NOON]}, "column 'a' is of type Datetime"),
        ({"u": [1], "t": [NOON], "a": [math.inf]}, "column 'a' holds 1 infinite"),
        ({"u": [1.5], "t": [NOON], "a": [5]}, "'u' holds decimals that are no exact whole numbers, such as 1.5"),
        ({"u": [2.0**53], "t": [NOON], "a": [5]}, "such as 9007199254740992"),
        ({"u": [NOON], "t": [NOON], "a": [5]}, "user column 'u' is of type Datetime"),
    ],
)
def test_wrong_types_are_refused(tmp_path: Path, table: dict[str, list[object]], told: str) -> None:
    with pytest.raises(FindCLIError, match=told) as error:
        read(tmp_path, pl.DataFrame(table), amount="a")
    assert error.value.hint


def test_ids_that_are_text_here_and_numbers_there_are_compared_as_text(tmp_path: Path) -> None:
    pl.DataFrame({"u": ["01", "1"], "t": [NOON] * 2}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"u": [1], "t": [NOON]}).write_parquet(tmp_path / "b.parquet")
    entries = entry("a.parquet", name="a"), entry("b.parquet", name="b")
    for general in (General(), General(user_id="text")):
        both = workspace(tmp_path, *entries, workspace=general)
        ids = [sources.scan_source(both, s).collect()["user_id"].to_list() for s in entries]
        assert ids == [["01", "1"], ["1"]]


def test_a_glob_is_one_table_and_two_kinds_of_file_are_none(tmp_path: Path) -> None:
    for i in range(3):
        pl.DataFrame({"u": [i], "t": [NOON]}).write_parquet(tmp_path / f"s{i}.parquet")
    source = entry("s*")
    assert sorted(sources.scan_source(workspace(tmp_path, source), source).collect()["user_id"]) == [0, 1, 2]
    (tmp_path / "s3.csv").write_text("u,t\n1,2024-01-01\n")
    with pytest.raises(FindCLIError, match="mixes Parquet and CSV"):
        sources.scan_source(workspace(tmp_path, source), source)


def test_ids_that_are_numbers_here_and_text_there_are_compared_as_text(tiny_workspace: Workspace) -> None:
    path = tiny_workspace.folder / "data/searches.parquet"
    searches = pl.read_parquet(path)
    searches.with_columns(pl.col("user_id").cast(pl.String)).write_parquet(path)
    shop = tiny_workspace
    users = [sources.scan_source(shop, s).select("user_id").unique().collect() for s in shop.settings.sources]
    assert {frame.schema["user_id"] for frame in users} == {pl.String()}
    assert set(searches["user_id"].cast(pl.String)) <= set(pl.concat(users)["user_id"])


def test_a_later_day_does_not_tell_the_order_of_earlier_ones(tmp_path: Path) -> None:
    def write(*times: str) -> None:
        (tmp_path / "s.csv").write_text("u,t\n" + "".join(f"1,{time}\n" for time in times))

    shop = workspace(tmp_path, entry("s.csv"))
    write("01/02/2024", "03/04/2024", "02/13/2025")
    with pytest.raises(FindCLIError, match="fit both"):
        sources.scan_source(shop, shop.settings.sources[0])
    write("01/02/2024", "02/13/2024", "03/04/2025")
    read = sources.scan_source(shop, shop.settings.sources[0]).collect()["time"]
    assert read.to_list() == [datetime(2024, 1, 2), datetime(2024, 2, 13), datetime(2025, 3, 4)]


def test_a_list_is_no_word_and_a_whole_decimal_is_written_as_such(tmp_path: Path) -> None:
    frame = pl.DataFrame({"u": [1, 2], "t": [NOON, NOON], "i": [["tea"], ["soap"]], "k": [85123.0, None]})
    frame.write_parquet(tmp_path / "s.parquet")
    lists, codes = entry(item="i"), entry(item="k")
    with pytest.raises(FindCLIError, match=r"column 'i' is of type List\(String\)"):
        sources.scan_source(workspace(tmp_path, lists), lists)
    read = sources.scan_source(workspace(tmp_path, codes), codes).collect()["item"]
    assert read.to_list() == ["85123", None]
