from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.data import events
from findcli.models.ranker.concepts import DECAYS, SUMS, Habits, concept_events, join_habits, latest_of, met_as_of
from findcli.workspace.folder import Workspace

CUTOFF = datetime(2024, 3, 1)
HISTORY = timedelta(weeks=10)


def habits_as_of(
    events: pl.DataFrame, users: pl.Series, concepts: pl.Series, cutoff: datetime, history: timedelta
) -> Habits:
    return met_as_of(events, users, cutoff, history, future=timedelta(weeks=2)).habits(concepts)


def met(rows: list[tuple[int, float, str]]) -> pl.DataFrame:
    """Events, each (user, days before the cutoff, concept)."""
    return pl.DataFrame(
        {
            "event": pl.Series(range(len(rows)), dtype=pl.UInt32),
            "user_id": [row[0] for row in rows],
            "time": [CUTOFF - timedelta(days=row[1]) for row in rows],
            "amount": [row[0] + 1.0 for row in rows],
            "concept": [row[2] for row in rows],
        }
    )


def test_sums_are_of_decayed_events_times_and_amounts() -> None:
    read = habits_as_of(
        met([(1, 7, "a"), (1, 14, "a"), (2, 1, "b")]), pl.Series([1, 2]), pl.Series(["a", "b"]), CUTOFF, HISTORY
    )
    for decay in DECAYS:
        assert read.sums[f"decay {decay}"][0, 0] == pytest.approx(decay + decay**2, rel=1e-5)
    expected = {
        "weeks": 2, "latest": latest_of(7), "first": 15**4, "window": 2, "times": 0.95 + 0.95**2, "times in window": 2,
        "amount": 2 * 0.95 + 2 * 0.95**2, "amount in window": 4,
    }  # fmt: skip
    assert {name: read.sums[name][0, 0] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert read.sums["latest"][1, 1] == pytest.approx(latest_of(1), rel=1e-5)
    assert read.sums["latest"][0, 1] == 0


def test_what_is_bought_at_once_is_one_time() -> None:
    read = habits_as_of(
        met([(1, 7, "a"), (1, 7, "a"), (1, 20, "a")]), pl.Series([1]), pl.Series(["a"]), CUTOFF, HISTORY
    )
    assert read.sums["times in window"][0, 0] == 1
    assert read.sums["window"][0, 0] == 2


def test_an_event_that_says_several_things_is_one_activity() -> None:
    rows = met([(1, 7, "a"), (1, 7, "b")]).with_columns(event=pl.lit(0, pl.UInt32))
    found = habits_as_of(rows, pl.Series([1]), pl.Series(["a", "b"]), CUTOFF, HISTORY)
    assert found.activity[0, 0] == pytest.approx(np.log1p(0.95), rel=1e-5)
    assert found.activity[0, -1] == pytest.approx(np.log1p(2))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-20, 100), st.sampled_from("abc")), max_size=20))
def test_nothing_outside_the_window_counts(rows: list[tuple[int, float, str]]) -> None:
    users, concepts = pl.Series([0, 1, 2, 3]), pl.Series(["a", "b", "c"])
    inside = [row for row in rows if 0 < row[1] <= HISTORY.days]
    empty = met([(0, 1, "a")]).clear()
    whole, cut = (
        habits_as_of(met(some) if some else empty, users, concepts, CUTOFF, HISTORY) for some in (rows, inside)
    )
    assert all((whole.sums[name] != cut.sums[name]).nnz == 0 for name in SUMS)
    assert np.array_equal(whole.activity, cut.activity)


def test_groups_of_users_join_and_part() -> None:
    rows, concepts = met([(1, 7, "a"), (2, 3, "b"), (3, 2, "a")]), pl.Series(["a", "b"])
    whole = habits_as_of(rows, pl.Series([1, 2, 3]), concepts, CUTOFF, HISTORY)
    parts = [habits_as_of(rows, pl.Series(users), concepts, CUTOFF, HISTORY) for users in ([1], [2, 3])]
    joined = join_habits(parts)
    assert all((whole.sums[name] != joined.sums[name]).nnz == 0 for name in SUMS)
    assert np.array_equal(whole.rows(np.array([2])).activity, whole.activity[2:])


def test_shares_tell_who_met_a_concept_at_all_and_lately() -> None:
    rows = met([(1, 7, "a"), (2, 60, "a"), (3, 60, "b")])
    ever, late = habits_as_of(rows, pl.Series([1, 2, 3, 4]), pl.Series(["a", "b"]), CUTOFF, HISTORY).shares()
    assert ever.tolist() == [0.5, 0.25]
    assert late.tolist() == [0.25, 0.0]


def test_an_event_reads_as_every_sentence_that_it_makes_true(tiny_workspace: Workspace) -> None:
    log = events.build_events(tiny_workspace)
    own = events.read_part(log, events.parts(log)[0]).filter(pl.col("source") == "orders").head(1)
    row = own.row(0, named=True)
    texts = concept_events(tiny_workspace, own)["concept"].to_list()
    assert f"The user purchased {row['category']}." in texts
    assert f"The user purchased {row['department']}." in texts
    assert f"The user paid {row['status']}." in texts
    assert not any("amounting" in text for text in texts)


def test_no_event_reads_as_nothing(tiny_workspace: Workspace) -> None:
    log = events.build_events(tiny_workspace)
    assert concept_events(tiny_workspace, events.read_part(log, events.parts(log)[0]).clear()).is_empty()


def test_a_slot_without_a_value_says_nothing_however_few_rows_are_left(tiny_workspace: Workspace) -> None:
    log = events.build_events(tiny_workspace)
    whole = events.read_part(log, events.parts(log)[0]).filter(pl.col("source") == "orders")
    holed = whole.with_columns(category=pl.when(pl.int_range(pl.len()) % 3 > 0).then("category"))
    for start in range(0, 200, 7):
        few = holed.filter(pl.int_range(pl.len()).is_between(start, start + 20))
        said = concept_events(tiny_workspace, few).filter(pl.col("concept").str.contains("purchased .* and paid"))
        assert len(said) == few["category"].count()
