"""A user's history without some of its events, recomputed as if they had never happened.

Everything is read again from the event log, by the very functions that `findcli embed` reads it with; nothing is
estimated. What is of the population (which concepts there are, and how many users met them) stays as it is.

Legend: E events, K versions of a history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.data import events
from findcli.errors import FindCLIError
from findcli.models.ranker.concepts import Habits, concept_events, met_as_of
from findcli.models.ranker.user_snapshot import Snapshot
from findcli.scoring.engine import Engine
from findcli.scoring.scores import QueryScorer
from findcli.workspace.durations import parse_duration
from findcli.workspace.runs import open_run


@dataclass(frozen=True)
class History:
    """One user's history as the ranker reads it.

    Attributes:
        user: the id.
        happened: a row per event, oldest first: event (from 0), time, times (how many equal ones at that instant), and
            concepts (the sentences it made true).
        rows: event, time, amount, concept; one per sentence that a row of the log made true.
        snapshot: of the population.
        as_of: the history ends before this instant.
        length: of the history.
        future: of the window ahead.
    """

    user: object
    happened: pl.DataFrame
    rows: pl.DataFrame
    snapshot: Snapshot
    as_of: datetime
    length: timedelta
    future: timedelta

    def __len__(self) -> int:
        return len(self.happened)

    def without(self, deleted: Sequence[Sequence[int]]) -> Habits:
        """The habits of K versions of the history, each without some events.

        Args:
            deleted: the events that each version lacks, by their numbers.
        """
        pairs = [(version, event) for version, gone in enumerate(deleted) for event in gone]
        gone = pl.DataFrame(pairs, schema={"user_id": pl.Int64, "event": pl.get_index_type()}, orient="row")
        versions = pl.Series("user_id", np.arange(len(deleted)))
        every = self.rows.join(versions.to_frame(), how="cross")
        kept = every.join(gone, on=["user_id", "event"], how="anti")
        # Activity counts each event once by its number, so no two versions may share one.
        apart = pl.col("row") + pl.col("user_id") * (self.rows["row"].max() or 0) + pl.col("user_id")
        kept = kept.with_columns(event=apart).drop("row")
        met = met_as_of(kept, versions, self.as_of, self.length, future=self.future)
        return met.habits(self.snapshot.texts)


def query_scorer(engine: Engine) -> QueryScorer:
    """The scorer whose answers can be recomputed.

    Raises:
        FindCLIError: the model scores by FIND's single vector.
    """
    if not isinstance(engine.scorer, QueryScorer):
        hint = 'set scorer = "query_aware" under [align], then findcli run'
        raise FindCLIError("reasons need a model that scores by what a demand asks for", hint=hint)
    return engine.scorer


def open_histories(engine: Engine, users: Sequence[object]) -> list[History]:
    """Read the histories of some users as of an engine's date, in their order.

    Raises:
        FindCLIError: a user is not embedded, or the model scores by FIND's single vector.
    """
    snapshot = query_scorer(engine).snapshot
    known = set(engine.users)
    for user in users:
        if user not in known:
            raise FindCLIError(f"there is no user {user!r} as of {engine.as_of:%Y-%m-%d}", hint="name an embedded user")
    settings = engine.model.aligned.manifest.settings
    length, future = parse_duration(settings["ranker"]["history"]), parse_duration(settings["future"])
    wanted = pl.Series(users, dtype=engine.users.dtype)
    histories = {}
    log = open_run(engine.workspace.run("events"), "events")
    for part in events.parts(log):
        early = events.read_part(log, part, before=engine.as_of)
        recent = early.filter(pl.col("time") >= engine.as_of - length, pl.col("user_id").is_in(wanted.implode()))
        if len(recent):
            met = concept_events(engine.workspace, recent)
            for (user,), rows in met.group_by("user_id"):
                happened, numbered = _numbered(rows)
                histories[user] = History(user, happened, numbered, snapshot, engine.as_of, length, future)
    nothing = _numbered(concept_events(engine.workspace, recent.clear()))
    return [histories.get(user) or History(user, *nothing, snapshot, engine.as_of, length, future) for user in wanted]


def _numbered(met: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The distinct events, and the rows with their numbers: what looks the same at the same instant is one event."""
    each = met.group_by("event", maintain_order=True).agg(pl.col("time").first(), concepts=pl.col("concept").sort())
    happened = (
        each.group_by("time", "concepts", maintain_order=True)
        .agg(times=pl.len(), rows=pl.col("event"))
        .sort("time", maintain_order=True)
        .with_row_index("number")
    )
    numbers = happened.select("number", row="rows").explode("row")
    rows = met.rename({"event": "row"}).join(numbers, on="row").rename({"number": "event"}).drop("user_id")
    return happened.select(event="number", time="time", times="times", concepts="concepts"), rows
