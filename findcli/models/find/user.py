"""The user's side of FIND: modality encoders, fusion, one unit vector a user (Eqs 5, 9-11)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from findcli.models.find.fusion import Concatenation, Fusion
from findcli.models.find.sequence import SequenceEncoder
from findcli.models.find.tabular import TabularEncoder
from findcli.training.batches import UserBatch

Modalities = dict[str, tuple[Tensor, Tensor]]


class UserEncoder(nn.Module):
    """Encodes what is known of users before a cutoff.

    Args:
        sequence: encoder of the behaviour, or None to leave it out.
        tabular: encoder of the profile, or None.
        search: whether searches take part.
        fusion: over the modalities "sequence", "tabular" and "search" that take part.

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
    ) -> None:
        super().__init__()
        self.sequence, self.tabular, self.search, self.fusion = sequence, tabular, search, fusion

    def modalities(self, batch: UserBatch) -> Modalities:
        """The vector of each modality (B, D_m) and who has it (B,)."""
        found: Modalities = {}
        if self.sequence is not None:
            context = self.sequence(batch.steps.vectors, batch.steps.valid)  # (B, T, d_model)
            found["sequence"] = self.sequence.pool(context, batch.steps.valid), batch.steps.valid.any(1)
        if self.tabular is not None:
            found["tabular"] = self.tabular(batch.codes, batch.fractions)[1], (batch.codes > 0).any(1)
        if self.search:
            found["search"] = batch.search, batch.searched
        return found

    def fuse(self, modalities: Modalities) -> Tensor:
        """One unit vector a user out of its modalities: (B, d_embedding)."""
        vectors = {name: vector for name, (vector, _) in modalities.items()}
        fused: Tensor = self.fusion(vectors, {name: present for name, (_, present) in modalities.items()})
        return functional.normalize(fused, dim=-1)

    def forward(self, batch: UserBatch) -> Tensor:
        """Encode users: (B, d_embedding), unit vectors."""
        return self.fuse(self.modalities(batch))
