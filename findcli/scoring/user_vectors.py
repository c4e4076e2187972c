"""The user side of a trained model, over events of the log: histories and profiles in, named vectors out.

Tested in tests/scoring/test_embed.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import torch

from findcli.data import profiles
from findcli.data.histories import flatten_events, search_sources
from findcli.data.profile_codes import ProfileCodes
from findcli.models.next_event.reader import TokenReader
from findcli.models.text.space import Space
from findcli.models.tower import UserTower
from findcli.models.trained import TrainedModel
from findcli.models.user_summary import profile_numbers
from findcli.training.batches import Histories, UserBatch, user_batch
from findcli.training.examples import seconds
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace

BATCH = 128  # users; every batch has as many, so that a vector is the same to the bit whoever else is described
OF_TOWER = "tower/"


@dataclass(frozen=True)
class Embedder:
    """Turns histories into vectors.

    Attributes:
        tower: the user tower.
        space: the space of history texts.
        columns: the profile's codes.
        history: seconds of history.
        step: seconds per time step.
        device: the device it computes on.
        reader: of behaviour tokens, where the tower reads them.
    """

    tower: UserTower[Any]
    space: Space
    columns: ProfileCodes
    history: int
    step: int
    device: torch.device
    reader: TokenReader | None = None

    @classmethod
    def of(cls, model: TrainedModel) -> Embedder:
        """The embedder of a trained model."""
        settings = model.aligned.manifest.settings
        return cls(
            tower=model.tower,
            space=model.space,
            columns=model.columns,
            history=int(parse_duration(settings["history"]).total_seconds()),
            step=int(parse_duration(settings["step"]).total_seconds()),
            device=model.device,
            reader=model.token_reader,
        )

    def encode(self, batch: UserBatch, *, without: Sequence[str] = (), keep: bool = False) -> dict[str, torch.Tensor]:
        """The vectors of a batch by name, as `users.safetensors` holds them.

        Args:
            batch: B users.
            without: modalities to mask, as if no user had them.
            keep: add what the tower's own scorer reads, its names led by `OF_TOWER`.
        """
        prefix = self.tower.prefix(batch, without=without)
        vectors = {"embeddings": self.tower.embed(prefix), **prefix.tensors()}
        if keep:
            vectors |= {OF_TOWER + name: tensor for name, tensor in prefix.to_keep().items()}
        numbers = profile_numbers(self.columns, batch.codes.cpu().numpy(), batch.fractions.cpu().numpy())
        return vectors | ({"profile": torch.from_numpy(numbers)} if numbers.shape[1] else {})

    def recent(self, log: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        """The events of the history window."""
        return log.filter(pl.col("time") >= as_of - timedelta(seconds=self.history))

    def batches(
        self, workspace: Workspace, log: pl.DataFrame, users: pl.Series, as_of: datetime
    ) -> Iterator[UserBatch]:
        """Read users as of a date, batch by batch; the last one is filled up with its last user.

        Args:
            workspace: defines the profile and which sources are searches.
            log: their events, none at or after `as_of`.
            users: ids, ascending.
            as_of: the cutoff.
        """
        histories, texts = self._histories(workspace, log, users, as_of)
        vectors = torch.from_numpy(self.space.vectors(texts)).to(self.device)
        codes, fractions = self.columns.encode(profiles.profiles_as_of(workspace, log, users, as_of))
        end = int(seconds([as_of])[0])
        tokens = None if self.reader is None else self.reader.reading(workspace, log, users, as_of)
        for start in range(0, len(users), BATCH):
            rows = np.minimum(np.arange(start, start + BATCH), len(users) - 1)
            ends = np.full(len(rows), end)
            yield user_batch(
                histories, rows, ends, codes[rows], fractions[rows], vectors, length=self.history, step=self.step,
                tokens=None if tokens is None else tokens.before(rows, ends),
            )  # fmt: skip

    def _histories(
        self, workspace: Workspace, log: pl.DataFrame, users: pl.Series, as_of: datetime
    ) -> tuple[Histories, list[str]]:
        flat = flatten_events(self.recent(log, as_of), users, search_sources(workspace))
        return Histories(**flat.arrays(), is_search=flat.is_search), flat.texts["text"].to_list()
