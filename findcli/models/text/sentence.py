"""FIND's sentence encoder: a text tower, with LoRA during training, and a projection (Eq 12)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from findcli.models.text.encoder import TextEncoder


class SentenceEncoder(nn.Module):
    """Encodes sentences into the space of users.

    Args:
        tower: the text encoder; its weights are frozen unless LoRA is added.
        d_embedding: width of the shared space.

    Shape:
        S texts -> (S, d_embedding), unit vectors
    """

    def __init__(self, *, tower: TextEncoder, d_embedding: int) -> None:
        super().__init__()
        self.tower = tower.requires_grad_(requires_grad=False)
        self.project = nn.Linear(tower.width, d_embedding)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Encode sentences with gradients: (len(texts), d_embedding), unit vectors."""
        return self.head(self.tower.embed(texts))

    def head(self, vectors: Tensor) -> Tensor:
        """Project the tower's vectors: (S, d_text) -> (S, d_embedding), unit vectors."""
        return functional.normalize(self.project(vectors), dim=-1)

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Encode many sentences without gradients: (len(texts), d_embedding), unit vectors on the CPU."""
        sentences = torch.empty(len(texts), self.project.out_features)
        for rows, batch in self.tower.vectors(texts):
            sentences[rows] = self.head(batch.to(self.project.weight.device)).cpu()
        return sentences
