"""A query of a real PostgreSQL server: rows, types, what changed, and what is never said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from findcli.data.check import check_workspace
from findcli.data.events import build_events, changed_sources
from findcli.data.events import stage_inputs as digests
from findcli.data.places import copies
from findcli.data.places.postgres import secrets_of
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

Make = Callable[..., Workspace]
Again = Callable[[Workspace], Workspace]
Run = Callable[..., None]
QUERY = "select * from orders"
SECRETS = ("p@ss w/rd", "p%40ss", "w%2Frd", "ss w")


@pytest.fixture
def run(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run statements on the server, which the variable SHOP_URL names."""
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    monkeypatch.setenv("SHOP_URL", postgres)

    def statements(*several: str) -> None:
        with closing(dbapi.connect(postgres)) as connection, connection.cursor() as cursor:
            for each in several:
                cursor.execute(each)
            connection.commit()

    yield statements
    statements("drop table if exists orders", "drop type if exists mood")


@pytest.fixture
def filled(run: Run, orders: pl.DataFrame) -> Run:
    """The server with the table of orders."""
    run("create table orders (customer bigint, day timestamp, product text, price numeric(10, 2))")
    rows = ", ".join(f"({c}, '{d}', '{p}', {a})" for c, d, p, a in orders.iter_rows())
    run(f"insert into orders values {rows}")
    return run


def shop(make: Make, query: str = QUERY, **more: str) -> Workspace:
    return make(query=query, connection="env:SHOP_URL", **more)


@pytest.mark.usefixtures("filled")
def test_a_query_gives_the_events_of_a_file(make: Make, events_of_a_file: dict[str, str]) -> None:
    assert build_events(shop(make)).manifest.files == events_of_a_file


def test_a_query_is_read_again_and_only_other_rows_make_the_log_stale(make: Make, filled: Run, again: Again) -> None:
    workspace = shop(make)
    before = build_events(workspace).manifest
    filled("create table other as select * from orders order by price desc", "drop table orders")
    filled("alter table other rename to orders")  # the same rows in another order
    assert build_events(again(workspace)).manifest == before
    filled("insert into orders values (3, '2024-02-02', 'thing 1', 5)")
    later = again(workspace)
    assert changed_sources(later) is None  # nobody was asked
    assert digests(later) != before.inputs
    changed = changed_sources(later)
    assert changed is not None
    assert changed[1] == ["orders"]
    assert build_events(later).manifest.metrics["rows"] == before.metrics["rows"] + 1


def test_a_version_query_says_when_to_read_again(make: Make, filled: Run, again: Again) -> None:
    workspace = shop(make, version_query="select count(*) from orders")
    before = build_events(workspace).manifest
    filled("update orders set price = 0")
    assert build_events(again(workspace)).manifest == before
    filled("delete from orders where customer = 3")
    assert build_events(again(workspace)).manifest.metrics["rows"] == before.metrics["rows"] - 12


@pytest.mark.usefixtures("filled")
def test_within_one_command_a_query_is_asked_once(make: Make, run: Run) -> None:
    workspace = shop(make)
    build_events(workspace)
    run("drop table orders")
    assert digests(workspace)


def test_types_of_the_database_read_as_what_they_are(make: Make, run: Run) -> None:
    run(
        "create type mood as enum ('glad', 'sad')",
        "create table orders (customer uuid, day timestamptz, product char(9), price numeric, mood mood, n numeric(4))",
        "insert into orders values ('00000000-0000-0000-0000-0000000000ff', '2024-02-01 10:00+02', 'tea', 1234.567, "
        "'sad', 7), (null, '2024-02-01 10:00+02', 'tea', 'NaN', null, null)",
    )
    workspace = shop(make)
    frame = pl.read_parquet(copies.source_files(workspace, workspace.settings.sources[0]))
    assert frame["customer"][0] == "00000000-0000-0000-0000-0000000000ff"
    assert frame["product"].to_list() == ["tea", "tea"]
    assert frame["price"][0] == 1234.567
    assert frame["mood"].to_list() == ["sad", None]
    assert frame["n"].to_list() == [7, None]
    assert str(frame["day"][0]) == "2024-02-01 08:00:00+00:00"


@pytest.mark.parametrize("kind", ["money", "interval"])
def test_a_type_that_would_be_misread_is_refused_with_its_cast(make: Make, run: Run, kind: str) -> None:
    run(f"create table orders (customer int, day date, product text, price {kind})")
    with pytest.raises(FindCLIError, match=f"'price' is of type {kind}") as error:
        build_events(shop(make))
    assert "price::" in error.value.hint


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 1 as a, 2 as a", "several columns named 'a'"),
        ("select '10.0.0.1'::inet as place", "'place' is of type inet"),
    ],
)
def test_columns_that_no_table_can_hold_are_named(make: Make, query: str, said: str) -> None:
    with pytest.raises(FindCLIError, match=said) as error:
        build_events(shop(make, query))
    assert error.value.hint


def test_an_empty_table_has_its_columns(make: Make, run: Run) -> None:
    run("create table orders (customer int, day date, product text, price numeric)")
    with pytest.raises(FindCLIError, match="no usable row"):
        build_events(shop(make))


@pytest.mark.usefixtures("filled")
def test_a_query_can_change_nothing(make: Make) -> None:
    with pytest.raises(FindCLIError, match="read-only transaction"):
        build_events(shop(make, "delete from orders returning *"))


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("selekt", 'syntax error at or near "selekt"'),
        ("select 1 / (200000 - i) as a from generate_series(1, 200000) i", "division by zero"),  # after some batches
    ],
)
def test_the_databases_own_words_come_in_one_line(make: Make, query: str, said: str) -> None:
    workspace = shop(make, query)
    with pytest.raises(FindCLIError) as error:
        build_events(workspace)
    assert error.value.message == f"source 'orders': PostgreSQL at SHOP_URL: {said}"
    (problem, *_) = check_workspace(workspace).problems
    assert said in problem.what


def test_a_variable_that_is_not_set_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_URL", raising=False)
    with pytest.raises(FindCLIError, match="environment variable SHOP_URL is not set"):
        build_events(shop(make))


def test_a_url_of_another_database_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "mysql://me:hush-hush@host/shop")
    with pytest.raises(FindCLIError, match="not one of PostgreSQL") as error:
        build_events(shop(make))
    assert "hush" not in error.value.message + error.value.hint


@pytest.mark.usefixtures("filled")
def test_no_file_of_the_workspace_holds_the_secret(make: Make, postgres: str) -> None:
    workspace = shop(make)
    build_events(workspace)
    written = b"".join(path.read_bytes() for path in workspace.folder.rglob("*") if path.is_file())
    assert b"env:SHOP_URL" in written
    assert not any(secret.encode() in written for secret in (*SECRETS, postgres))


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("/postgres", "/nowhere"),
        lambda url: url.replace("p%40ss", "wrong%40ss"),
        lambda url: url.replace("%20", " "),
        lambda url: url.replace("%40", "@").replace("%2F", "/"),
        lambda url: url.replace(str(urlsplit(url).port), "1"),
    ],
)
def test_no_error_holds_the_secret(
    make: Make, monkeypatch: pytest.MonkeyPatch, postgres: str, change: Callable[[str], str]
) -> None:
    url = change(postgres)
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(FindCLIError) as error:
        build_events(shop(make))
    assert error.value.__cause__ is None
    assert not any(secret in f"{error.value.message} {error.value.hint}" for secret in (*SECRETS, url, "ss@", "rd@"))


def test_the_secrets_of_a_url() -> None:
    assert set(secrets_of("postgresql://me:abc%2Fdef@host/db?sslpassword=hush")) >= {"abc%2Fdef", "abc/def", "hush"}
    assert "me" not in secrets_of("postgresql://me@host/db")


@pytest.mark.usefixtures("filled")
def test_a_copy_says_what_it_was_made_of(make: Make) -> None:
    workspace = shop(make)
    build_events(workspace)
    (folder,) = (workspace.runs / "copies").glob("postgres-*")
    manifest = json.loads(Path(folder / "manifest.json").read_text())
    assert manifest["settings"] == {"kind": "postgres", "query": QUERY, "connection": "env:SHOP_URL"}
    assert manifest["metrics"]["rows"] == 240
