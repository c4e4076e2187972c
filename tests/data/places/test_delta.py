"""Delta tables on this machine; those at s3:// are in test_s3.py."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from findcli.data.events import build_events
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

deltalake = pytest.importorskip("deltalake")
Make = Callable[..., Workspace]
Again = Callable[[Workspace], Workspace]


def test_a_table_gives_the_events_of_a_file_and_a_new_version_is_read(
    make: Make, orders: pl.DataFrame, events_of_a_file: dict[str, str], again: Again
) -> None:
    workspace = make(path="lake/orders")
    folder = str(workspace.folder / "lake" / "orders")
    orders.head(100).write_delta(folder)
    orders.tail(-100).write_delta(folder, mode="append")
    before = build_events(workspace).manifest
    assert before.files == events_of_a_file
    deltalake.DeltaTable(folder).optimize.compact()  # another version of the same rows
    assert build_events(again(workspace)).manifest == before
    deltalake.DeltaTable(folder).delete("customer = 3")
    assert build_events(again(workspace)).manifest.metrics["users"] == 19


def test_a_copy_of_a_version_that_stands_is_not_read_again(make: Make, orders: pl.DataFrame, again: Again) -> None:
    workspace = make(path="orders")
    orders.write_delta(str(workspace.folder / "orders"))
    before = build_events(workspace).manifest
    for part in (workspace.folder / "orders").glob("*.parquet"):
        part.unlink()
    assert build_events(again(workspace)).manifest == before


def test_a_broken_table_is_said_in_one_line(make: Make) -> None:
    workspace = make(path="orders")
    (workspace.folder / "orders" / "_delta_log").mkdir(parents=True)
    with pytest.raises(FindCLIError, match="source 'orders': orders cannot be read: ") as error:
        build_events(workspace)
    assert "\n" not in error.value.message
