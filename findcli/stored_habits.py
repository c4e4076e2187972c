"""What query-aware scoring reads of a folder of embeddings: users' habits and the concepts as of its date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy import sparse

from findcli import artifacts, events
from findcli.artifacts import Draft, Run
from findcli.co_occurrence import CoOccurrence
from findcli.concepts import LEVELS, Habits, concept_events, habits_as_of, join_habits
from findcli.durations import parse_duration
from findcli.query_scoring import Concepts, translate, user_factors
from findcli.text_space import TextSpace
from findcli.workspace import Workspace


def write_habits(
    workspace: Workspace, model: Workspace, log: Run, as_of: datetime, users: pl.Series, draft: Draft, *, device: str
) -> dict[str, np.ndarray]:
    """Fill a draft of embeddings with habits and concepts.

    Args:
        workspace: whose users.
        model: the workspace whose trained model reads them.
        log: the event log.
        as_of: the cutoff.
        users: ids in the order of the embeddings' rows.
        draft: of the embeddings.
        device: where texts are encoded.

    Returns:
        Tensors of users: `activity` (n_users, 6) and `factors` (n_users, R), float32.
    """
    aligned = artifacts.open_run(model.run("aligned"), "aligned")
    space = TextSpace(artifacts.open_run(model.run("text"), "text"), device=device)
    settings = aligned.manifest.settings
    history = parse_duration(settings["history"])
    texts = _vocabulary(workspace, log, as_of, history, most=settings["ranker"]["vocabulary"])
    habits = _habits(workspace, log, as_of, history, users, texts)
    vectors = space.vectors(texts.to_list())
    tensors = aligned.tensors("concepts.safetensors")
    learned = CoOccurrence.from_tensors(tensors)
    ever, late = habits.shares()
    concepts = Concepts(vectors, ever, late, translate(vectors, tensors["vectors"]))
    draft.table("concepts.parquet", pl.DataFrame({"text": texts, "ever": ever, "late": late}))
    draft.tensors("concepts.safetensors", {"vectors": vectors, **_csr("known", concepts.known)})
    draft.tensors("habits.safetensors", _pattern(habits) | {name: habits.levels[name].data for name in LEVELS})
    return {"activity": habits.activity, "factors": user_factors(habits, concepts, learned)}


def read_habits(run: Run) -> tuple[Habits, Concepts]:
    """What `write_habits` has written."""
    tensors = run.tensors("habits.safetensors")
    table, vectors = run.table("concepts.parquet"), run.tensors("concepts.safetensors")
    activity = run.tensors("users.safetensors")["activity"]
    shape = (len(activity), len(table))
    levels = {name: sparse.csr_matrix((tensors[name], tensors["indices"], tensors["indptr"]), shape) for name in LEVELS}
    known = sparse.csr_matrix(
        (vectors["known_data"], vectors["known_indices"], vectors["known_indptr"]),
        (len(table), int(vectors["known_columns"][0])),
    )
    concepts = Concepts(vectors["vectors"], table["ever"].to_numpy(), table["late"].to_numpy(), known)
    return Habits(levels, activity), concepts


def _pattern(habits: Habits) -> dict[str, np.ndarray]:
    """The places of values, which all levels share: no level of a concept that was met is 0."""
    first = habits.levels[LEVELS[0]]
    return {"indptr": first.indptr.astype(np.int64), "indices": first.indices.astype(np.int32)}


def _csr(name: str, matrix: sparse.csr_matrix) -> Mapping[str, np.ndarray]:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices.astype(np.int32),
        f"{name}_indptr": matrix.indptr.astype(np.int64),
        f"{name}_columns": np.array([matrix.shape[1]], np.int64),
    }


def _recent(workspace: Workspace, log: Run, as_of: datetime, history: timedelta) -> Iterator[pl.DataFrame]:
    """Each partition's events of the window, with what they say."""
    for part in events.parts(log):
        own = events.read_part(log, part, before=as_of).filter(pl.col("time") >= as_of - history)
        yield concept_events(workspace, own)


def _vocabulary(workspace: Workspace, log: Run, as_of: datetime, history: timedelta, *, most: int) -> pl.Series:
    counts = [
        met.group_by("concept").agg(users=pl.col("user_id").n_unique())
        for met in _recent(workspace, log, as_of, history)
    ]
    total = pl.concat(counts).group_by("concept").agg(pl.col("users").sum())
    return total.sort("users", "concept", descending=[True, False]).head(most)["concept"].sort()


def _habits(
    workspace: Workspace, log: Run, as_of: datetime, history: timedelta, users: pl.Series, texts: pl.Series
) -> Habits:
    ids, found = [], []
    for part, met in zip(events.parts(log), _recent(workspace, log, as_of, history), strict=True):
        here = events.read_part(log, part, before=as_of)["user_id"].unique().sort()
        ids.append(here)
        found.append(habits_as_of(met, here, texts, as_of, history))
    order = pl.DataFrame({"user_id": pl.concat(ids)}).with_row_index("row")
    rows = pl.DataFrame({"user_id": users}).join(order, on="user_id", how="left", maintain_order="left")["row"]
    return join_habits(found).rows(rows.to_numpy())
