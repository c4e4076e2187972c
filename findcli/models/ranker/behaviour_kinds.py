"""How regularly and how lately a user did each kind of thing: a source's events, by how they ended or were paid.

What is sent to a user is left out: it tells what others did. The kinds are learned at alignment, so that the columns of
another date or of another workspace mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.models.ranker.concepts import met_as_of
from findcli.workspace.folder import Workspace

KINDS = 8
LEVELS = ("weeks", "recency")  # of `concepts.py`


def kind_events(workspace: Workspace, log: pl.DataFrame) -> pl.DataFrame:
    """Every event of the users' own doing with its kind: event (row of the log), user_id, time, concept (the kind).

    Args:
        workspace: says which sources are exposures.
        log: events with their slots.
    """
    own = [source.name for source in workspace.settings.sources if set(source.families) != {"exposure"}]
    ended = pl.col("status") if "status" in log.columns else pl.lit(None, pl.String)
    kind = pl.concat_str("source", ended, separator=": ", ignore_nulls=True)
    numbered = log.with_row_index("event_row").filter(pl.col("source").is_in(own))
    return numbered.select(event="event_row", user_id="user_id", time="time", concept=kind)


def common_kinds(workspace: Workspace, logs: Iterable[pl.DataFrame]) -> list[str]:
    """The most frequent kinds of some partitions' events, sorted by name."""
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
    """What users did in [cutoff - history, cutoff): the weeks of every kind, then its recency, float32 (n_users, 2 K).

    Args:
        workspace: whose sources.
        log: the events of these users.
        users: ids, a row each.
        kinds: a column each.
        cutoff: the instant.
        history: how far back it reaches.
    """
    named = pl.Series("concept", list(kinds), dtype=pl.String)
    habits = met_as_of(kind_events(workspace, log), users, cutoff, history).habits(named)
    return np.concatenate([habits.levels[name].toarray() for name in LEVELS], axis=1).astype(np.float32)
