"""The inputs of every rival of the linear probe: users' events and profiles before a date, and who may be trained on.

Shapes: U users to encode, E events, D width.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

import numpy as np
import polars as pl

from findcli.data.histories import flatten_events
from findcli.errors import FindCLIError
from findcli.training.batches import Histories
from findcli.workspace.runs import hash_json
from findcli.workspace.settings import SLOTS

Head = Literal["linear", "boosted", "perceptron"]
DAY = 86_400
Digests = Mapping[str, str]


def _never_late() -> None:
    """Set no time limit."""


@dataclass(frozen=True, kw_only=True)
class UserInputs:
    """Everything that a rival may see: no label, and nothing at or after the date.

    Attributes:
        events: one row per event before `as_of`, sorted by user and time: user_id, time, source, event (its text) and
            the slots and amount that the sources have.
        users: ids of the users to encode, ascending, (U,).
        training_users: ids that may be trained on.
        train_until: training may read events of training users before it.
        as_of: histories end before it.
        history: length of a history.
        step: length of a time step.
        searches: names of the search sources.
        profiles: the profile columns of `users` as of the date, (U, F); no column if the workspace has none.
        attributes: the profile columns that are no aggregates of events.
        text_vectors: encodes distinct texts, float32 (n_texts, d_text).
        stage_one: computes the vectors of the workspace's own encoders of stage 1 by modality, (U, D) each.
        digests: digests of the runs that the last two read.
        seed: of everything that is drawn.
        keep_time: called between the steps of long work; raises once the rival's time is up.
    """

    events: pl.DataFrame
    users: pl.Series
    training_users: pl.Series
    train_until: datetime
    as_of: datetime
    history: timedelta
    step: timedelta
    searches: Sequence[str] = ()
    profiles: pl.DataFrame = field(default_factory=pl.DataFrame)
    attributes: Sequence[str] = ()
    text_vectors: Callable[[Sequence[str]], np.ndarray] | None = None
    stage_one: Callable[[], Mapping[str, np.ndarray]] | None = None
    digests: Digests = field(default_factory=dict)
    seed: int = 0
    keep_time: Callable[[], None] = field(default=_never_late)

    def __post_init__(self) -> None:
        """Refuse events at or after the date.

        Raises:
            ValueError: one lies at or after the date.
        """
        if len(self.events) and self.events.select(pl.col("time").max()).item() >= self.as_of:
            raise ValueError(f"an event lies at or after the date {self.as_of}")

    def window(self) -> pl.DataFrame:
        """The history of every user."""
        return self.events.filter(pl.col("time") >= self.as_of - self.history)

    def for_training(self) -> pl.DataFrame:
        """The events that training may read: those of training users before `train_until`."""
        allowed = pl.col("user_id").is_in(self.training_users.implode())
        return self.events.filter(pl.col("time") < self.train_until, allowed)

    def digest(self) -> str:
        """A digest of everything that a rival's vectors depend on."""
        frames = [self.events.select(sorted(self.events.columns)), self.profiles]
        plain: list[object] = [
            [len(frame), int(frame.hash_rows(seed=0).sum() or 0)] if frame.width else [] for frame in frames
        ]
        plain += [self.events.columns, self.users.to_list(), sorted(map(str, self.training_users))]
        plain += [str(self.train_until), str(self.as_of), str(self.history), str(self.step), list(self.searches)]
        return hash_json([*plain, dict(self.digests), self.seed])


class Representation(Protocol):
    """A rival: a frozen dataclass whose fields are its settings."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def version(self) -> int:
        """Increased whenever its results change; vectors of other versions are not reused."""

    @property
    def head(self) -> Head:
        """The model that is fitted to its vectors: the probe's logistic regression, boosted trees or a perceptron."""

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """One row per user: float32 (U, D)."""


@dataclass(frozen=True)
class Streams:
    """Users' events as flat arrays, sorted by user and time.

    Attributes:
        histories: user, time and text row of each event.
        texts: the distinct texts.
        frame: the events, one row each.
    """

    histories: Histories
    texts: list[str]
    frame: pl.DataFrame


def streams(inputs: UserInputs, events: pl.DataFrame, users: pl.Series) -> Streams:
    """The events of some users, whose rows are their positions in `users`.

    Args:
        inputs: says which sources are searches.
        events: events of these users, and perhaps of others.
        users: ids, ascending.
    """
    flat = flatten_events(events, users, inputs.searches)
    histories = Histories(**flat.arrays(), is_search=flat.is_search)
    return Streams(histories, flat.texts["text"].to_list(), flat.frame)


def levels(events: pl.DataFrame) -> list[str]:
    """The columns that say what an event is, from coarse to fine: the source, and each slot that any event fills."""
    said = ("department", "category", "item", "merchant", "status", "channel")
    return ["source", *(name for name in said if name in SLOTS and name in events.columns and events[name].count())]


def profile_numbers(inputs: UserInputs, *, logs: bool) -> np.ndarray:
    """The profile as numbers: float32 (U, columns).

    Raises:
        FindCLIError: the workspace has no profile.
    """
    columns = []
    for column in inputs.profiles:
        if column.dtype == pl.String:
            values = vocabulary(column, most=20)
            columns += [(column == value).fill_null(value=False).cast(pl.Float64).to_numpy() for value in values]
            continue
        numbers = column.cast(pl.Float64).fill_nan(None)
        filled = numbers.fill_null(numbers.median() or 0.0).to_numpy()
        columns.append(np.log1p(filled) if logs and filled.min(initial=0) >= 0 else filled)
    if not columns:
        hint = "name a table or aggregates in [profile], or leave aggregates out of --rivals"
        raise FindCLIError("this workspace has no profile columns", hint=hint)
    return np.column_stack(columns).astype(np.float32)


def vocabulary(values: pl.Series, *, most: int) -> pl.Series:
    """The most frequent values, at most `most`, sorted by frequency and then by name."""
    counts = values.drop_nulls().value_counts(name="n").sort("n", values.name, descending=[True, False])
    return counts[values.name].head(most)


def encode_values(values: pl.Series, vocabulary: pl.Series, *, unknown: int) -> np.ndarray:
    """The position of each value in a vocabulary, plus `unknown` + 1; `unknown` if it is not in it: int64 (E,)."""
    places = pl.DataFrame({"value": vocabulary}).with_row_index("place")
    matches = pl.DataFrame({"value": values}).join(places, on="value", how="left", maintain_order="left")["place"]
    return matches.cast(pl.Int64).fill_null(-1).to_numpy() + unknown + 1
