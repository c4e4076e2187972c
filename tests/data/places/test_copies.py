"""Copies of tables that lie elsewhere: parts, digests, profile and labels, who is forgotten, and what is superseded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from findcli import pipeline
from findcli.audiences.forgetting.forget import forget
from findcli.audiences.forgetting.source_tables import listed_in_sources
from findcli.data import tasks
from findcli.data.append import update_events
from findcli.data.check import check_workspace
from findcli.data.events import build_events
from findcli.data.places import copies, place
from findcli.data.profiles import input_digest, scan_profile
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, write_settings
from findcli.workspace.other_settings import link_stages, under_other_settings

deltalake = pytest.importorskip("deltalake")
Make = Callable[..., Workspace]
Again = Callable[[Workspace], Workspace]


@pytest.fixture
def shop(make: Make, orders: pl.DataFrame) -> Workspace:
    """A workspace whose orders are a Delta table."""
    workspace = make(path="orders")
    orders.write_delta(str(workspace.folder / "orders"))
    return workspace


def rows(workspace: Workspace) -> pl.DataFrame:
    return pl.read_parquet(copies.source_files(workspace, workspace.settings.sources[0]))


def test_parts_are_bounded_and_hold_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "PART_ROWS", 100)
    frame = pl.DataFrame({"a": range(1050)})
    place.write_parts((frame.slice(30 * i, 30) for i in range(35)), tmp_path)
    parts = sorted(tmp_path.iterdir())
    assert {pl.read_parquet(part).height for part in parts} == {90, 60}
    assert pl.read_parquet(parts).equals(frame)


def test_the_digest_is_that_of_the_rows_in_any_order_and_any_parts(tmp_path: Path, orders: pl.DataFrame) -> None:
    def digest(*frames: pl.DataFrame) -> tuple[int, str]:
        paths = [tmp_path / f"{i}.parquet" for i in range(len(frames))]
        for path, frame in zip(paths, frames, strict=True):
            frame.write_parquet(path)
        return place.digest_of_rows(paths)

    whole = digest(orders)
    assert whole == digest(orders.tail(100), orders.head(140)) == digest(orders.reverse())
    twice = pl.concat([orders, orders.head(1)])
    others = [orders.head(239), twice, orders.rename({"day": "time"}), orders.with_columns(pl.col("price") + 1)]
    assert len({whole, *map(digest, others)}) == 5


def test_a_missing_library_names_its_extra(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "postgresql://me@here/shop")
    for module, extra, where in (
        ("duckdb", "duckdb", {"path": "a.duckdb", "query": "select 1"}),
        ("deltalake", "delta", {"path": "lake"}),
        ("pyiceberg", "iceberg", {"connection": "env:URL", "table": "a.b"}),
        ("adbc_driver_postgresql.dbapi", "postgres", {"connection": "env:URL", "query": "select 1"}),
        ("obstore.store", "s3", {"path": "s3://shop/a.csv"}),
    ):
        workspace = make(extra, **where)
        (workspace.folder / "lake" / "_delta_log").mkdir(parents=True)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(FindCLIError) as error:
            build_events(workspace)
        assert f'pip install "findcli[{extra}]"' in error.value.hint


def test_a_file_of_this_machine_loads_no_library_of_a_place(make: Make, orders: pl.DataFrame) -> None:
    workspace = make(path="orders.csv")
    orders.write_csv(workspace.folder / "orders.csv")
    names = ["adbc_driver_manager", "duckdb", "deltalake", "pyiceberg", "obstore", "sqlalchemy", "arro3"]
    code = (
        "import sys; from findcli.cli.main import main; sys.argv = ['findcli', 'check', '--workspace', sys.argv[1]]\n"
        f"try: main()\nexcept SystemExit: print([n for n in {names} if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.folder)], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_profile_and_labels_lie_elsewhere_too(make: Make, orders: pl.DataFrame, again: Again, tmp_path: Path) -> None:
    shop = make(path="orders.parquet").settings
    folder = tmp_path / "w"
    people = pl.DataFrame({"customer": range(20), "city": ["Riga", "Oslo"] * 10, "label": [0, 1] * 10})
    people.write_delta(str(folder / "people"))
    orders.write_parquet(folder / "orders.parquet")
    source = {"name": "orders", "path": "orders.parquet", "families": ["purchase"], "user": "customer", "time": "day"}
    task = {"path": "people", "as_of": datetime(2024, 3, 1), "demand": "who buys", "user": "customer"}
    values = {
        "windows": {"train_until": shop.windows.train_until}, "sources": [source], "tasks": {"t": task},
        "profile": {"path": "people", "user": "customer", "categorical": ["city"]},
    }  # fmt: skip
    workspace = write_settings(folder, values, header="a test")
    assert scan_profile(workspace).collect().height == 20
    assert tasks.read_labels(workspace, "t", workspace.settings.tasks["t"])["label"].sum() == 10
    before = input_digest(workspace, datetime(2024, 3, 1))
    deltalake.DeltaTable(str(folder / "people")).update({"city": "'Bern'"}, predicate="customer = 3")
    assert input_digest(workspace, datetime(2024, 3, 1)) == before  # within one command
    assert input_digest(again(workspace), datetime(2024, 3, 1)) != before
    report = check_workspace(workspace)
    assert (report.profile.users, report.tasks[0].positives) == (20, 10)  # type: ignore[union-attr]


def test_check_reads_what_changed_and_counts_it(shop: Workspace, orders: pl.DataFrame) -> None:
    assert check_workspace(shop).sources[0].rows == 240
    orders.head(3).with_columns(pl.col("price") + 100).write_delta(str(shop.folder / "orders"), mode="append")
    report = check_workspace(shop)
    assert report.sources[0].rows == 243
    assert report.sources[0].notes[0].startswith("243 rows read from delta (orders) at 20")


def test_who_is_forgotten_leaves_the_copy_and_does_not_come_back_with_the_next(
    shop: Workspace, orders: pl.DataFrame, again: Again
) -> None:
    build_events(shop)
    assert [(each.what, str(each.path), each.rows) for each in listed_in_sources(shop, ["3"])] == [
        ("source 'orders'", "orders", 12)
    ]
    done = forget(shop, ["3"], sources=True)
    assert not done.rewritten
    assert 3 not in rows(shop)["customer"]
    assert pipeline.bind(again(shop), "events").why_stale() is None
    orders.filter(pl.col("customer") == 4).with_columns(price=1000.0).write_delta(
        str(shop.folder / "orders"), mode="append"
    )
    log = build_events(again(shop))
    assert log.manifest.metrics["users"] == 19
    assert 3 not in rows(shop)["customer"]
    assert len(rows(shop)) == 240


def test_a_copy_that_no_table_is_read_from_is_superseded(shop: Workspace, again: Again) -> None:
    build_events(shop)
    file = shop.folder / "findcli.toml"
    (shop.folder / "orders").rename(shop.folder / "renamed")
    file.write_text(file.read_text().replace('path = "orders"', 'path = "renamed"'))
    workspace = again(shop)
    build_events(workspace)
    assert [path.parent.name for path, _ in pipeline.clean(workspace, dry_run=True)] == ["copies"]
    pipeline.clean(workspace)
    assert len(list((workspace.runs / "copies").glob("delta-*"))) == 1


def test_an_interrupted_copy_leaves_the_last_one(
    shop: Workspace, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build_events(shop).manifest
    deltalake.DeltaTable(str(shop.folder / "orders")).delete("customer = 3")

    def torn(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("findcli.data.places.delta.sink_parts", torn)
    with pytest.raises(KeyboardInterrupt):
        build_events(again(shop))
    assert len(rows(shop)) == 240
    monkeypatch.undo()
    assert build_events(again(shop)).manifest.metrics["rows"] == before.metrics["rows"] - 12


def test_an_update_sees_other_rows_and_reads_them_whole(shop: Workspace, orders: pl.DataFrame, again: Again) -> None:
    build_events(shop)
    assert update_events(again(shop)).new.nothing
    new = orders.head(3).with_columns(pl.col("price") + 100)
    new.write_delta(str(shop.folder / "orders"), mode="append")
    updated = update_events(again(shop))
    assert (updated.rows, "holds other rows" in updated.whole) == (3, True)
    assert updated.run.manifest.files == build_events(again(shop), force=True).manifest.files


def test_a_derived_workspace_shares_the_copies(shop: Workspace, again: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = again(shop)
    log = build_events(workspace)
    derived = under_other_settings(workspace, {"align": {"steps": 1}}, group="variants", name="form")
    link_stages(workspace, derived)
    monkeypatch.setattr("findcli.data.places.delta.sink_parts", None)  # nothing may be read
    assert build_events(derived).manifest == log.manifest
