"""Features that an analyst would make by hand of some of the sources, of users' attributes, or of both.

Of each source: how many events, how lately and how regularly, how much in all; of each value of its slots, how many and
how much; of each raw column that an aggregate reads, its mean and extremes. `--rivals handmade:clicks+marks` names the
sources.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from findcli.data.sources import extra_name
from findcli.errors import FindCLIError
from findcli.evaluation.rivals.probe_inputs import Head, UserInputs, encode_values, profile_numbers, vocabulary

RECENT = (7, 14, 28)  # days
VALUES = ("category", "item", "status")
PREFIX = "handmade:"


@dataclass(frozen=True, kw_only=True)
class HandMade:
    """Hand-made features.

    Args:
        sources: the sources they are made of; all if none is named.
        events: whether features of events are among them.
        attributes: whether the users' attributes are, which are the profile without its aggregates.
        most: number of values of a slot that are counted, the most frequent ones of a source.
        head: the model that is fitted to the vectors.
    """

    sources: tuple[str, ...] = ()
    events: bool = True
    attributes: bool = False
    most: int = 40
    head: Head = "linear"
    version = 1

    @property
    def name(self) -> str:
        """Its name in tables."""
        parts = [*(["profile"] if self.attributes else []), *(self.sources or ["events"] if self.events else [])]
        return f"hand-made: {' + '.join(parts)}" + (", LightGBM" if self.head == "boosted" else "")

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Float32 (U, columns).

        Raises:
            FindCLIError: there is no such source, or there are no attributes to use alone.
        """
        blocks = []
        if self.attributes and (inputs.attributes or not self.events):
            alone = replace(inputs, profiles=inputs.profiles.select(inputs.attributes))
            blocks.append(profile_numbers(alone, logs=False))
        if self.events:
            blocks += [self._of_source(inputs, name) for name in self._sources(inputs)]
        return np.concatenate(blocks, axis=1).astype(np.float32)

    def _sources(self, inputs: UserInputs) -> Sequence[str]:
        present = inputs.events["source"].unique().sort().to_list()
        if missing := [name for name in self.sources if name not in present]:
            raise FindCLIError(
                f"no source {missing[0]!r} has an event before {inputs.as_of:%Y-%m-%d}",
                hint=f"name some of {', '.join(present)}",
            )
        return self.sources or present

    def _of_source(self, inputs: UserInputs, source: str) -> np.ndarray:
        rows = inputs.window().filter(pl.col("source") == source)
        age = (pl.lit(inputs.as_of) - pl.col("time")).dt.total_seconds() / 86_400
        rows = rows.with_columns(age=age, row=encode_values(rows["user_id"], inputs.users, unknown=-1))
        rows = rows.filter(pl.col("row") >= 0)
        columns = [*self._habits(rows, inputs), *self._values(rows, inputs), *self._numbers(rows, source, inputs)]
        return np.stack(columns, axis=1)

    def _habits(self, rows: pl.DataFrame, inputs: UserInputs) -> Iterator[np.ndarray]:
        """Counts and sums in all and of late, days and weeks with an event, and the days since the first and last."""
        days = inputs.history / timedelta(days=1)
        for within in (days, *RECENT):
            late = rows.filter(pl.col("age") <= within)
            yield np.log1p(_per_user(late, pl.len(), inputs))
            yield _per_user(late, pl.col("time").dt.date().n_unique(), inputs)
            if "amount" in rows.columns and rows["amount"].count():
                yield np.log1p(_per_user(late, pl.col("amount").clip(0).sum(), inputs))
        yield _per_user(rows, (pl.col("age") // 7).n_unique(), inputs)
        yield _per_user(rows, pl.col("age").max(), inputs, missing=days)
        yield _per_user(rows, pl.col("age").min(), inputs, missing=days)

    def _values(self, rows: pl.DataFrame, inputs: UserInputs) -> Iterator[np.ndarray]:
        """Counts and sums of each frequent value of a slot."""
        for slot in VALUES:
            if slot not in rows.columns:
                continue
            for value in vocabulary(rows[slot], most=self.most):
                of_value = rows.filter(pl.col(slot) == value)
                yield np.log1p(_per_user(of_value, pl.len(), inputs))
                if "amount" in rows.columns and rows["amount"].count():
                    yield np.log1p(_per_user(of_value, pl.col("amount").clip(0).sum(), inputs))

    def _numbers(self, rows: pl.DataFrame, source: str, inputs: UserInputs) -> Iterator[np.ndarray]:
        """Mean, least and most of each raw column of numbers; the median user's where there is none."""
        for column in rows.columns:
            if column.startswith(extra_name(source, "")) and rows[column].dtype.is_numeric():
                for measure in (pl.col(column).mean(), pl.col(column).min(), pl.col(column).max()):
                    of_users = _per_user(rows, measure, inputs, missing=np.nan)
                    middle = np.nanmedian(of_users) if np.isfinite(of_users).any() else 0.0
                    yield np.where(np.isfinite(of_users), of_users, middle)


def handmade_of(name: str) -> tuple[HandMade, ...]:
    """The rivals that "handmade:SOURCE+SOURCE" stands for, with both heads."""
    sources = tuple(part.strip() for part in name.removeprefix(PREFIX).split("+"))
    return HandMade(sources=sources), HandMade(sources=sources, head="boosted")


def _per_user(rows: pl.DataFrame, measure: pl.Expr, inputs: UserInputs, *, missing: float = 0.0) -> np.ndarray:
    """A measure of each user's rows: (U,)."""
    measured = rows.group_by("row").agg(measure.cast(pl.Float64).alias("value")).drop_nulls()
    values = np.full(len(inputs.users), missing)
    values[measured["row"].to_numpy()] = measured["value"].to_numpy()
    return values
