"""Profiles as of a cutoff: what is known just before it, and aggregates of the history window alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.data.profiles import input_digest, profiles_as_of
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Aggregate, Profile, Settings, Source, Windows

CUTOFF = datetime(2024, 6, 1)
HISTORY, WITHIN = timedelta(weeks=4), timedelta(weeks=1)
MEASURES = dict.fromkeys(("sum", "mean", "min", "max", "distinct"), "a")
MEASURES |= dict.fromkeys(("count", "active_weeks", "days_since_last"))
AGGREGATES = tuple(
    Aggregate(name=f"{measure} {within}", source="s", measure=measure, column=column, within=within)
    for measure, column in MEASURES.items()
    for within in (None, "1w")
)


def workspace(folder: Path, **profile: object) -> Workspace:
    pl.DataFrame({"u": [1], "t": [CUTOFF], "a": [1.0]}).write_parquet(folder / "s.parquet")
    source = Source(name="s", path="s.parquet", families=("purchase",), user="u", time="t")
    windows = Windows(train_until=CUTOFF, history="4w")
    return Workspace(folder, Settings(windows=windows, sources=(source,), profile=Profile(**profile)))


def log(rows: list[tuple[int, datetime, float | None]]) -> pl.DataFrame:
    schema = {"user_id": pl.Int64, "time": pl.Datetime("us"), "s.a": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(source=pl.lit("s")).sort("user_id", "time")


def table(folder: Path, columns: dict[str, list[object]], **profile: object) -> Workspace:
    pl.DataFrame(columns).write_parquet(folder / "profile.parquet")
    return workspace(folder, path="profile.parquet", user="u", **profile)


def known(space: Workspace, cutoff: datetime = CUTOFF) -> list[dict[str, object]]:
    return profiles_as_of(space, log([]), pl.Series([2, 1, 3]), cutoff).to_dicts()


def naive(measure: str, events: list[tuple[datetime, float | None]]) -> float | None:
    values = [value for _, value in events if value is not None]
    ages = [CUTOFF - time for time, _ in events]
    return {
        "count": lambda: len(events),
        "sum": lambda: sum(values),
        "mean": lambda: sum(values) / len(values) if values else None,
        "min": lambda: min(values, default=None),
        "max": lambda: max(values, default=None),
        "distinct": lambda: len(set(values)),
        "active_weeks": lambda: len({age // timedelta(weeks=1) for age in ages}),
        "days_since_last": lambda: min(ages) / timedelta(days=1) if ages else None,
    }[measure]()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 60), st.none() | st.integers(0, 5).map(float)), max_size=30)
)
def test_aggregates_are_what_a_loop_over_the_window_finds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, float | None]]
) -> None:
    dated = [(user, CUTOFF - timedelta(hours=12) * halves, value) for user, halves, value in rows]
    space = workspace(tmp_path_factory.getbasetemp(), aggregates=AGGREGATES)
    found = profiles_as_of(space, log(dated), pl.Series([3, 1]), CUTOFF)
    assert found["user_id"].to_list() == [3, 1]
    for row in found.iter_rows(named=True):
        for aggregate in AGGREGATES:
            start = CUTOFF - (WITHIN if aggregate.within else HISTORY)
            mine = [(time, value) for user, time, value in dated if user == row["user_id"] and start <= time < CUTOFF]
            assert row[aggregate.name] == pytest.approx(naive(aggregate.measure, mine)), aggregate


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 60), st.none() | st.sampled_from("abc")), max_size=30))
def test_an_attribute_of_a_source_is_its_last_value_before_the_cutoff(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str | None]]
) -> None:
    """However long ago that was, unless `within` says how long."""
    aggregates = tuple(
        Aggregate(name=name, source="s", measure="last", column="a", within=within)
        for name, within in (("ever", None), ("lately", "1w"))
    )
    dated = [(user, CUTOFF - timedelta(days=days), value) for user, days, value in rows]
    frame = pl.DataFrame(dated, {"user_id": pl.Int64, "time": pl.Datetime("us"), "s.a": pl.String}, orient="row")
    frame = frame.with_columns(source=pl.lit("s")).sort("user_id", "time", maintain_order=True)
    space = workspace(tmp_path_factory.getbasetemp(), aggregates=aggregates)
    profile = profiles_as_of(space, frame, pl.Series([3, 1]), CUTOFF)
    assert profile.schema == {"user_id": pl.Int64, "ever": pl.String, "lately": pl.String}
    for row in profile.iter_rows(named=True):
        for name, start in (("ever", datetime.min), ("lately", CUTOFF - WITHIN)):
            ordered = sorted(
                ((time, i, value) for i, (user, time, value) in enumerate(dated)
                 if user == row["user_id"] and start <= time < CUTOFF and value is not None)
            )  # fmt: skip
            assert row[name] == (ordered[-1][2] if ordered else None)


def test_of_a_dated_table_the_last_row_known_before_the_cutoff_counts(tmp_path: Path) -> None:
    times = [CUTOFF, CUTOFF - timedelta(days=1), CUTOFF - timedelta(days=9), CUTOFF - timedelta(days=9)]
    columns = {"u": [1, 1, 1, 2], "since": times, "age": [9, 2, 1, None], "city": ["late", "mid", "old", "b"]}
    space = table(tmp_path, columns, time="since", numeric=("age",), categorical=("city",))
    expected = [(2, "b", None), (1, "mid", 2.0), (3, None, None)]
    assert [tuple(row.values()) for row in known(space)] == expected
    assert known(space, CUTOFF + timedelta(microseconds=1))[1] == {"user_id": 1, "city": "late", "age": 9.0}


def test_dates_of_a_csv_are_read(tmp_path: Path) -> None:
    (tmp_path / "profile.csv").write_text("u,since,age\n1,2024-05-01,4\n1,2024-06-01,5\n")
    space = workspace(tmp_path, path="profile.csv", user="u", time="since", numeric=("age",))
    assert known(space)[1] == {"user_id": 1, "age": 4.0}


def test_the_digest_sees_what_is_known_before_an_instant_alone(tmp_path: Path) -> None:
    rows = {"u": [1, 1], "since": [CUTOFF - timedelta(days=1), CUTOFF], "age": [1, 2]}

    def digest(ages: list[int], until: datetime = CUTOFF) -> dict[str, str]:
        return input_digest(table(tmp_path, rows | {"age": ages}, time="since", numeric=("age",)), until)

    assert digest([1, 2]) == digest([1, 3])
    assert digest([1, 2]) != digest([4, 2])
    assert digest([1, 2], CUTOFF + timedelta(days=1)) != digest([1, 3], CUTOFF + timedelta(days=1))


@pytest.mark.parametrize(
    ("columns", "settings", "told"),
    [
        ({"u": [1]}, {"numeric": ("age",), "time": "since"}, "has no column since, age"),
        ({"u": [1], "age": ["old"]}, {"numeric": ("age",)}, "'age' holds 'old', which are no numbers"),
        ({"u": [1], "since": ["soon"], "age": [1]}, {"numeric": ("age",), "time": "since"}, "since"),
        ({"u": [1], "since": [5], "age": [1]}, {"numeric": ("age",), "time": "since"}, "since"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path: Path, columns: dict[str, list[object]], settings: dict[str, object], told: str
) -> None:
    with pytest.raises(FindCLIError, match=told) as error:
        known(table(tmp_path, columns, **settings))
    assert error.value.hint


def test_a_torn_table_is_refused(tmp_path: Path) -> None:
    space = table(tmp_path, {"u": list(range(5000)), "age": list(range(5000))}, numeric=("age",))
    path = tmp_path / "profile.parquet"
    content = path.read_bytes()
    path.write_bytes(bytes(2000) + content[2000:])
    with pytest.raises(FindCLIError, match="profile") as error:
        known(space)
    assert error.value.hint
