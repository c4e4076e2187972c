"""The interface of user towers: what every model of users must do.

A tower reads users once (`prefix`), embeds each for the neutral question (`embed`), and scores how well queries fit
them (`score`). FIND's fusion is one (`find/tower.py`). Towers that read the question together with the user, such as
Query-as-Anchor (arXiv 2602.14492), differ only in `score`. A scorer may read more than the tower does, so each tower
lists the scorers that work with it, the default first.

Legend: B users, Q queries, D width of the shared space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self, TypeVar

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
    ) -> None:
        """Train on the workspace's pairs and fill the draft of `runs/aligned`.

        Args:
            workspace: its earlier stages are up to date.
            draft: of the run folder.
            checkpoints: a folder for this training alone.
            device: where torch computes.
            progress: called after each step.

        Raises:
            FindCLIError: no modality has data, or training diverges.
        """

    @classmethod
    def load(cls, aligned: Run, *, device: str, trained: bool = True) -> Self:
        """Load the tower of a finished run, or the exact weights its training started from."""
