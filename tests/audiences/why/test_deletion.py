"""A history without events is the history of a user of whom they were never recorded."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from findcli.audiences.why.deletion import History, open_histories
from findcli.data import events
from findcli.errors import FindCLIError
from findcli.models.ranker.concepts import SUMS, Habits, concept_events, met_as_of
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run


@pytest.fixture
def engine(trained_workspace: Workspace) -> Engine:
    return open_engine(trained_workspace, as_of=trained_workspace.train_until, device="cpu")


def from_scratch(engine: Engine, history: History, *, without: list[int]) -> Habits:
    """Habits read from a log in which the events were never written."""
    run = open_run(engine.workspace.run("events"), "events")
    log = pl.concat([events.read_part(run, part, before=engine.as_of) for part in events.parts(run)])
    log = log.filter(pl.col("user_id") == history.user)
    for event in without:
        time, concepts = history.happened.row(event, named=True)["time"], set(history.happened["concepts"][event])
        rows = concept_events(engine.workspace, log).group_by("event").agg("concept", pl.col("time").first())
        gone = [
            row["event"]
            for row in rows.iter_rows(named=True)
            if row["time"] == time and set(row["concept"]) == concepts
        ]
        log = log.with_row_index("place").filter(~pl.col("place").is_in(gone)).drop("place")
    users = pl.Series("user_id", [history.user], dtype=engine.users.dtype)
    met = met_as_of(concept_events(engine.workspace, log), users, engine.as_of, history.length, future=history.future)
    return met.habits(history.snapshot.texts)


def same(one: Habits, other: Habits) -> bool:
    sums = all(np.allclose(one.sums[name].toarray(), other.sums[name].toarray(), rtol=1e-6) for name in SUMS)
    return sums and np.allclose(one.activity, other.activity, rtol=1e-6)


def test_without_nothing_it_is_the_stored_snapshot(engine: Engine) -> None:
    for row, history in enumerate(open_histories(engine, engine.users[:5].to_list())):
        assert same(history.without([[]]), history.snapshot.habits.rows(np.array([row])))


def test_without_events_it_equals_a_history_that_never_had_them(engine: Engine) -> None:
    (history,) = open_histories(engine, [engine.users[3]])
    assert len(history) > 6
    versions = [[0], [len(history) - 1], [1, 4, 5]]
    habits = history.without(versions)
    for row, deleted in enumerate(versions):
        assert same(habits.rows(np.array([row])), from_scratch(engine, history, without=deleted))


def test_without_anything_nothing_is_left(engine: Engine) -> None:
    (history,) = open_histories(engine, [engine.users[0]])
    habits = history.without([list(range(len(history)))])
    assert habits.activity.sum() == 0
    assert all(sums.nnz == 0 for sums in habits.sums.values())


def test_a_user_who_is_not_there_is_named(engine: Engine) -> None:
    with pytest.raises(FindCLIError, match="99999"):
        open_histories(engine, [99999])
