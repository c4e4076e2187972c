"""Windows of time steps, for the rivals that read behaviour step by step: random ones to train on, and all users' own.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.probe_inputs import DAY, Streams, UserInputs, streams
from findcli.models.find.sequence import SequenceEncoder
from findcli.training.batches import EXTRAS, Steps
from findcli.training.examples import seconds

Pool = Literal["last", "mean"]
BATCH = 512


@dataclass(frozen=True)
class HistoryWindows:
    """Histories as time steps.

    Attributes:
        inputs: sets the dates.
        training: events of training users before `train_until`.
        users: number of training users with such an event.
        texts: vectors of their texts, (n_texts, d_text).
        length: length of a history, in seconds.
        step: length of a step, in seconds.
    """

    inputs: UserInputs
    training: Streams
    users: int
    texts: Tensor
    length: int
    step: int

    @classmethod
    def of(cls, inputs: UserInputs) -> HistoryWindows:
        """Read the events that may be trained on.

        Raises:
            FindCLIError: no training user has an event.
        """
        frame = inputs.for_training()
        if frame.is_empty():
            raise FindCLIError("no training user has an event before train_until", hint="set a later train_until")
        ids = frame["user_id"].unique().sort()
        training = streams(inputs, frame, ids)
        return cls(
            inputs, training, len(ids), _text_vectors(inputs, training),
            int(inputs.history.total_seconds()), int(inputs.step.total_seconds()),
        )  # fmt: skip

    @property
    def n_steps(self) -> int:
        """Number of steps in a history."""
        return -(-self.length // self.step)

    @property
    def d_input(self) -> int:
        """Width of a step's vector."""
        return self.texts.shape[1] + EXTRAS

    def draw(self, size: int, rng: np.random.Generator, *, ahead: int = 0) -> tuple[Steps, np.ndarray, np.ndarray]:
        """Windows of random training users, each ending at a random day, `ahead` seconds before `train_until` or more.

        Returns:
            The steps, the users' rows (B,) and the ends in seconds (B,).
        """
        users = np.sort(rng.choice(self.users, min(size, self.users), replace=False))
        latest = int(seconds([self.inputs.train_until])[0]) - ahead
        earliest = int(self.training.histories.seconds.min()) + self.length // 2
        days = max(0, latest - earliest) // DAY
        ends = latest - DAY * rng.integers(0, days + 1, len(users))
        return self.training.histories.steps(users, ends, self.texts, length=self.length, step=self.step), users, ends

    def everybody(self) -> Iterator[Steps]:
        """The histories of all users as of the date, in order, in batches."""
        recent = streams(self.inputs, self.inputs.window(), self.inputs.users)
        texts = _text_vectors(self.inputs, recent)
        end = int(seconds([self.inputs.as_of])[0])
        for start in range(0, len(self.inputs.users), BATCH):
            rows = np.arange(start, min(start + BATCH, len(self.inputs.users)))
            ends = np.full(len(rows), end)
            yield recent.histories.steps(rows, ends, texts, length=self.length, step=self.step)

    @torch.no_grad()
    def describe(self, encoder: SequenceEncoder, pool: Pool) -> np.ndarray:
        """The vectors of all users, the last step's context or the mean of all: float32 (U, d_model)."""
        vectors = [pooled(encoder, steps, pool).numpy() for steps in self.everybody()]
        return np.concatenate(vectors)


def pooled(encoder: SequenceEncoder, steps: Steps, pool: Pool) -> Tensor:
    """One vector per user from the contexts of the steps: (B, d_model)."""
    context = encoder(steps.vectors, steps.valid)  # (B, T, d_model)
    return context[:, -1] if pool == "last" else encoder.pool(context, steps.valid)


def recurrent(windows: HistoryWindows, *, d_model: int, positives: int = 1) -> dict[str, object]:
    """The arguments of a recurrent encoder of such steps."""
    return {
        "d_input": windows.d_input, "d_model": d_model, "layers": 1, "heads": 1, "max_steps": windows.n_steps,
        "kind": "gru", "dropout": 0.0, "positives": positives,
    }  # fmt: skip


def _text_vectors(inputs: UserInputs, events: Streams) -> Tensor:
    encode: Callable[..., np.ndarray] | None = inputs.text_vectors
    if encode is None:
        raise FindCLIError(
            "this rival reads events as texts, and there is no text encoder", hint="findcli pretrain text"
        )
    return torch.from_numpy(encode(events.texts))
