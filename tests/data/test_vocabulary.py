"""The sentences of a workspace with the names behind them."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from findcli.data.events import build_events
from findcli.data.vocabulary import SCHEMA, build_vocabulary
from findcli.workspace.folder import Workspace


def test_a_sentence_keeps_what_stands_above_and_below_it(tiny_workspace: Workspace) -> None:
    found = build_vocabulary(
        tiny_workspace, build_events(tiny_workspace), tiny_workspace.train_until, timedelta(weeks=12)
    )
    assert dict(found.schema) == SCHEMA
    assert found["text"].is_unique().all()
    rows = {row["text"]: row for row in found.iter_rows(named=True)}
    tea, fine = rows["The user purchased tea."], rows["The user purchased fine tea."]
    assert (tea["level"], tea["name"], sorted(tea["items"])) == ("category", "tea", ["fine tea", "plain tea"])
    assert (fine["level"], fine["category"], fine["items"]) == ("item", "tea", [])
    assert rows["The user purchased food."]["level"] == "department"
    assert rows["The user paid coupon."]["level"] == "status"
    assert rows["The user searched for cheap tea."]["family"] == "search"
    assert not any("and paid" in text for text in rows)


def test_nothing_outside_the_window_is_in_it(tiny_workspace: Workspace) -> None:
    log, until = build_events(tiny_workspace), tiny_workspace.train_until
    found = build_vocabulary(tiny_workspace, log, until, timedelta(weeks=2))
    counted = found.filter(pl.col("text") == "The user purchased tea.")["events"].item()
    orders = pl.read_parquet(tiny_workspace.path("data/orders.parquet"))
    recent = orders.filter(
        pl.col("category") == "tea", pl.col("time") < until, pl.col("time") >= until - timedelta(weeks=2)
    )
    assert counted == len(recent)
