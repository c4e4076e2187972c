"""Where a table may lie, as findcli.toml says it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from findcli.errors import FindCLIError
from findcli.workspace.toml_file import parse_settings

SOURCE = {"name": "orders", "families": ["purchase"], "user": "u", "time": "t"}


def parse(place: dict[str, Any], **tables: Any) -> Any:
    raw = {"windows": {"train_until": datetime(2024, 1, 1)}, "sources": [{**SOURCE, **place}], **tables}
    return parse_settings(raw, name="findcli.toml")


@pytest.mark.parametrize(
    "place",
    [
        {"path": "orders.csv"},
        {"path": "s3://shop/orders/*.parquet"},
        {"path": "shop.duckdb", "query": "select 1"},
        {"query": "select 1", "connection": "env:SHOP_URL"},
        {"query": "select 1", "connection": "env:SHOP_URL", "version_query": "select 2"},
        {"table": "shop.orders", "connection": "env:CATALOG"},
    ],
)
def test_each_place_is_said_in_its_way(place: dict[str, str]) -> None:
    (source,) = parse(place).sources
    assert source.is_named
    assert source.where


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ({}, "path: missing"),
        ({"query": "select 1"}, "connection: missing"),
        ({"query": "select 1", "connection": "postgresql://me:hush-hush@host/db"}, "write 'env:NAME'"),
        ({"connection": "env:X"}, "give one"),
        ({"connection": "env:X", "query": "select 1", "table": "a.b"}, "give one"),
        ({"connection": "env:X", "path": "a.csv"}, "take one of the two out"),
        ({"table": "a.b", "path": "a"}, "needs connection"),
        ({"path": "a.csv", "query": "select 1"}, "asks a database file"),
        ({"path": "a.duckdb"}, "a database file needs one"),
        ({"path": "a.csv", "version_query": "select 1"}, "needs a query"),
        ({"path": "s3://shop/a.duckdb", "query": "select 1"}, "copy it to this machine"),
        ({"path": "gs://bucket/a.csv"}, "cannot be read; s3://"),
    ],
)
def test_what_cannot_be_is_said_and_no_secret_with_it(place: dict[str, str], problem: str) -> None:
    with pytest.raises(FindCLIError, match=problem) as error:
        parse(place)
    assert "hush" not in error.value.message + error.value.hint


def test_who_consents_and_how_users_are_reached_is_read_on_this_machine() -> None:
    contacts = {"path": "s3://shop/contacts.csv", "email": ["mail"]}
    with pytest.raises(FindCLIError, match=r"contacts\.path: .* is not on this machine"):
        parse({"path": "a.csv"}, contacts=contacts)
    with pytest.raises(FindCLIError, match=r"consent\.path: .* is not on this machine"):
        parse({"path": "a.csv"}, consent={"path": "s3://shop/consent.csv", "objection": "no"})


def test_a_profile_and_a_task_lie_anywhere() -> None:
    query = {"query": "select 1", "connection": "env:SHOP_URL", "user": "u"}
    task = {**query, "as_of": datetime(2024, 1, 1), "demand": "who"}
    settings = parse({"path": "a.csv"}, profile={**query, "categorical": ["city"]}, tasks={"t": task})
    assert settings.profile.is_named
    assert settings.tasks["t"].where == "env:SHOP_URL, its query"
    with pytest.raises(FindCLIError, match=r"profile\.user: missing"):
        parse({"path": "a.csv"}, profile={"query": "select 1", "connection": "env:SHOP_URL"})
