"""Ids in a file's own spelling, matched with those that are known: no number is cut to fit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import open_table
from findcli.errors import FindCLIError
from findcli.workspace.table_form import TableForm


def _read(values: list[object], kind: pl.DataType, path: Path) -> list[object]:
    if all(value is None or isinstance(value, str) for value in values):
        path = path / "ids.csv"
        path.write_text("user_id,x\n" + "".join(f"{value or ''},1\n" for value in values))
    else:
        path = path / "ids.parquet"
        pl.DataFrame({"user_id": values}).write_parquet(path)
    return ids_in_type(open_table([path], what="ids"), TableForm(), "user_id", kind)["user_id"].to_list()


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["1", " 2 ", None], pl.Int64(), [1, 2, None]),
        (["007", "7"], pl.Int64(), [None, 7]),
        (["17850.0", "13047.0", None], pl.Int64(), [17850, 13047, None]),
        ([17850.0, None], pl.Int64(), [17850, None]),
        (["9" * 21], pl.Int64(), [None]),
        ([7, 8], pl.String(), ["7", "8"]),
        (["00100", "100"], pl.String(), ["00100", "100"]),
        (["9" * 21], pl.String(), ["9" * 21]),
        ([17850.0, 3.0], pl.String(), ["17850", "3"]),
        (["17850.0", "13047.0"], pl.String(), ["17850", "13047"]),
        (["17850", "13047.0", "9007199254740993"], pl.String(), ["17850", "13047", "9007199254740993"]),
        (["007", "13047.0"], pl.String(), ["007", "13047.0"]),
        (["1166250520.1704067200", "7.17"], pl.String(), ["1166250520.1704067200", "7.17"]),
        (["A.1", "3.0"], pl.String(), ["A.1", "3.0"]),
        (["NA", "null", "\\N", "-", "x"], pl.String(), [None, None, None, None, "x"]),
    ],
)
def test_ids(values: list[object], kind: pl.DataType, read: list[object], tmp_path: Path) -> None:
    assert _read(values, kind, tmp_path) == read


@pytest.mark.parametrize("values", [["1.9", "2.0"], [1.9, 2.7], [float("inf")], [2.0**60], ["9007199254740993.0"]])
def test_decimals_that_are_no_ids(values: list[object], tmp_path: Path) -> None:
    with pytest.raises(FindCLIError, match="no exact whole numbers"):
        _read(values, pl.Int64(), tmp_path)
