"""Concepts: the sentences of single events, and how often and how recently each user did what they say.

An event is rendered by every sentence template of its source that its slots can fill ("The user purchased yogurt.",
"The user purchased dairy."). So histories and demands share one language, and a demand can pick what it is about from a
user's history by text similarity, whether or not its sentence was ever trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import polars as pl
from scipy import sparse

from findcli.data.templates import sentence_text, workspace_templates
from findcli.workspace.folder import Workspace

DECAYS = (1.0, 0.95, 0.9, 0.7, 0.4)  # the weight of an event a week later
LEVELS = (*(f"decay {decay}" for decay in DECAYS), "weeks", "recency")
ACTIVITY = ("decay 0.95", "decay 0.7", "decay 0.4", "weeks", "recency", "concepts")
FORGOTTEN = 400.0  # days after which a concept counts as never met
WEEK_US = 7 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Habits:
    """What users did before a cutoff, one row per user.

    Attributes:
        levels: by the names of `LEVELS`, sparse (n_users, n_concepts): log(1 + the sum of decayed events) per decay,
            log(1 + the weeks with an event), and the log of `FORGOTTEN` days over the days since the last event.
        activity: the same for all events together, and log(1 + the number of concepts), float32 (n_users, 6) in the
            order of `ACTIVITY`.
    """

    levels: dict[str, sparse.csr_matrix]
    activity: np.ndarray

    def rows(self, users: np.ndarray) -> Habits:
        """The habits of some users, by row."""
        return Habits({name: level[users] for name, level in self.levels.items()}, self.activity[users])

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of users who met each concept ever, and in the last four weeks or so: float32 (n_concepts,) each."""
        recency = self.levels["recency"]
        late = recency.copy()
        late.data = (late.data >= np.log(FORGOTTEN / 29)).astype(np.float32)
        users = max(1, recency.shape[0])
        ever = np.bincount(recency.indices, minlength=recency.shape[1]) / users
        return ever.astype(np.float32), np.asarray(late.sum(0)).ravel().astype(np.float32) / np.float32(users)


@dataclass(frozen=True)
class Met:
    """The habits of users in every concept that they met in a history window.

    Attributes:
        users: ids, one per row.
        levels: one row per user and concept: `row` (of the user), `concept` (text), and the columns of `LEVELS`.
        activity: as in `Habits`, float32 (n_users, 6).
    """

    users: pl.Series
    levels: pl.DataFrame
    activity: np.ndarray

    def counts(self) -> pl.DataFrame:
        """The number of users who met each concept: concept, users."""
        return self.levels.group_by("concept").agg(users=pl.len())

    def habits(self, concepts: pl.Series) -> Habits:
        """The habits in some concepts, one column each."""
        columns = pl.DataFrame({"concept": concepts}).with_row_index("column")
        kept = self.levels.join(columns, on="concept").sort("row", "column")
        places, shape = (kept["row"].to_numpy(), kept["column"].to_numpy()), (len(self.users), len(concepts))
        levels = {name: sparse.csr_matrix((kept[name].to_numpy(), places), shape) for name in LEVELS}
        return Habits(levels, self.activity)


def join_habits(groups: Sequence[Habits]) -> Habits:
    """Stack the habits of several groups of users."""
    levels = {name: sparse.vstack([group.levels[name] for group in groups], format="csr") for name in LEVELS}
    return Habits(levels, np.concatenate([group.activity for group in groups]))


def best_supported(counts: Sequence[pl.DataFrame], *, most: int) -> pl.Series:
    """The concepts that most users met, sorted by text.

    Args:
        counts: `concept` and `users`, one table per partition; each user is in one partition only.
        most: how many to keep.
    """
    total = pl.concat(counts).group_by("concept").agg(pl.col("users").sum())
    return total.sort("users", "concept", descending=[True, False]).head(most)["concept"].sort()


def concept_events(workspace: Workspace, log: pl.DataFrame) -> pl.DataFrame:
    """Every event with each sentence it makes true: event (row of the log), user_id, time, concept (text).

    Args:
        workspace: gives the templates; those of several events, such as sums, are left out.
        log: events with their slots.
    """
    numbered = log.with_row_index("event_row")
    frames = []
    for name, templates in groupby(workspace_templates(workspace.settings), key=lambda template: template.source):
        source_events = numbered.filter(pl.col("source") == name)
        for template in templates:
            if template.measure == "any" and not source_events.is_empty():
                text = sentence_text(template)
                frames.append(source_events.select(event="event_row", user_id="user_id", time="time", concept=text))
    if not frames:
        empty = numbered.clear().select(event="event_row", user_id="user_id", time="time")
        return empty.with_columns(concept=pl.lit(None, pl.String))
    return pl.concat(frames).drop_nulls("concept").unique(["event", "concept"], maintain_order=True)


def met_as_of(events: pl.DataFrame, users: pl.Series, cutoff: datetime, history: timedelta) -> Met:
    """What users did in [cutoff - history, cutoff).

    Args:
        events: of `concept_events`.
        users: ids, one per row.
        cutoff: the instant at which histories end.
        history: length of a history.
    """
    rows = pl.DataFrame({"user_id": users}).with_row_index("row")
    recent = events.filter(pl.col("time") < cutoff, pl.col("time") >= cutoff - history).join(rows, on="user_id")
    aged = recent.with_columns(age=(pl.lit(cutoff) - pl.col("time")).dt.total_microseconds() / WEEK_US)
    levels = aged.group_by("row", "concept").agg(*_measures())
    each = aged.unique("event").group_by("row").agg(*_measures())
    distinct = aged.group_by("row").agg(concepts=pl.col("concept").n_unique().log1p().cast(pl.Float32))
    whole = pl.DataFrame({"row": np.arange(len(users), dtype=np.uint32)})
    whole = whole.join(each, on="row", how="left").join(distinct, on="row", how="left").sort("row").fill_null(0.0)
    return Met(users, levels, whole.select(ACTIVITY).to_numpy().astype(np.float32))


def _measures() -> list[pl.Expr]:
    age = pl.col("age")
    decayed = [pl.lit(decay).pow(age).sum().log1p().alias(f"decay {decay}") for decay in DECAYS]
    days = (age.min() * 7).clip(0, FORGOTTEN - 1)
    recency = np.log(FORGOTTEN + 1) - days.log1p()
    weeks = age.floor().n_unique().log1p()
    return [measure.cast(pl.Float32) for measure in (*decayed, weeks.alias("weeks"), recency.alias("recency"))]
