"""Events of the log as token histories, and users' profiles as of several dates.

Tested in tests/models/next_event/test_pretrain.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np
import polars as pl

from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import profiles_as_of
from findcli.models.next_event.tokens import Vocabulary
from findcli.training.examples import seconds
from findcli.training.token_histories import ProfileTable, TokenHistories
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace


def silent_sources(workspace: Workspace) -> list[str]:
    """The sources whose events are read and never predicted: messages that were sent."""
    return [source.name for source in workspace.settings.sources if set(source.families) == {"exposure"}]


def read_histories(
    parts: Iterable[pl.DataFrame],
    users: pl.Series,
    vocabulary: Vocabulary,
    silent: Iterable[str],
    profile: ProfileTable | None = None,
) -> TokenHistories:
    """Number the events of users.

    Args:
        parts: events of the log; those of other users are left out.
        users: ids; a user's row is its place here.
        vocabulary: of the tokens.
        silent: sources whose events are never predicted.
        profile: codes of the users, in their order.
    """
    rows = pl.DataFrame({"user_id": users}).with_row_index("user")
    arrays = [_numbered(part.join(rows, on="user_id"), vocabulary, list(silent)) for part in parts]
    named = {name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]} if arrays else {}
    return TokenHistories(**named, users=len(users), tokens=vocabulary.size, profile=profile)


def _numbered(events: pl.DataFrame, vocabulary: Vocabulary, silent: list[str]) -> dict[str, np.ndarray]:
    return {
        "user": events["user"].to_numpy().astype(np.int64),
        "seconds": events["time"].dt.epoch("s").to_numpy().astype(np.int64),
        "inputs": vocabulary.read(events),
        "unpredicted": events["source"].is_in(silent).to_numpy(),
    }


def profile_dates(workspace: Workspace, first: datetime, until: datetime) -> list[datetime]:
    """The dates as of which windows see profiles: every so often before `until`, and the first event."""
    every = parse_duration(workspace.settings.windows.every)
    dates = [until]
    while dates[-1] - every > first:
        dates.append(dates[-1] - every)
    return [first, *reversed(dates)]


def read_profiles(
    workspace: Workspace, parts: Iterable[pl.DataFrame], users: pl.Series, columns: ProfileCodes, dates: list[datetime]
) -> ProfileTable:
    """The profiles of users as of several dates; nothing at or after a date is looked at for it.

    Args:
        workspace: names the profile.
        parts: events of the log, each with all the events of its users.
        users: ids.
        columns: how profiles become codes.
        dates: ascending.
    """
    codes = np.zeros((len(dates), len(users), len(columns.columns)), np.int64)
    places = pl.DataFrame({"user_id": users}).with_row_index("user")
    for part in parts:
        here = part.select("user_id").unique().join(places, on="user_id").sort("user")
        for i, date in enumerate(dates):
            of_date = profiles_as_of(workspace, part, here["user_id"], date)
            codes[i, here["user"].to_numpy()] = columns.encode(of_date)[0]
    return ProfileTable(seconds(dates), codes)
