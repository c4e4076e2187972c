"""FIND's user encoder: modality encoders and fusion, one unit vector per user (Eqs 5, 9-11)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from findcli.models.find.fusion import Concatenation, Fusion
from findcli.models.find.sequence import SequenceEncoder
from findcli.models.find.tabular import TabularEncoder
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.training.batches import UserBatch

Modalities = dict[str, tuple[Tensor, Tensor]]


class UserEncoder(nn.Module):
    """Encodes users from what happened before a cutoff.

    Args:
        sequence: encoder of the behaviour, or None to leave it out.
        tabular: encoder of the profile, or None.
        search: whether searches are an input.
        fusion: over the modalities in use: "sequence", "tabular", "search", "next_event".
        next_event: PANTHER's encoder of behaviour tokens, or None.

    Shape:
        UserBatch of B users -> (B, d_embedding), unit vectors
    """

    def __init__(
        self,
        *,
        sequence: SequenceEncoder | None,
        tabular: TabularEncoder | None,
        search: bool,
        fusion: Fusion | Concatenation,
        next_event: NextEventEncoder | None = None,
    ) -> None:
        super().__init__()
        self.next_event = next_event
        self.sequence, self.tabular, self.search, self.fusion = sequence, tabular, search, fusion

    def modalities(self, batch: UserBatch) -> Modalities:
        """Each modality's vectors, (B, D_m), and which users have it, bool (B,)."""
        modalities: Modalities = {}
        if self.sequence is not None:
            context = self.sequence(batch.steps.vectors, batch.steps.valid)  # (B, T, d_model)
            modalities["sequence"] = self.sequence.pool(context, batch.steps.valid), batch.steps.valid.any(1)
        if self.tabular is not None:
            modalities["tabular"] = self.tabular(batch.codes, batch.fractions)[1], (batch.codes > 0).any(1)
        if self.search:
            modalities["search"] = batch.search, batch.searched
        if self.next_event is not None and batch.tokens is not None:
            states = self.next_event(batch.tokens)  # (B, T, d_model)
            modalities["next_event"] = self.next_event.describe_users(batch.tokens, states), batch.tokens.lengths > 0
        return modalities

    def fuse(self, modalities: Modalities) -> Tensor:
        """Fuse the modalities: unit vectors (B, d_embedding)."""
        vectors = {name: vector for name, (vector, _) in modalities.items()}
        fused: Tensor = self.fusion(vectors, {name: present for name, (_, present) in modalities.items()})
        return functional.normalize(fused, dim=-1)

    def forward(self, batch: UserBatch) -> Tensor:
        """Encode users: (B, d_embedding), unit vectors."""
        return self.fuse(self.modalities(batch))
