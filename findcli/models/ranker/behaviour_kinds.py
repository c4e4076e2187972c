"""Rhythms: how regularly and how recently a user did each kind of thing, a kind being a source and a status.

Exposures are left out: they are what others did. The kinds are chosen at alignment, so that the columns mean the same
on other dates and in other workspaces.

Tested in tests/models/test_user_summary.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.models.ranker.concepts import POWER, met_as_of
from findcli.workspace.folder import Workspace

KINDS = 16


def kind_events(workspace: Workspace, log: pl.DataFrame) -> pl.DataFrame:
    """Every event that the user caused, with its kind: event (row of the log), user_id, time, amount (0), concept.

    Args:
        workspace: says which sources are exposures.
        log: events with their slots.
    """
    behaviour = [source.name for source in workspace.settings.sources if set(source.families) != {"exposure"}]
    status = pl.col("status") if "status" in log.columns else pl.lit(None, pl.String)
    kind = pl.concat_str("source", status, separator=": ", ignore_nulls=True)
    numbered = log.with_row_index("event_row").filter(pl.col("source").is_in(behaviour))
    return numbered.select(event="event_row", user_id="user_id", time="time", amount=pl.lit(0.0), concept=kind)


def common_kinds(workspace: Workspace, logs: Iterable[pl.DataFrame]) -> list[str]:
    """The `KINDS` most frequent kinds in the partitions' events, sorted by name."""
    counts = [kind_events(workspace, log)["concept"].value_counts(name="n") for log in logs]
    if not counts:
        return []
    total = pl.concat(counts).group_by("concept").agg(pl.col("n").sum())
    return total.sort("n", "concept", descending=[True, False]).head(KINDS)["concept"].sort().to_list()


def rhythm(
    workspace: Workspace,
    log: pl.DataFrame,
    users: pl.Series,
    kinds: Sequence[str],
    cutoff: datetime,
    history: timedelta,
) -> np.ndarray:
    """Weeks with an event of each kind in [cutoff - history, cutoff), then its recency: float32 (n_users, 2 K).

    Args:
        workspace: says which sources are exposures.
        log: the events of these users.
        users: ids, one per row.
        kinds: K kinds, one per column.
        cutoff: the instant at which histories end.
        history: length of a history.
    """
    named = pl.Series("concept", list(kinds), dtype=pl.String)
    habits = met_as_of(kind_events(workspace, log), users, cutoff, history, future=history).habits(named)
    weeks, latest = habits.log("weeks").toarray(), habits.sums["latest"].toarray()
    recency = np.log(latest, where=latest > 0, out=np.zeros_like(latest)) / POWER
    return np.concatenate([weeks, recency], axis=1).astype(np.float32)
