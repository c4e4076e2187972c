"""Iceberg tables of a SQLite catalog, and by their metadata; those at s3:// are in test_s3.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from findcli.data.events import build_events
from findcli.data.places.iceberg import newest_metadata
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

catalogs = pytest.importorskip("pyiceberg.catalog")
Make = Callable[..., Workspace]
Again = Callable[[Workspace], Workspace]


@pytest.fixture
def table(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, orders: pl.DataFrame) -> Any:
    """The orders as a table of a catalog that the variable CATALOG names."""
    folder = tmp_path_factory.mktemp("warehouse")
    uri = f"sqlite:///{folder}/catalog.db"
    monkeypatch.setenv("CATALOG", uri)
    catalog = catalogs.load_catalog("findcli", uri=uri, warehouse=f"file://{folder}")
    catalog.create_namespace("shop")
    rows = orders.to_arrow()
    made = catalog.create_table("shop.orders", schema=rows.schema)
    made.append(rows.slice(0, 100))
    made.append(rows.slice(100))
    yield made
    catalog.close()


def test_a_catalogs_table_gives_the_events_of_a_file_and_a_new_snapshot_is_read(
    make: Make, table: Any, events_of_a_file: dict[str, str], again: Again
) -> None:
    workspace = make(connection="env:CATALOG", table="shop.orders")
    before = build_events(workspace).manifest
    assert before.files == events_of_a_file
    with table.update_spec():
        pass
    assert build_events(again(workspace)).manifest == before
    table.delete("customer = 3")
    assert build_events(again(workspace)).manifest.metrics["users"] == 19


@pytest.mark.parametrize("whole", [True, False])
def test_a_table_is_read_by_its_folder_or_its_metadata(
    make: Make, table: Any, events_of_a_file: dict[str, str], *, whole: bool
) -> None:
    metadata = table.metadata_location.removeprefix("file://")
    workspace = make(path=metadata.partition("/metadata/")[0] if whole else metadata)
    assert build_events(workspace).manifest.files == events_of_a_file


@pytest.mark.usefixtures("table")
def test_a_table_that_is_not_there_is_said_in_one_line(make: Make) -> None:
    with pytest.raises(FindCLIError, match=r"Table does not exist: shop\.nothing"):
        build_events(make(connection="env:CATALOG", table="shop.nothing"))


def test_no_error_holds_the_catalogs_secret(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG", "sqlite:////nowhere/me:hush-hush@there/catalog.db")
    with pytest.raises(FindCLIError) as error:
        build_events(make(connection="env:CATALOG", table="shop.orders"))
    assert "hush" not in error.value.message + error.value.hint
    assert error.value.__cause__ is None


def test_the_newest_metadata_is_the_one_of_the_highest_number() -> None:
    assert newest_metadata(["m/00002-a.metadata.json", "m/00010-b.metadata.json"]) == "m/00010-b.metadata.json"
    assert newest_metadata(["m/v9.metadata.json", "m/v10.metadata.json"]) == "m/v10.metadata.json"
    assert newest_metadata([]) is None
