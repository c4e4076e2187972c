"""What training reads from the pairs: truth, partitions and seconds."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from findcli.training.examples import TrainingData, Truth, choose_part, seconds
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run

ROWS = st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=6)


@given(ROWS, st.data())
def test_truth_is_the_dense_matrix_of_any_pairs_and_sentences(rows: list[set[int]], data: st.DataObject) -> None:
    indptr = np.cumsum([0, *map(len, rows)])
    truth = Truth(indptr, np.array([s for row in rows for s in sorted(row)], np.int64), n_sentences=6)
    whole = np.array([[s in row for s in range(6)] for row in rows])
    pairs = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)), np.int64)
    sentences = np.array(data.draw(st.lists(st.integers(0, 5), max_size=8)), np.int64)
    np.testing.assert_array_equal(truth.dense(pairs), whole[pairs])
    np.testing.assert_array_equal(truth.dense(pairs, sentences), whole[pairs][:, sentences])


def test_a_partition_is_drawn_in_proportion_to_its_size() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(choose_part(rng, {"a": 30, "b": 10, "empty": 0}) for _ in range(2000))
    assert set(counts) == {"a", "b"}
    assert abs(counts["a"] / 2000 - 0.75) < 0.04


def test_seconds_are_those_since_1970() -> None:
    instants = [datetime(1970, 1, 2), datetime(1969, 12, 31, 23, 59, 59)]
    assert seconds(instants).tolist() == seconds(pl.Series(instants)).tolist() == [86_400, -1]


def test_users_and_pairs_of_the_splits_part_the_whole(trained_workspace: Workspace) -> None:
    data = TrainingData(open_run(trained_workspace.run("pairs"), "pairs"))
    splits = [(part, split) for part in data.parts for split in ("train", "validation")]
    users = np.concatenate([data.users_of(*each) for each in splits])
    pairs = pl.concat([data.pairs_of(*each) for each in splits])
    assert sorted(users) == list(range(len(data.users)))
    assert sorted(pairs["pair"]) == list(range(len(data.pairs)))
    assert data.truth.dense(np.arange(len(data.pairs))).any(0).all()  # every sentence is true of somebody
