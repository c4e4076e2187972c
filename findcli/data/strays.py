"""Lone events far behind all others: a slip of a date, which must not move what "now" is."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

LEAST_ROWS = 20
SHARE = 1000  # at most one row in so many is a stray one, and one in any case
LEAST_GAP = timedelta(days=90)
NEWEST = datetime(2100, 1, 1)


def stray_from(lasts: pl.DataFrame, log: pl.LazyFrame, *, train_until: datetime) -> datetime | None:
    """The instant from which events are stray ones; None where there are none.

    Events are, where few lie that far behind all others: by half the span of these, and a quarter of a year. So are
    those after the year 2100. Nothing before `train_until` is set aside.

    Args:
        lasts: for each user (and source): rows, first, last.
        log: the events, with `time`.
        train_until: no event at or after this instant is read by any training stage.
    """
    rows = int(lasts["rows"].sum())
    ordered = lasts.filter(pl.col("last") < NEWEST)["last"].sort(descending=True)
    if ordered.is_empty():
        return None
    most = max(1, rows // SHARE)
    candidates: list[datetime] = ordered[: most + 1].to_list() if rows >= LEAST_ROWS else []
    least = lasts["first"].min()
    assert isinstance(least, datetime)
    for earlier, later in zip(candidates[1:], candidates, strict=False):
        gap = later - earlier
        if gap >= max(LEAST_GAP, (earlier - least) / 2) and later >= train_until:
            middle = max(earlier + gap / 2, train_until)
            if _count_between(log, middle, NEWEST) <= most:
                return middle
    beyond = lasts["last"].max()
    return NEWEST if isinstance(beyond, datetime) and beyond >= NEWEST > train_until else None


def _count_between(log: pl.LazyFrame, since: datetime, until: datetime) -> int:
    inside = (pl.col("time") >= since) & (pl.col("time") < until)
    return int(log.select(inside.sum()).collect(engine="streaming").item())
