"""Concepts: the sentences of single events, and how often, how recently and how much each user did what they say.

An event is rendered by every sentence template of its source that its slots can fill ("The user purchased yogurt.",
"The user purchased dairy.", "The user purchased anything."). So histories and demands share one language, and a demand
can pick what it is about from a user's history by text similarity, whether or not its sentence was ever trained on.

What is kept of a user and a concept are sums over events, so that the habits of a set of concepts are the sums of its
members' ("a bag" is whichever bags a shop has).
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
COUNTS = tuple(f"decay {decay}" for decay in DECAYS)
# Beside the decayed counts: weeks with an event; the latest and the first event, as powers whose sum is near their
# largest; events in the last window as long as a future; instants with an event, and amounts, decayed and in that
# window.
SUMS = (*COUNTS, "weeks", "latest", "first", "window", "times", "times in window", "amount", "amount in window")
ACTIVITY = ("decay 0.95", "decay 0.7", "decay 0.4", "weeks", "recency", "concepts")
FORGOTTEN = 800.0  # days after which a concept counts as never met
POWER = 4  # of ages, before they are summed
LATELY = 29.0  # days
WEEK_US = 7 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Habits:
    """What users did before a cutoff, one row per user.

    Attributes:
        sums: by the names of `SUMS`, sparse (n_users, n_concepts), all with the same pattern.
        activity: of all events together, in the order of `ACTIVITY`, float32 (n_users, 6): log(1 + decayed events),
            log(1 + weeks with an event), recency, and log(1 + the number of concepts).
    """

    sums: dict[str, sparse.csr_matrix]
    activity: np.ndarray

    def rows(self, users: np.ndarray | slice) -> Habits:
        """The habits of some users, by row."""
        return Habits({name: sums[users] for name, sums in self.sums.items()}, self.activity[users])

    def log(self, name: str) -> sparse.csr_matrix:
        """The logarithm of 1 + a sum, sparse (n_users, n_concepts)."""
        return self.sums[name].log1p()

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of users who met each concept ever, and in the last four weeks or so: float32 (n_concepts,) each."""
        latest = self.sums["latest"]
        late = latest.copy()
        late.data = (late.data >= latest_of(LATELY)).astype(np.float32)
        users = max(1, latest.shape[0])
        ever = np.bincount(latest.indices, minlength=latest.shape[1]) / users
        return ever.astype(np.float32), np.asarray(late.sum(0)).ravel().astype(np.float32) / np.float32(users)


def latest_of(days: float) -> float:
    """The sum "latest" of one event so many days ago."""
    return float(((FORGOTTEN + 1) / (min(days, FORGOTTEN - 1) + 1)) ** POWER)


@dataclass(frozen=True)
class Met:
    """The habits of users in every concept that they met in a history window.

    Attributes:
        users: ids, one per row.
        sums: one row per user and concept: `row` (of the user), `concept` (text), and the columns of `SUMS`.
        activity: as in `Habits`, float32 (n_users, 6).
    """

    users: pl.Series
    sums: pl.DataFrame
    activity: np.ndarray

    def counts(self) -> pl.DataFrame:
        """The number of users who met each concept: concept, users."""
        return self.sums.group_by("concept").agg(users=pl.len())

    def habits(self, concepts: pl.Series) -> Habits:
        """The habits in some concepts, one column each."""
        columns = pl.DataFrame({"concept": concepts}).with_row_index("column")
        kept = self.sums.join(columns, on="concept").sort("row", "column")
        places, shape = (kept["row"].to_numpy(), kept["column"].to_numpy()), (len(self.users), len(concepts))
        pattern = sparse.csr_matrix((np.ones(len(kept), np.float32), places), shape)
        return Habits({name: with_values(pattern, kept[name].to_numpy()) for name in SUMS}, self.activity)


def with_values(pattern: sparse.csr_matrix, values: np.ndarray) -> sparse.csr_matrix:
    """A matrix of other values at the same places, whose indices it shares."""
    return sparse.csr_matrix((values, pattern.indices, pattern.indptr), pattern.shape, copy=False)


def join_habits(groups: Sequence[Habits]) -> Habits:
    """Stack the habits of several groups of users."""
    pattern = sparse.vstack([group.sums[SUMS[0]] for group in groups], format="csr")
    sums = {name: with_values(pattern, np.concatenate([group.sums[name].data for group in groups])) for name in SUMS}
    return Habits(sums, np.concatenate([group.activity for group in groups]))


def best_supported(counts: Sequence[pl.DataFrame], *, most: int) -> pl.Series:
    """The concepts that most users met, sorted by text.

    Args:
        counts: `concept` and `users`, one table per partition; each user is in one partition only.
        most: how many to keep.
    """
    total = pl.concat(counts).group_by("concept").agg(pl.col("users").sum())
    return total.sort("users", "concept", descending=[True, False]).head(most)["concept"].sort()


def concept_events(workspace: Workspace, log: pl.DataFrame) -> pl.DataFrame:
    """Every event with each sentence it makes true: event (row of the log), user_id, time, amount, concept (text).

    Args:
        workspace: gives the templates; those of several events, such as sums, are left out.
        log: events with their slots.
    """
    amount = pl.col("amount") if "amount" in log.columns else pl.lit(None, pl.Float64)
    numbered = log.with_row_index("event_row").with_columns(amount.fill_null(0.0).alias("amount"))
    kept = {"event": "event_row", "user_id": "user_id", "time": "time", "amount": "amount"}
    frames = []
    for name, templates in groupby(workspace_templates(workspace.settings), key=lambda template: template.source):
        source_events = numbered.filter(pl.col("source") == name)
        for template in templates:
            if template.measure == "any" and not source_events.is_empty():
                frames.append(source_events.select(**kept, concept=sentence_text(template)))
    if not frames:
        return numbered.clear().select(**kept).with_columns(concept=pl.lit(None, pl.String))
    return pl.concat(frames).drop_nulls("concept").unique(["event", "concept"], maintain_order=True)


def met_as_of(
    events: pl.DataFrame, users: pl.Series, cutoff: datetime, history: timedelta, *, future: timedelta
) -> Met:
    """What users did in [cutoff - history, cutoff).

    Args:
        events: of `concept_events`.
        users: ids, one per row.
        cutoff: the instant at which histories end.
        history: length of a history.
        future: length of a future, and so of the last window.
    """
    rows = pl.DataFrame({"user_id": users}).with_row_index("row")
    recent = events.filter(pl.col("time") < cutoff, pl.col("time") >= cutoff - history).join(rows, on="user_id")
    aged = recent.with_columns(age=(pl.lit(cutoff) - pl.col("time")).dt.total_microseconds() / WEEK_US)
    sums = aged.group_by("row", "concept").agg(*_sums(future))
    each = aged.unique("event").group_by("row").agg(*_activity())
    distinct = aged.group_by("row").agg(concepts=pl.col("concept").n_unique().log1p().cast(pl.Float32))
    whole = pl.DataFrame({"row": np.arange(len(users), dtype=np.uint32)})
    whole = whole.join(each, on="row", how="left").join(distinct, on="row", how="left").sort("row").fill_null(0.0)
    return Met(users, sums, whole.select(ACTIVITY).to_numpy().astype(np.float32))


def _decayed(decay: float) -> pl.Expr:
    return pl.lit(decay).pow(pl.col("age"))


def _sums(future: timedelta) -> list[pl.Expr]:
    age, within = pl.col("age"), pl.col("age") <= future / timedelta(weeks=1)
    times = age.unique()
    sums = {f"decay {decay}": _decayed(decay).sum() for decay in DECAYS} | {
        "weeks": age.floor().n_unique(),
        "latest": ((FORGOTTEN + 1) / ((age.min() * 7).clip(0, FORGOTTEN - 1) + 1)) ** POWER,
        "first": (age.max() * 7 + 1) ** POWER,
        "window": within.sum(),
        "times": pl.lit(0.95).pow(times).sum(),
        "times in window": (times <= future / timedelta(weeks=1)).sum(),
        "amount": (_decayed(0.95) * pl.col("amount")).sum(),
        "amount in window": pl.col("amount").filter(within).sum(),
    }
    return [sums[name].cast(pl.Float32).alias(name) for name in SUMS]


def _activity() -> list[pl.Expr]:
    decayed = [_decayed(decay).sum().log1p().alias(f"decay {decay}") for decay in (0.95, 0.7, 0.4)]
    days = (pl.col("age").min() * 7).clip(0, FORGOTTEN - 1)
    recency = np.log(FORGOTTEN + 1) - days.log1p()
    weeks = pl.col("age").floor().n_unique().log1p()
    return [each.cast(pl.Float32) for each in (*decayed, weeks.alias("weeks"), recency.alias("recency"))]
