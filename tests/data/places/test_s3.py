"""Tables at s3://, on a server on loopback: files of any dialect, Delta and Iceberg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from findcli.data.append import update_events
from findcli.data.events import build_events
from findcli.data.places import copies
from findcli.errors import FindCLIError
from findcli.workspace import objects
from findcli.workspace.folder import Workspace

pytest.importorskip("obstore")
Make = Callable[..., Workspace]
Again = Callable[[Workspace], Workspace]


@pytest.fixture
def put(bucket: str, tmp_path: Path) -> Callable[[str, pl.DataFrame], None]:
    """Write a table as an object of the bucket, and as a file in the folder `local`."""

    def write(key: str, frame: pl.DataFrame) -> None:
        file = tmp_path / "local" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(file) if key.endswith(".parquet") else frame.write_csv(file)
        objects.upload(file, f"{bucket}/{key}")

    return write


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        (["a/orders.parquet"], "a/orders.parquet"),
        (["orders.csv"], "orders.csv"),
        (["a/orders-1.csv", "a/orders-2.csv", "a/other.txt", "a/b/orders-3.csv"], "a/orders-*.csv"),
        (["a/1.parquet", "a/b/2.parquet", "a/_SUCCESS", "a/.hidden.csv"], "a/"),
        (["a/1.parquet", "a/b/c/2.parquet", "b/3.parquet"], "a/**/*.parquet"),
        (["a/x=1/1.csv", "a/x=2/1.csv"], "a"),
    ],
)
def test_objects_give_the_events_that_such_files_give(
    make: Make, bucket: str, put: Any, orders: pl.DataFrame, tmp_path: Path, keys: list[str], path: str
) -> None:
    for i, key in enumerate(keys):
        put(key, orders.slice(60 * i, 60))
    there, here = make(path=f"{bucket}/{path}"), make("here", path=str(tmp_path / "local" / path))
    assert build_events(there).manifest.files == build_events(here).manifest.files


@pytest.mark.parametrize("path", ["logs", "logs/", "logs/day=*/*.csv", "logs/day=2024-02-01"])
def test_the_names_of_folders_are_columns(make: Make, bucket: str, put: Any, path: str) -> None:
    put("logs/day=2024-02-01/a.csv", pl.DataFrame({"customer": [1], "product": ["tea"], "price": [2.5]}))
    workspace = make(path=f"{bucket}/{path}")
    events = build_events(workspace)
    assert events.manifest.metrics["first"] == "2024-02-01T00:00:00"


def test_only_objects_that_changed_are_read_again(
    make: Make, bucket: str, put: Any, orders: pl.DataFrame, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make(path=f"{bucket}/orders/*.csv")
    put("orders/1.csv", orders.head(100))
    before = build_events(workspace).manifest
    read: list[str] = []
    download = objects.download

    def noted(url: str, target: Path) -> None:
        read.append(url)
        download(url, target)

    monkeypatch.setattr(objects, "download", noted)
    assert build_events(again(workspace)).manifest == before
    assert not read
    put("orders/2.csv", orders.tail(-100))
    assert build_events(again(workspace)).manifest.metrics["rows"] == 240
    assert read == [f"{bucket}/orders/2.csv"]


def test_an_update_reads_new_objects_alone(
    make: Make, bucket: str, put: Any, orders: pl.DataFrame, again: Again
) -> None:
    workspace = make(path=f"{bucket}/orders/*.csv")
    put("orders/1.csv", orders.filter(pl.col("day").dt.day() < 15))
    build_events(workspace)
    assert update_events(again(workspace)).new.nothing
    put("orders/2.csv", orders.filter(pl.col("day").dt.day() >= 15))
    updated = update_events(again(workspace))
    assert not updated.whole
    assert [file.path.name for file in updated.new.files["orders"]] == ["2.csv"]
    assert updated.run.manifest.metrics["rows"] == 240
    assert updated.run.manifest.files == build_events(again(workspace), force=True).manifest.files


def test_a_delta_table_gives_the_events_of_a_file(
    make: Make, bucket: str, orders: pl.DataFrame, events_of_a_file: dict[str, str]
) -> None:
    pytest.importorskip("deltalake")
    orders.write_delta(f"{bucket}/lake/orders", storage_options=objects.storage_options())
    assert build_events(make(path=f"{bucket}/lake/orders")).manifest.files == events_of_a_file


def test_an_iceberg_table_gives_the_events_of_a_file(
    make: Make, bucket: str, orders: pl.DataFrame, events_of_a_file: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    catalogs = pytest.importorskip("pyiceberg.catalog")
    uri = f"sqlite:///{tmp_path}/catalog.db"
    properties = {"s3.endpoint": objects.storage_options()["aws_endpoint_url"], "s3.region": "us-east-1"}
    catalog = catalogs.load_catalog("findcli", uri=uri, warehouse=f"{bucket}/ice", **properties)
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.orders", schema=orders.to_arrow().schema)
    table.append(orders.to_arrow())
    monkeypatch.setenv("CATALOG", uri)
    workspace = make("by-catalog", connection="env:CATALOG", table="shop.orders")
    assert build_events(workspace).manifest.files == events_of_a_file
    folder = table.metadata_location.partition("/metadata/")[0]
    assert build_events(make("by-folder", path=folder)).manifest.files == events_of_a_file
    catalog.close()


def test_what_is_not_there_is_said(make: Make, bucket: str) -> None:
    with pytest.raises(FindCLIError, match=r"source 'orders': no object matches s3://shop/none\.csv"):
        build_events(make(path=f"{bucket}/none.csv"))
    with pytest.raises(FindCLIError, match="bucket does not exist"):
        build_events(make("other", path="s3://nowhere/orders.csv"))


def test_a_store_that_does_not_answer_is_said(make: Make, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(FindCLIError, match="cannot be read") as error:
        copies.files(workspace := make(path=f"{bucket}/a.csv"), workspace.settings.sources[0], what="it")
    assert "AWS_ENDPOINT_URL" in error.value.hint
    assert "\n" not in error.value.message
