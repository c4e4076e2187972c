"""The interface of user towers: what every model of users must do.

A tower reads users once (`prefix`), embeds each for the neutral question (`embed`), and scores how well queries fit
them (`score`). FIND's fusion is one (`find/tower.py`). Towers that read the question together with the user, such as
Query-as-Anchor (arXiv 2602.14492), differ only in `score`. A scorer may read more than the tower does, so each tower
lists the scorers that work with it, the default first.

Legend: B users, Q queries, D width of the shared space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar

import numpy as np
from torch import Tensor

from findcli.progress import Progress
from findcli.training.batches import UserBatch
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run

Unit = Literal["cosine", "log odds"]


class Prefix(Protocol):
    """What a tower has computed about B users before any question; only that tower looks inside."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The parts to store beside the vectors, by name: (B, ...) each."""

    def to_keep(self) -> Mapping[str, Tensor]:
        """What the tower's own scorer reads again at each question, by name: (B, ...) each; nothing if it has none."""


@dataclass(frozen=True)
class Said:
    """What a tower's own scorer says of validation users at one cutoff, and what came true: for calibration.

    Attributes:
        odds: log odds, float32 (N, S).
        true: bool (N, S).
        sentences: rows of the sentences in `runs/pairs`, (S,).
    """

    odds: np.ndarray
    true: np.ndarray
    sentences: np.ndarray


P = TypeVar("P", bound=Prefix)


class UserTower(Protocol[P]):
    """A trained model of users, in eval mode.

    Attributes:
        name: its key in `TOWERS` and in `runs/aligned`.
        scorers: the scorers that work with it, the default first.
        unit: the unit of `score`.
    """

    name: ClassVar[str]
    scorers: ClassVar[tuple[str, ...]]
    unit: ClassVar[Unit]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities it reads, such as "sequence", "tabular" and "search"."""

    def prefix(self, batch: UserBatch, *, without: Sequence[str] = ()) -> P:
        """Read users.

        Args:
            batch: B users, each as of a cutoff.
            without: modalities to mask, as if no user had them.
        """

    def embed(self, prefix: P) -> Tensor:
        """Embed the users for the neutral question: unit vectors (B, D)."""

    def score(self, prefix: P, queries: Tensor) -> Tensor:
        """Score queries, unit vectors (Q, D), for the users: (B, Q), in `unit`."""

    @classmethod
    def fit(
        cls, workspace: Workspace, draft: Draft, checkpoints: Path, *, device: str, progress: Progress | None
    ) -> Sequence[Said]:
        """Train on the workspace's pairs and fill the draft of `runs/aligned`.

        Args:
            workspace: its earlier stages are up to date.
            draft: of the run folder.
            checkpoints: a folder for this training alone.
            device: where torch computes.
            progress: called after each step.

        Returns:
            What its own scorer says of validation users; nothing if it has none.

        Raises:
            FindCLIError: no modality has data, or training diverges.
        """

    @classmethod
    def load(cls, aligned: Run, *, device: str, trained: bool = True) -> Self:
        """Load the tower of a finished run, or the exact weights its training started from."""


class AnsweringTower(Protocol):
    """A tower that answers a question for each user by itself; its scorer needs nothing else."""

    def restored(self, kept: Mapping[str, Tensor]) -> Any:
        """The prefix of users, from what `Prefix.to_keep` gave."""

    def score(self, prefix: Any, queries: Tensor) -> Tensor:
        """The log odds of questions, unit text vectors (Q, D), for the users: (B, Q)."""

    def anchored(self, prefix: Any, queries: Tensor) -> Tensor:
        """The vectors of users for questions (Q, D): unit vectors (B, Q, e)."""

    def prompted(self, prefix: Any, query: Tensor, soft: Tensor) -> Tensor:
        """The vectors of users for a question (D,) behind a soft prompt (n, d), with gradients: unit vectors (B, e)."""

    def soft_tokens(self, n: int) -> Tensor:
        """Where a soft prompt of n tokens starts, (n, d)."""

    def attention(self, prefix: Any, query: Tensor, soft: Tensor | None = None) -> dict[str, float]:
        """The share of attention that a question pays to each modality, to the user's token, and to itself."""

    def slopes(self, prefix: Any, query: Tensor) -> Tensor:
        """How the log odds of each user change with a question's text vector (D,): (B, D)."""

    def texts(self, vectors: Tensor) -> Tensor:
        """Unit vectors of sentences by their text vectors, with gradients: (S, D) -> (S, e)."""
