"""Ids in a file's own spelling, matched with those that are known: no number is cut to fit."""

from __future__ import annotations

import polars as pl
import pytest

from findcli.data.reader.ids import ids_of_type


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["1", " 2 ", None], pl.Int64(), [1, 2, None]),
        (["007", "7"], pl.Int64(), [None, 7]),
        (["17850.0", "13047.0", None], pl.Int64(), [17850, 13047, None]),
        (["1.9", "2.0"], pl.Int64(), [None, None]),
        ([1.9, 2.7], pl.Int64(), [None, None]),
        ([17850.0, None], pl.Int64(), [17850, None]),
        ([float("inf"), float("nan"), 2.0**60], pl.Int64(), [None, None, None]),
        (["9" * 21], pl.Int64(), [None]),
        ([7, 8], pl.String(), ["7", "8"]),
        (["00100", "100"], pl.String(), ["00100", "100"]),
        (["9" * 21], pl.String(), ["9" * 21]),
        ([17850.0, 3.0], pl.String(), ["17850", "3"]),
    ],
)
def test_ids(values: list[object], kind: pl.DataType, read: list[object]) -> None:
    assert ids_of_type(pl.Series(values), kind).to_list() == read
