"""Users' events as flat arrays, with a table of their distinct texts: the input of every history encoder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.data.templates import is_search
from findcli.workspace.folder import Workspace


@dataclass(frozen=True)
class FlatEvents:
    """E events in order of user and time, and their T distinct texts.

    A text that is a search in one source and an event in another has two rows, and so two vectors.

    Attributes:
        frame: one row per event, with `user`, `seconds`, `text_row`, `paid` and `is_search` beside its columns.
        texts: `text`, `is_search` and `text_row`, one row per distinct text.
    """

    frame: pl.DataFrame
    texts: pl.DataFrame

    def arrays(self) -> dict[str, np.ndarray]:
        """`user`, `seconds`, `text` and `amount`, (E,) each, in polars' types."""
        columns = {"user": "user", "seconds": "seconds", "text": "text_row", "amount": "paid"}
        return {name: self.frame[column].to_numpy() for name, column in columns.items()}

    @property
    def is_search(self) -> np.ndarray:
        """Which texts are searches, bool (T,)."""
        return self.texts["is_search"].to_numpy()


def search_sources(workspace: Workspace) -> list[str]:
    """The names of the sources whose events are searches."""
    return [source.name for source in workspace.settings.sources if is_search(source)]


def searched(sources: Collection[str]) -> pl.Expr:
    """Whether an event comes from one of the search sources."""
    return pl.col("source").is_in(list(sources))


def flatten_events(
    events: pl.DataFrame, users: pl.Series, searches: Collection[str], *, texts: pl.DataFrame | None = None
) -> FlatEvents:
    """Number the users and texts of events, and sort the events by user and time.

    Args:
        events: of these users; `user_id`, `time`, `source`, `event` and, if there is one, `amount`.
        users: ids; an event's `user` is the row of its user here.
        searches: names of the sources whose events are searches.
        texts: `text`, `is_search`, `text_row` of all texts; when None, the distinct texts of these events, sorted.
    """
    rows = pl.DataFrame({"user_id": users}).with_row_index("user")
    amount = pl.col("amount") if "amount" in events.columns else pl.lit(None, pl.Float64)
    frame = events.join(rows, on="user_id", maintain_order="left").with_columns(
        seconds=pl.col("time").dt.epoch("s"),
        paid=amount.fill_null(0.0).cast(pl.Float32),
        is_search=searched(searches),
    )
    if texts is None:
        distinct = frame.select(text="event", is_search="is_search").unique()
        texts = distinct.sort("text", "is_search").with_row_index("text_row")
    frame = frame.join(texts, left_on=["event", "is_search"], right_on=["text", "is_search"], maintain_order="left")
    return FlatEvents(frame.sort("user", "seconds", maintain_order=True), texts)
