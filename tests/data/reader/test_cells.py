"""Cells of every kind as they read: times, numbers and spellings of what is missing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from findcli.data.reader import nulls
from findcli.data.reader.amounts import number, settle_number
from findcli.data.reader.tables import Table, open_table
from findcli.data.reader.times import TimeColumn, times_of
from findcli.data.reader.typed import typed_frame
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm


def table_of(values: list[object], folder: Path) -> Table:
    """A table with one column: text where the values are, else of their own type."""
    if all(isinstance(value, str) for value in values):
        path = folder / "cells.csv"
        pl.DataFrame({"x": values, "row": range(len(values))}).write_csv(path, quote_style="always")
    else:
        path = folder / "cells.parquet"
        pl.DataFrame({"x": values}).write_parquet(path)
    return open_table([path], what="cells")


def times(values: list[object], folder: Path, **form: object) -> list[datetime | None]:
    """How values read as times."""
    table = table_of(values, folder)
    column = TimeColumn(table, TableForm(**form), "x")  # type: ignore[arg-type]
    return table.frame.select(times_of(column)).collect().to_series().to_list()


def numbers(values: list[object], folder: Path, **form: object) -> list[float | None]:
    """How values read as numbers."""
    table, declared = table_of(values, folder), TableForm(**form)  # type: ignore[arg-type]
    settled = settle_number(table, declared, "x")
    return table.frame.select(number(table, declared, "x", settled)).collect().to_series().to_list()


NOON = datetime(2024, 3, 13, 12, 30, 5)
DAY = datetime(2024, 3, 13)
EPOCH = 1_710_333_005


@pytest.mark.parametrize("values", [["0", "-3", "59.5", ""], [0.0, -3.0, 59.5, None]])
def test_days_count_from_the_origin(values: list[object], tmp_path: Path) -> None:
    read = times(values, tmp_path, time_format="days", origin=datetime(2020, 1, 1))
    assert read == [datetime(2020, 1, 1), datetime(2019, 12, 29), datetime(2020, 2, 29, 12), None]
    berlin = times([0], tmp_path, time_format="days", origin=datetime(2020, 1, 1), timezone="Europe/Berlin")
    assert berlin == [datetime(2019, 12, 31, 23)]


def test_small_whole_numbers_are_not_guessed_to_be_days(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="'12'") as error:
        times(["12", "-3"], tmp_path)
    assert "time_format = 'days'" in error.value.hint
    with pytest.raises(FindCLIError, match="do not read as days: 'soon'"):
        times(["12", "soon"], tmp_path, time_format="days", origin=datetime(2020, 1, 1))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2024-03-13T12:30:05.250Z", datetime(2024, 3, 13, 12, 30, 5, 250_000)),
        ("2024-03-13T14:30:05+02:00", NOON),
        ("2024-03-13 14:30:05 +0200", NOON),
        ("2024-03-13 12:30:05 UTC", NOON),
        ("2024-03-13 07:30:05 EST", NOON),
        ("2024-03-13 13:30:05 Europe/Berlin", NOON),
        ("13/03/2024 12:30:05 PM", NOON),
        ("03/13/2024 12:30:05 PM", NOON),
        ("13.03.2024", DAY),
        ("13-Mar-2024", DAY),
        ("13/03/24", DAY),
        ("Mar 13, 2024", DAY),
        ("20240313", DAY),
        ("19970101", datetime(1997, 1, 1)),
        (str(EPOCH), NOON),
        (f"{EPOCH}000", NOON),
        (f"{EPOCH}000000", NOON),
        (f"{EPOCH}000000000", NOON),
        (EPOCH, NOON),
        (EPOCH * 1000, NOON),
        (EPOCH * 10**6, NOON),
        (EPOCH * 10**9, NOON),
        (float(EPOCH), NOON),
        (20240313, DAY),
        (DAY.date(), DAY),
    ],
)
def test_times(value: object, read: datetime, tmp_path: Path) -> None:
    assert times([value], tmp_path) == [read]


@pytest.mark.parametrize(
    ("form", "value", "read"),
    [
        ("%Y-%m-%d %R", "2024-03-13 12:30", datetime(2024, 3, 13, 12, 30)),
        ("%Y-%m-%d %X", "2024-03-13 12:30:05", NOON),
        ("%d/%m/%Y %k:%M", "13/03/2024  7:05", datetime(2024, 3, 13, 7, 5)),
        ("%Y-%m-%d %H:%M %#z", "2024-03-13 14:30 +02", datetime(2024, 3, 13, 12, 30)),
        ("%Y-%m-%d %H:%M:%S %Z", "2024-03-13 12:30:05 GMT", NOON),
        ("%d %B %Y", "13 March 2024", DAY),
        ("epoch_ms", f"{EPOCH}000", NOON),
    ],
)
def test_a_format_is_passed_through_whole(form: str, value: str, read: datetime, tmp_path: Path) -> None:
    assert times([value], tmp_path, time_format=form) == [read]


def test_a_zone_is_what_times_without_one_are_in(tmp_path: Path) -> None:
    assert times(["2024-07-01 12:00:00"], tmp_path, timezone="Europe/Berlin") == [datetime(2024, 7, 1, 10)]


@pytest.mark.parametrize("spelling", ["", "NA", "N/A", "NULL", "null", "None", "nan", "\\N", "-"])
def test_what_is_missing_among_data(spelling: str, tmp_path: Path) -> None:
    assert times([spelling, "2024-03-13"], tmp_path) == [None, DAY]
    assert numbers([spelling, "2.5"], tmp_path) == [None, 2.5]


def test_among_words_only_what_no_one_writes_is_missing(tmp_path: Path) -> None:
    table = table_of(["None", "NA", "-", "\\N", "", "tea"], tmp_path)
    read = table.frame.select(nulls.words(table, TableForm(), "x")).collect().to_series().to_list()
    assert read == ["None", "NA", "-", None, None, "tea"]
    read = table.frame.select(nulls.words(table, TableForm(null_values=("None",)), "x")).collect().to_series()
    assert read.to_list() == [None, "NA", "-", None, None, "tea"]


def test_an_empty_field_in_quotes_is_missing(tmp_path: Path) -> None:
    table = table_of(["", "tea"], tmp_path)
    assert not table.padded
    assert not table.has_marks
    assert table.frame.select(nulls.words(table, TableForm(), "x")).collect().to_series().to_list() == [None, "tea"]


@pytest.mark.parametrize(
    "values",
    [
        ["2024-03-13", "soon", "later", "never"],
        ["01/02/2024", "03/04/2024"],
        ["2024-03-13 12:00:00 XYZ"],
        ["2024-02-30"],
    ],
)
def test_times_that_are_not_understood_are_refused_with_values(values: list[object], tmp_path: Path) -> None:
    with pytest.raises(FindCLIError) as error:
        times(values, tmp_path)
    assert repr(values[-1]) in str(error.value) or repr(values[0]) in str(error.value)
    assert error.value.hint


def test_a_wrong_unit_is_named(tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="is the unit right") as error:
        times([f"{EPOCH}000"], tmp_path, time_format="epoch_s")
    assert "epoch_ms" in error.value.hint


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["1,101.00", "3.50"], [1101.0, 3.5]),
        (["1.101,00", "3,50"], [1101.0, 3.5]),
        (["1 101,00", "3,50"], [1101.0, 3.5]),
        (["1'101.00", "3.50"], [1101.0, 3.5]),
        (["$1,101.00", "-$3.50"], [1101.0, -3.5]),
        (["€ 12.50", "12.50 €"], [12.5, 12.5]),
        (["USD 12.50", "12.50 USD"], [12.5, 12.5]),
        (["(12.50)", "12.50-"], [-12.5, -12.5]),
        (["1e3", "2.5E-1"], [1000.0, 0.25]),
        ([1.5, float("nan")], [1.5, None]),
        ([3, None], [3.0, None]),
    ],
)
def test_numbers(values: list[object], read: list[float | None], tmp_path: Path) -> None:
    assert numbers(values, tmp_path) == read


@pytest.mark.parametrize("values", [["1,101", "2,202"], ["12 apples"], ["inf", "1"], [float("inf"), 1.0]])
def test_numbers_that_read_in_no_way_or_two_are_refused(values: list[object], tmp_path: Path) -> None:
    with pytest.raises(FindCLIError) as error:
        numbers(values, tmp_path)
    assert error.value.hint


def test_a_declared_mark_decides(tmp_path: Path) -> None:
    assert numbers(["1,101", "2,202"], tmp_path, decimal=",") == [1.101, 2.202]
    assert numbers(["1,101", "2,202"], tmp_path, decimal=".") == [1101.0, 2202.0]


def test_a_number_by_its_own_type_has_a_point_whatever_is_declared(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"x": 1.101, "y": "1,5"}\n{"x": null, "y": "2,5"}\n{"x": 2}\n')
    pl.DataFrame({"x": [1.101, None, 2.0], "y": ["1,5", "2,5", None]}).write_excel(tmp_path / "t.xlsx")
    for name in ("t.jsonl", "t.xlsx"):
        table, form = open_table([tmp_path / name], TableForm(decimal=","), what="t"), TableForm(decimal=",")
        read = table.frame.select(number(table, form, c, settle_number(table, form, c)).alias(c) for c in "xy")
        assert read.collect().to_dict(as_series=False) == {"x": [1.101, None, 2.0], "y": [1.5, 2.5, None]}


def test_a_table_of_text_is_typed_by_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,d\n1,01,x,true\n2,02,,false\nNA,03,y,\n")
    frame = typed_frame(open_table([path], what="t"), TableForm()).collect()
    assert frame.to_dict(as_series=False) == {
        "a": [1, 2, None], "b": ["01", "02", "03"], "c": ["x", None, "y"], "d": [True, False, None],
    }  # fmt: skip
