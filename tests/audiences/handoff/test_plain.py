"""Tables for people: no cell runs as a formula, and no id is harmed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.export import write_audience
from findcli.audiences.handoff.plain import escaped, unescaped


@given(st.lists(st.text(alphabet="=+-@\t\r'ab01. ", max_size=8), min_size=1))
def test_an_escaped_text_runs_nothing_and_comes_back(texts: list[str]) -> None:
    frame = pl.DataFrame({"user_id": texts})
    safe = escaped(frame)
    for text in safe["user_id"]:
        number = text.lstrip("+-").replace(".", "", 1).isdigit()
        assert text[:1] not in tuple("=+-@\t\r") or number or text == ""
    assert safe.select(unescaped(pl.col("user_id")))["user_id"].to_list() == texts


@pytest.mark.parametrize("user", ["007", "-7", "+491701234567", "1e5", "3.50", "plain", "a=b"])
def test_ids_that_are_no_formulas_stay_as_they_are(user: str) -> None:
    assert escaped(pl.DataFrame({"user_id": [user]}))["user_id"][0] == user


@pytest.mark.parametrize("user", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1"])
def test_only_csv_files_are_escaped(user: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [user], "rank": [-1]})
    for suffix in (".csv", ".parquet", ".jsonl"):
        write_audience(frame, tmp_path / f"out{suffix}")
    assert pl.read_parquet(tmp_path / "out.parquet").equals(frame)
    assert pl.read_ndjson(tmp_path / "out.jsonl").equals(frame)
    assert pl.read_csv(tmp_path / "out.csv").row(0) == (f"'{user}", -1)
