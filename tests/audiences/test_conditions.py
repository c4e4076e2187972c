"""Conditions on the past: exact, from the event log, with every measure, sign and period."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from findcli.audiences.conditions import passes_history, said
from findcli.demands.reading import Clause, Meant, Past
from findcli.workspace.folder import Workspace

USERS = pl.Series(range(60))


def condition(
    *sentences: str, measure: str = "any", least: float = 1.0, negated: bool = False, since: datetime | None = None,
    before: datetime | None = None,
) -> Past:  # fmt: skip
    meant = tuple(Meant(sentence, 1.0, None) for sentence in sentences)
    clause = Clause("x", negated, meant, measure=measure, least=least)  # type: ignore[arg-type]
    return Past(clause, "then", since, before)


def passing(workspace: Workspace, past: Past) -> set[int]:
    passes = passes_history(workspace, USERS, workspace.train_until, [past])
    return set(USERS.filter(pl.Series(passes[:, 0])).to_list())


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize(
    ("measure", "least"), [("any", 1.0), ("count", 3.0), ("amount", 60.0), ("distinct", 2.0), ("first", 1.0)]
)
def test_who_passes_is_counted_in_the_log(
    tiny_workspace: Workspace, measure: str, least: float, *, negated: bool
) -> None:
    until = tiny_workspace.train_until
    since, before = until - timedelta(weeks=10), until - timedelta(weeks=2)
    orders = pl.read_parquet(tiny_workspace.path("data/orders.parquet")).filter(
        pl.col("time") < until, pl.col("category").is_in(["tea", "soap"])
    )
    window = orders.filter(pl.col("time") >= since, pl.col("time") < before)
    of_user = window.group_by("user_id").agg(
        times=pl.col("time").n_unique(), amount=pl.col("amount").sum(), things=pl.col("item").n_unique()
    )
    reached = {
        "any": of_user,
        "count": of_user.filter(pl.col("times") >= least),
        "amount": of_user.filter(pl.col("amount") > least),
        "distinct": of_user.filter(pl.col("things") >= least),
        "first": orders.group_by("user_id")
        .agg(pl.col("time").min())
        .filter(pl.col("time") >= since, pl.col("time") < before),
    }[measure]
    expected = set(reached["user_id"])
    tea = ("The user purchased tea.", "The user purchased soap.")
    past = condition(*tea, measure=measure, least=least, negated=negated, since=since, before=before)
    assert passing(tiny_workspace, past) == (set(USERS) - expected if negated else expected)


def test_nothing_at_or_after_the_date_counts(tiny_workspace: Workspace) -> None:
    early = tiny_workspace.train_until - timedelta(weeks=20)
    anything = condition("The user purchased anything.", since=early)
    assert not passes_history(tiny_workspace, USERS, early, [anything]).any()
    assert passes_history(tiny_workspace, USERS, early, []).shape == (60, 0)


def test_a_condition_is_said_with_its_dates() -> None:
    past = condition("The user purchased tea.", negated=True, since=datetime(2024, 5, 1))
    assert said(past, datetime(2024, 9, 9)) == 'not "The user purchased tea.", from 2024-05-01 until 2024-09-09'
    spent = condition("A.", "B.", measure="amount", least=50)
    assert (
        said(spent, datetime(2024, 9, 9)) == 'any of 2 sentences, such as "A.", more than 50 in all, before 2024-09-09'
    )
