"""A query of a DuckDB file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from findcli.data.events import build_events
from findcli.data.places import copies
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

duckdb = pytest.importorskip("duckdb")
Make = Callable[..., Workspace]
Again = Callable[[Workspace], Workspace]
QUERY = "select * from orders;"


def change(workspace: Workspace, *statements: str, **tables: Any) -> None:
    with duckdb.connect(str(workspace.folder / "shop.duckdb")) as database:
        for name, frame in tables.items():
            frame.write_parquet(workspace.folder / f"{name}.parquet")
            database.execute(f"create table {name} as from '{workspace.folder}/{name}.parquet'")
        for statement in statements:
            database.execute(statement)


def test_a_query_gives_the_events_of_a_file(
    make: Make, orders: pl.DataFrame, events_of_a_file: dict[str, str], again: Again
) -> None:
    workspace = make(path="shop.duckdb", query=QUERY)
    change(workspace, orders=orders)
    before = build_events(workspace).manifest
    assert before.files == events_of_a_file
    change(workspace, "create table elsewhere as select 1 as one")  # the file is another, the rows are not
    assert build_events(again(workspace)).manifest == before
    change(workspace, "delete from orders where customer = 3")
    assert build_events(again(workspace)).manifest.metrics["users"] == 19


def test_a_version_query_says_when_to_read_again(make: Make, orders: pl.DataFrame, again: Again) -> None:
    workspace = make(path="shop.duckdb", query=QUERY, version_query="select count(*) from orders")
    change(workspace, orders=orders)
    before = build_events(workspace).manifest
    change(workspace, "update orders set price = 0")
    assert build_events(again(workspace)).manifest == before


def test_types_that_parquet_holds_otherwise_are_cast_or_refused(make: Make) -> None:
    workspace = make(path="shop.duckdb", query="select * from t")
    change(workspace, "create table t as select '00000000-0000-0000-0000-0000000000ff'::uuid as customer, 7::hugeint n")
    (source,) = workspace.settings.sources
    frame = pl.read_parquet(copies.source_files(workspace, source))
    assert frame.rows() == [("00000000-0000-0000-0000-0000000000ff", 7)]
    assert frame.schema["n"] == pl.Int64
    other = make("other", path="shop.duckdb", query="select interval 1 day as away")
    change(other)
    with pytest.raises(FindCLIError, match="'away' is of type INTERVAL"):
        copies.source_files(other, other.settings.sources[0])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select nope from orders", 'Referenced column "nope" not found'),
        ("drop table orders", "syntax error at or near"),
    ],
)
def test_a_query_that_cannot_be_is_said_in_one_line(make: Make, orders: pl.DataFrame, query: str, said: str) -> None:
    workspace = make(path="shop.duckdb", query=query)
    change(workspace, orders=orders)
    with pytest.raises(FindCLIError, match=said) as error:
        build_events(workspace)
    assert "\n" not in error.value.message
    assert build_events(make("fine", path=str(workspace.folder / "shop.duckdb"), query=QUERY)).manifest.metrics["rows"]


def test_a_file_that_is_none_is_refused(make: Make) -> None:
    workspace = make(path="shop.duckdb", query=QUERY)
    with pytest.raises(FindCLIError, match=r"there is no file .*shop\.duckdb"):
        build_events(workspace)
    Path(workspace.folder / "shop.duckdb").write_text("customer,day\n")
    with pytest.raises(FindCLIError, match="not a valid DuckDB database"):
        build_events(workspace)
