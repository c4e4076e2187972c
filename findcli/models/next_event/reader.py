"""Reads users' events as behaviour tokens for a user tower: for its training, and in use as of any date.

Tested in tests/models/panther/test_tower.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl

from findcli.data.profile_codes import ProfileCodes
from findcli.models.next_event.pretrain import training_histories
from findcli.models.next_event.read import profile_dates, read_histories, read_profiles, silent_sources
from findcli.models.next_event.tokens import Vocabulary
from findcli.training.examples import TrainingData
from findcli.training.token_histories import TokenBatch, TokenHistories
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run

UNDER = "next_event/"


@dataclass(frozen=True)
class TokenReader:
    """A vocabulary, the profile's codes, and, once it has read some users, their histories.

    Attributes:
        vocabulary: of the tokens.
        columns: the profile's codes.
        max_events: events of a user that are read, the last ones.
        histories: of the users that were read.
    """

    vocabulary: Vocabulary
    columns: ProfileCodes
    max_events: int
    histories: TokenHistories | None = None

    @classmethod
    def of_training(cls, workspace: Workspace, log: Run, data: TrainingData, run: Run) -> Self:
        """Read training users, by their rows in `data.users`, in the tokens of `runs/next_event`."""
        vocabulary, columns = Vocabulary.load(run), ProfileCodes.from_json(run.json("columns.json"))
        histories = training_histories(workspace, log, data, vocabulary, columns)
        return cls(vocabulary, columns, int(run.json("encoder.json")["max_events"]), histories)

    def reading(self, workspace: Workspace, log: pl.DataFrame, users: pl.Series, as_of: datetime) -> Self:
        """Read users, by their place in `users`, from their events before a date."""
        profile = None
        if self.columns.columns and len(log):
            first = log["time"].min()
            dates = profile_dates(workspace, min(first, as_of), as_of)  # type: ignore[type-var, arg-type]
            profile = read_profiles(workspace, [log], users, self.columns, dates)
        histories = read_histories([log], users, self.vocabulary, silent_sources(workspace), profile)
        return replace(self, histories=histories)

    def before(self, users: np.ndarray, ends: np.ndarray) -> TokenBatch:
        """The last tokens of users, rows (B,), before an instant each, in seconds (B,)."""
        if self.histories is None:
            raise ValueError("no user has been read")
        windows = self.histories.last_before(ends, self.max_events, users=users)
        return self.histories.batch(windows)[0]

    def save(self, draft: Draft) -> None:
        """Write vocabulary and codes into `next_event/`."""
        self.vocabulary.save(draft, UNDER)
        draft.json(f"{UNDER}columns.json", {"columns": self.columns.to_json(), "max_events": self.max_events})

    @classmethod
    def load(cls, aligned: Run) -> Self | None:
        """Read what `save` wrote into `runs/aligned`; None where its tower reads no tokens."""
        if not aligned.files(f"{UNDER}tokens.parquet"):
            return None
        plain = aligned.json(f"{UNDER}columns.json")
        return cls(Vocabulary.load(aligned, UNDER), ProfileCodes.from_json(plain["columns"]), plain["max_events"])
