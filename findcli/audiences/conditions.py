"""Who is ranked at all: a filter over the profile, and what a demand itself says of people and of the past.

Legend: N users.

Tested in tests/evaluation/test_zero_shot.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from findcli.audiences.read import Understood
from findcli.audiences.where.filter import Filter, parse_filter
from findcli.audiences.where.history import passes_history, said
from findcli.data import events
from findcli.data.profiles import profile_columns, profiles_as_of
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace


@dataclass(frozen=True)
class Passed:
    """The outcome of a filter.

    Attributes:
        expression: the filter.
        users: how many of the embedded users pass it.
        notes: how it was read, if that is not obvious, such as a band that straddles a number.
    """

    expression: str
    users: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Among:
    """Chooses which of the embedded users are ranked.

    Attributes:
        workspace: whose users they are.
        users: their ids, N of them.
        as_of: the date of the embeddings.
    """

    workspace: Workspace
    users: pl.Series
    as_of: datetime

    def filtered(self, chosen: Filter) -> np.ndarray:
        """Who passes a filter over the profile, bool (N,)."""
        profiles = _profiles(self.workspace, self.users, self.as_of, chosen.columns)
        return np.asarray(chosen.passes(profiles).to_numpy())

    def conditions(self, understood: Understood, everyone: np.ndarray) -> tuple[tuple[Passed, ...], np.ndarray]:
        """The outcome of each filter that a demand writes, and who of some users passes all of them, bool (N,)."""
        outcomes, kept, rewriting = [], everyone.copy(), understood.rewriting
        if understood.where is not None:
            written = parse_filter(understood.where, profile_columns(self.workspace.settings.profile))
            passes, notes = np.zeros(len(self.users), bool), written.notes
            try:
                passes = self.filtered(written)
            except FindCLIError as error:  # nobody who is ranked has the value, though others had
                notes = (*notes, str(error))
            kept &= passes
            outcomes.append(Passed(written.text, int(passes.sum()), notes))
        history = passes_history(self.workspace, self.users, self.as_of, rewriting.past)
        for past, passes in zip(rewriting.past, history.T, strict=True):
            kept &= passes
            outcomes.append(Passed(said(past, self.as_of), int(passes.sum()), ()))
        return tuple(outcomes), kept


def _profiles(workspace: Workspace, users: pl.Series, as_of: datetime, names: frozenset[str]) -> pl.DataFrame:
    """The users' profiles, a row per user in order; of the aggregates, which need the events, only those named."""
    profile = workspace.settings.profile
    aggregates = tuple(aggregate for aggregate in profile.aggregates if aggregate.name in names)
    settings = replace(workspace.settings, profile=replace(profile, aggregates=aggregates))
    reduced = replace(workspace, settings=settings)
    if not aggregates:
        none = pl.DataFrame(schema={"user_id": users.dtype, "time": pl.Datetime("us"), "source": pl.String})
        return profiles_as_of(reduced, none, users, as_of)
    log = events.build_events(workspace)
    frames = []
    for part in events.parts(log):
        rows = events.read_part(log, part, before=as_of)
        part_users = users.filter(users.is_in(rows["user_id"].unique().implode()))
        frames.append(profiles_as_of(reduced, rows, part_users, as_of))
    return pl.DataFrame({"user_id": users}).join(pl.concat(frames), on="user_id", how="left", maintain_order="left")
