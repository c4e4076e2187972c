"""The seam of user towers: what every model of users can do, whichever it is.

A tower reads users once (`prefix`), gives each a vector for the neutral question (`embed`), and says how well sentences
suit them (`score`). FIND's fusion is one (`find/tower.py`). Those that read the question together with the user, such
as Query-as-Anchor (arXiv 2602.14492), differ in `score` alone. What scores sentences may also read more than a tower
does: a tower names the scorers that it can stand beside, the default first.

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
    """What a tower has computed of B users before any question; only the tower that made it looks inside."""

    def tensors(self) -> Mapping[str, Tensor]:
        """What of it is worth storing beside the vectors, a row a user, by name."""


P = TypeVar("P", bound=Prefix)


class UserTower(Protocol[P]):
    """A trained model of users, in eval mode.

    Attributes:
        name: that under which it was trained.
        scorers: what can score sentences beside it, the default first.
        unit: what `score` gives.
    """

    name: ClassVar[str]
    scorers: ClassVar[tuple[str, ...]]
    unit: ClassVar[Unit]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that it reads, such as "sequence", "tabular" and "search"."""

    def prefix(self, batch: UserBatch, *, without: Sequence[str] = ()) -> P:
        """Read users.

        Args:
            batch: B users as of their cutoffs.
            without: modalities that are masked, as if nobody had them.
        """

    def embed(self, prefix: P) -> Tensor:
        """The users' vectors for the neutral question: unit vectors (B, D)."""

    def score(self, prefix: P, queries: Tensor) -> Tensor:
        """How well queries, unit vectors (Q, D), suit the users: (B, Q), in `unit`."""

    @classmethod
    def fit(
        cls, workspace: Workspace, draft: Draft, checkpoints: Path, *, device: str, progress: Progress | None
    ) -> None:
        """Train on the workspace's pairs and fill the draft of `runs/aligned`.

        Args:
            workspace: whose earlier stages stand.
            draft: of the run folder.
            checkpoints: a folder for this very training.
            device: of torch.
            progress: told after each step.

        Raises:
            FindCLIError: no modality has data, or training diverges.
        """

    @classmethod
    def load(cls, aligned: Run, *, device: str, trained: bool = True) -> Self:
        """Read the tower of a finished run, or its untrained self: the very weights its training began with."""
