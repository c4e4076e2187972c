"""Demands as users and sentences: what is a filter is no longer asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from findcli.audiences.read import read
from findcli.audiences.target import target
from findcli.scoring.as_read import OFF
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace, load_workspace
from tests.conftest import train


def test_who_people_are_is_apart_from_what_they_will_do(trained_workspace: Workspace) -> None:
    engine = open_engine(trained_workspace, device="cpu")
    both, alone, plain = read(engine, ["gold tier users who buy tea", "people from the north", "people who buy tea"])
    assert both.where == "tier == 'gold'"
    assert both.rewriting.sentences == plain.rewriting.sentences == ["The user purchased tea."]
    assert both.rewriting.demand == "gold tier users who buy tea"
    assert alone.where == "city == 'north'"
    assert alone.rewriting.sentences == ["The user purchased anything."]
    assert "nothing of the future" in alone.rewriting.notes[0]
    assert plain.where is None


def test_words_that_are_not_rewritten_write_no_filter(trained_workspace: Workspace) -> None:
    (as_it_stands,) = read(open_engine(trained_workspace, device="cpu"), ["gold tier users who buy tea"], OFF)
    assert as_it_stands.where is None
    assert as_it_stands.offer == "tier == 'gold'"


@pytest.mark.slow
def test_what_events_say_of_who_users_are_is_a_filter(tiny_template: Path, tmp_path: Path) -> None:
    """The latest country of a user's orders, and no amount: "will spend over 500" says not who did."""
    folder = shutil.copytree(tiny_template, tmp_path / "shop")
    orders = pl.read_parquet(folder / "data/orders.parquet")
    named = pl.when(pl.col("user_id") % 3 == 0).then(pl.lit("France")).otherwise(pl.lit("Spain"))
    orders.with_columns(country=named).write_parquet(folder / "data/orders.parquet")
    aggregate = '\n[[profile.aggregates]]\nname = "country"\nsource = "orders"\nmeasure = "last"\ncolumn = "country"\n'
    with (folder / "findcli.toml").open("a") as file:
        file.write(aggregate)
    workspace = load_workspace(folder)
    train(workspace)
    (audience,) = target(workspace, ["customers from France who will buy tea"], device="cpu")
    assert [passed.expression for passed in audience.conditions] == ["country == 'France'"]
    assert sorted(audience.ranking["user_id"]) == [user for user in range(60) if user % 3 == 0]
    assert audience.rewriting is not None
    assert audience.rewriting.notes == ()
