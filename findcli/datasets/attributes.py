"""Columns of a table of events that say who the user is, such as the country of an order: attributes of the profile.

Tested in tests/datasets/test_tables.py.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from findcli.data.reader import nulls
from findcli.datasets import columns, words
from findcli.datasets.unknown_tables import UnknownTable

STEADY = 0.99  # share of users with one value alone, of those with events at several times
FEWEST_USERS = 20  # who have events at several times
SHARED = 2  # users a value, on average, at least: names and addresses are nobody else's


def find_attributes(table: UnknownTable) -> None:
    """Find the columns of a source that no key takes and that hardly change within a user."""
    user, time = table.source.get("user"), table.source.get("time")
    free = [name for name in table.unused if _may_be_attribute(table, name)]
    if user is None or time is None or not free:
        return
    values = {name: nulls.words(table.table, table.form, name).alias(name) for name in free}
    counts = (
        table.table.frame.select(pl.col(user).alias("user "), pl.col(time).alias("time "), *values.values())
        .filter(pl.col("user ").is_not_null())
        .group_by("user ")
        .agg(
            pl.col("time ").n_unique(),
            *(pl.col(name).drop_nulls().n_unique() for name in free),
        )
        .filter(pl.col("time ") > 1)
    )
    shares = counts.select(
        pl.len().alias("users "),
        *((pl.col(name) == 1).sum().alias(name) for name in free),
        *((pl.col(name) > 0).sum().alias(f"with {name}") for name in free),
    )
    seen = shares.collect(engine="streaming").row(0, named=True)
    for name in free:
        with_value = seen[f"with {name}"]
        if with_value >= max(FEWEST_USERS, SHARED * table.distinct[name]) and seen[name] >= STEADY * with_value:
            table.attributes.append(name)
            del table.unused[name]
            table.why.append(f"{name!r} is an attribute of users: {seen[name] / with_value:.1%} have one value alone")


def _may_be_attribute(table: UnknownTable, name: str) -> bool:
    """Whether a column is of few words, by its type and a sample of it."""
    sample = table.sample[name]
    if name in table.times or words.is_person_name(name) or words.is_code(name):
        return False
    if words.names(name, words.CURRENCY_WORDS) == 2 or words.is_user_name(name, table=table.stem):
        return False
    kind, _ = columns.attribute_kind(sample, is_time=False)
    return kind in ("categorical", "ordered") and not columns.is_number_like(sample)


def aggregates_of(table: UnknownTable) -> list[dict[str, Any]]:
    """The aggregates of the profile that keep what users are by the events of a table."""
    name = table.source["name"]
    return [{"name": column, "source": name, "measure": "last", "column": column} for column in table.attributes]
