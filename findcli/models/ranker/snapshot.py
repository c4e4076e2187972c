"""What query-aware scoring reads of a folder of embeddings: users' habits and the concepts as of its date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy import sparse

from findcli.data import events
from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.concepts import LEVELS, Habits, concept_events, habits_as_of, join_habits
from findcli.models.ranker.features import Concepts, company, translate
from findcli.models.text.space import TextSpace
from findcli.training.loop import select_device
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, open_run


@dataclass(frozen=True)
class Snapshot:
    """Users' habits and the concepts as of a date.

    Attributes:
        texts: of the concepts, in the order of the columns.
        habits: a row a user.
        concepts: what a demand can pick from.
        factors: the users' places among what comes with what, float32 (n_users, R).
    """

    texts: pl.Series
    habits: Habits
    concepts: Concepts
    factors: np.ndarray


def take_snapshot(
    workspace: Workspace,
    model: Workspace,
    log: Run,
    as_of: datetime,
    users: pl.Series,
    *,
    device: str,
    without_sources: Sequence[str] = (),
) -> Snapshot:
    """What users did before a date, in the concepts of their workspace.

    Args:
        workspace: whose users.
        model: the workspace whose trained model reads them.
        log: the event log.
        as_of: the cutoff.
        users: ids, a row each.
        device: where texts are encoded.
        without_sources: sources whose events are left out.
    """
    aligned = open_run(model.run("aligned"), "aligned")
    space = TextSpace(open_run(model.run("text"), "text"), device=str(select_device(device)))
    settings = aligned.manifest.settings
    window = _Window(workspace, log, as_of, parse_duration(settings["history"]), tuple(without_sources))
    texts = window.vocabulary(most=settings["ranker"]["vocabulary"])
    habits = window.habits(users, texts)
    vectors = space.vectors(texts.to_list())
    learned = aligned.tensors("concepts.safetensors")
    concepts = Concepts(vectors, *habits.shares(), translate(vectors, learned["vectors"]))
    among = company(habits, concepts, CoOccurrence.from_tensors(learned))
    return Snapshot(texts, habits, concepts, among.factors)


def write_snapshot(snapshot: Snapshot, draft: Draft) -> None:
    """Fill a draft of embeddings with what scoring reads."""
    habits, concepts = snapshot.habits, snapshot.concepts
    rates = {"ever": concepts.ever, "late": concepts.late}
    draft.table("concepts.parquet", pl.DataFrame({"text": snapshot.texts, **rates}))
    draft.tensors("concepts.safetensors", {"vectors": concepts.vectors, **_csr("known", concepts.known)})
    draft.tensors("habits.safetensors", _pattern(habits) | {name: habits.levels[name].data for name in LEVELS})


def read_snapshot(run: Run) -> Snapshot:
    """What `write_snapshot` has written."""
    tensors = run.tensors("habits.safetensors")
    table, vectors = run.table("concepts.parquet"), run.tensors("concepts.safetensors")
    users = run.tensors("users.safetensors")
    shape = (len(users["activity"]), len(table))
    levels = {name: sparse.csr_matrix((tensors[name], tensors["indices"], tensors["indptr"]), shape) for name in LEVELS}
    known = sparse.csr_matrix(
        (vectors["known_data"], vectors["known_indices"], vectors["known_indptr"]),
        (len(table), int(vectors["known_columns"][0])),
    )
    concepts = Concepts(vectors["vectors"], table["ever"].to_numpy(), table["late"].to_numpy(), known)
    return Snapshot(table["text"], Habits(levels, users["activity"]), concepts, users["factors"])


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


@dataclass(frozen=True)
class _Window:
    """The events of a history window, a partition at a time."""

    workspace: Workspace
    log: Run
    as_of: datetime
    history: timedelta
    without_sources: tuple[str, ...]

    def recent(self, part: str) -> pl.DataFrame:
        own = events.read_part(self.log, part, before=self.as_of).filter(
            pl.col("time") >= self.as_of - self.history, ~pl.col("source").is_in(list(self.without_sources))
        )
        return concept_events(self.workspace, own)

    def vocabulary(self, *, most: int) -> pl.Series:
        """The concepts that users met, the best supported of them, sorted."""
        counts = [
            self.recent(part).group_by("concept").agg(users=pl.col("user_id").n_unique())
            for part in events.parts(self.log)
        ]
        total = pl.concat(counts).group_by("concept").agg(pl.col("users").sum())
        return total.sort("users", "concept", descending=[True, False]).head(most)["concept"].sort()

    def habits(self, users: pl.Series, texts: pl.Series) -> Habits:
        """The users' habits in the concepts named."""
        ids, found = [], []
        for part in events.parts(self.log):
            ids.append(events.read_part(self.log, part, before=self.as_of)["user_id"].unique().sort())
            found.append(habits_as_of(self.recent(part), ids[-1], texts, self.as_of, self.history))
        order = pl.DataFrame({"user_id": pl.concat(ids)}).with_row_index("row")
        rows = pl.DataFrame({"user_id": users}).join(order, on="user_id", how="left", maintain_order="left")["row"]
        return join_habits(found).rows(rows.to_numpy())
