"""FIND's fusion as a user tower: one vector per user, scored against any question by cosine (Eq 2).

Tested in tests/models/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from findcli.models.find.assemble import StageRuns, load_user_encoder
from findcli.models.find.user import Modalities, UserEncoder
from findcli.models.tower import Said, Unit
from findcli.progress import Progress
from findcli.training.batches import UserBatch
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run


@dataclass(frozen=True)
class ModalityVectors:
    """Each modality's vectors, (B, D_m), and which users have it, bool (B,)."""

    modalities: Modalities

    def tensors(self) -> Mapping[str, Tensor]:
        """Each modality's vectors (B, D_m), zero for users without it, and `has_NAME`, uint8 (B,), 0 or 1."""
        named = {}
        for name, (vector, present) in self.modalities.items():
            named[name] = vector.masked_fill(~present.unsqueeze(1), 0)
            named[f"has_{name}"] = present.to(torch.uint8)
        return named

    def to_keep(self) -> Mapping[str, Tensor]:
        """Nothing: a cosine reads the fused vectors."""
        return {}


class FusionTower:
    """FIND's user side: modality encoders and their fusion.

    Args:
        encoder: the user encoder, in eval mode.
    """

    name: ClassVar[str] = "fusion"
    scorers: ClassVar[tuple[str, ...]] = ("query_aware", "vector")
    unit: ClassVar[Unit] = "cosine"

    def __init__(self, encoder: UserEncoder) -> None:
        self.encoder = encoder

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities it was trained on."""
        present = {
            "sequence": self.encoder.sequence is not None,
            "tabular": self.encoder.tabular is not None,
            "search": self.encoder.search,
            "next_event": self.encoder.next_event is not None,
        }
        return tuple(name for name, trained in present.items() if trained)

    @torch.no_grad()
    def prefix(self, batch: UserBatch, *, without: Sequence[str] = ()) -> ModalityVectors:
        """Encode each modality of B users; those in `without` count as absent."""
        modalities = self.encoder.modalities(batch)
        masked = {
            name: (vector, torch.zeros_like(present) if name in without else present)
            for name, (vector, present) in modalities.items()
        }
        return ModalityVectors(masked)

    @torch.no_grad()
    def embed(self, prefix: ModalityVectors) -> Tensor:
        """Fuse the modalities: unit vectors (B, D)."""
        return self.encoder.fuse(prefix.modalities)

    def score(self, prefix: ModalityVectors, queries: Tensor) -> Tensor:
        """The cosine of users and queries (Q, D): (B, Q)."""
        return self.embed(prefix) @ queries.T

    @classmethod
    def fit(
        cls, workspace: Workspace, draft: Draft, checkpoints: Path, *, device: str, progress: Progress | None
    ) -> tuple[Said, ...]:
        """Train fusion, encoders and the text tower's LoRA on the pairs; see `find/fit.py`."""
        from findcli.models.find.fit import Alignment

        Alignment(workspace, StageRuns.open(workspace), device).run(draft, checkpoints, progress)
        return ()

    @classmethod
    def load(cls, aligned: Run, *, device: str, trained: bool = True) -> Self:
        """Load the aligned encoder, or the exact weights its training started from."""
        return cls(load_user_encoder(aligned, trained=trained).to(device))
