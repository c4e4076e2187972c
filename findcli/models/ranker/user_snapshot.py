"""What query-aware scoring reads from a folder of embeddings: users' habits and the concepts as of its date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy import sparse

from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.concepts import (
    SUMS,
    Habits,
    Met,
    best_supported,
    concept_events,
    join_habits,
    met_as_of,
)
from findcli.models.ranker.features import user_features
from findcli.models.ranker.queries import Concepts, translate
from findcli.models.ranker.scopes import scopes_of
from findcli.models.text.space import TextSpace
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run


@dataclass(frozen=True)
class Snapshot:
    """Users' habits and the concepts as of a date.

    Attributes:
        texts: texts of the concepts, in the order of the columns.
        habits: one row per user.
        concepts: the concepts a demand can pick from.
        factors: the users' co-occurrence factors, float32 (n_users, R).
        everyone: the habits of all users, where these are some of them: they say how common a thing is.
    """

    texts: pl.Series
    habits: Habits
    concepts: Concepts
    factors: np.ndarray
    everyone: Habits | None = None

    def rows(self, users: np.ndarray) -> Snapshot:
        """The snapshot of some users, by row; how common a thing is stays as it is among all."""
        everyone = self.everyone or self.habits
        return Snapshot(self.texts, self.habits.rows(users), self.concepts, self.factors[users], everyone)


class SnapshotReader:
    """Reads what query-aware scoring needs from the events, one partition at a time.

    Args:
        workspace: gives the templates.
        aligned: the trained model.
        space: the space of the model's texts.
        as_of: the cutoff.
    """

    def __init__(self, workspace: Workspace, aligned: Run, space: TextSpace, as_of: datetime) -> None:
        self.workspace, self.aligned, self.space, self.as_of = workspace, aligned, space, as_of
        settings = aligned.manifest.settings
        self.history: timedelta = parse_duration(settings["ranker"]["history"])
        self.future: timedelta = parse_duration(settings["future"])
        self.most = int(settings["ranker"]["vocabulary"])

    def read(self, log: pl.DataFrame, users: pl.Series) -> Met:
        """Read one partition.

        Args:
            log: its events before the cutoff.
            users: ids, one per row, whether they have an event or not.
        """
        recent = log.filter(pl.col("time") >= self.as_of - self.history)
        events = concept_events(self.workspace, recent)
        return met_as_of(events, users, self.as_of, self.history, future=self.future)

    def finish(self, read: Sequence[Met], order: np.ndarray) -> Snapshot:
        """Make the snapshot, of the concepts that most users met.

        Args:
            read: what was read of each partition.
            order: for each row of the snapshot, the index of its user among all that were read, int (n_users,).
        """
        texts = best_supported([met.counts() for met in read], most=self.most)
        habits = join_habits([met.habits(texts) for met in read]).rows(order)
        vectors = self.space.vectors(texts.to_list())
        learned = self.aligned.tensors("concepts.safetensors")
        scopes = scopes_of(self.workspace.settings, texts)
        concepts = Concepts(vectors, *habits.shares(), translate(vectors, learned["vectors"]), scopes)
        users = user_features(habits, concepts, CoOccurrence.from_tensors(learned))
        return Snapshot(texts, habits, concepts, users.factors)


def write_snapshot(snapshot: Snapshot, draft: Draft) -> None:
    """Write a snapshot into a draft of embeddings."""
    habits, concepts = snapshot.habits, snapshot.concepts
    rates = {"ever": concepts.ever, "late": concepts.late, "scope": concepts.scopes}
    draft.table("concepts.parquet", pl.DataFrame({"text": snapshot.texts, **rates}))
    draft.tensors("concepts.safetensors", {"vectors": concepts.vectors, **_csr("known", concepts.translation)})
    draft.tensors("habits.safetensors", _pattern(habits) | {name: habits.sums[name].data for name in SUMS})


def read_snapshot(run: Run) -> Snapshot:
    """Read what `write_snapshot` wrote."""
    tensors = run.tensors("habits.safetensors")
    table, vectors = run.table("concepts.parquet"), run.tensors("concepts.safetensors")
    users = run.tensors("users.safetensors")
    shape = (len(users["activity"]), len(table))
    sums = {name: sparse.csr_matrix((tensors[name], tensors["indices"], tensors["indptr"]), shape) for name in SUMS}
    translation = sparse.csr_matrix(
        (vectors["known_data"], vectors["known_indices"], vectors["known_indptr"]),
        (len(table), int(vectors["known_columns"][0])),
    )
    ever, late, scopes = (table[name].to_numpy() for name in ("ever", "late", "scope"))
    concepts = Concepts(vectors["vectors"], ever, late, translation, scopes)
    return Snapshot(table["text"], Habits(sums, users["activity"]), concepts, users["factors"])


def _pattern(habits: Habits) -> dict[str, np.ndarray]:
    """The sparsity pattern, which all sums share: a sum of a concept that was met is stored even where it is 0."""
    first = habits.sums[SUMS[0]]
    return {"indptr": first.indptr.astype(np.int64), "indices": first.indices.astype(np.int32)}


def _csr(name: str, matrix: sparse.csr_matrix) -> Mapping[str, np.ndarray]:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices.astype(np.int32),
        f"{name}_indptr": matrix.indptr.astype(np.int64),
        f"{name}_columns": np.array([matrix.shape[1]], np.int64),
    }
