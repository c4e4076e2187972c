"""Fuses the modalities' vectors, any of which may be missing, into one vector per user (FIND Eq 11)."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """Cross-attention of a learned query onto the modalities.

    A learned token that is always present keeps attention defined for a user without any modality.

    Args:
        d_inputs: width of each modality's vector, by name.
        d_model: width of the user's vector.
        layers: cross-attention layers, 5 in the paper.
        heads: attention heads.
        dropout: share dropped.
        skip: columns of the user's vector that each modality has to itself, past the attention; 0 is the paper's form.
        gates: whether each modality passes a learned gate, which may close for a user: it weighs the attention and the
            modality's own columns; the paper has none.

    Shape:
        vectors {name: (B, d_inputs[name])}, present {name: (B,)} -> (B, d_model), not normalised
    """

    def __init__(
        self,
        *,
        d_inputs: Mapping[str, int],
        d_model: int,
        layers: int,
        heads: int,
        dropout: float,
        skip: int = 0,
        gates: bool = False,
    ) -> None:
        super().__init__()
        # The bias of each map serves as the modality's embedding.
        self.project = nn.ModuleDict({name: nn.Linear(width, d_model) for name, width in d_inputs.items()})
        self.query = nn.Parameter(torch.randn(d_model))
        self.null = nn.Parameter(torch.randn(d_model))
        self.layers = nn.ModuleList(
            _CrossAttention(d_model=d_model, heads=heads, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.beside = nn.ModuleDict(
            {name: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, skip)) for name, width in d_inputs.items()}
            if skip
            else {}
        )
        self.narrow = nn.Linear(d_model, d_model - skip * len(d_inputs)) if skip else nn.Identity()
        self.gates = nn.ModuleDict({name: _Gate(width) for name, width in d_inputs.items()} if gates else {})

    def forward(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Fuse the modalities.

        Args:
            vectors: each modality's vectors, (B, d_inputs[name]); rows of users without it are ignored, even NaN.
            present: which users have the modality, bool (B,).

        Returns:
            (B, d_model), not normalised.
        """
        masked = {name: vectors[name].masked_fill(~present[name].unsqueeze(1), 0) for name in self.project}
        opened = {name: gate(masked[name]) for name, gate in self.gates.items()}  # (B, 1) each
        tokens = torch.stack([project(masked[name]) for name, project in self.project.items()], 1)  # (B, M, d_model)
        users = len(tokens)
        tokens = torch.cat([self.null.expand(users, 1, -1), tokens], 1)  # (B, 1 + M, d_model)
        absent = torch.stack([~present[name] for name in self.project], 1)  # (B, M)
        absent = nn.functional.pad(absent, (1, 0), value=False)  # (B, 1 + M)
        if opened:  # attention normalises its keys, so a gate weighs what is attended to, not the key
            weights = torch.cat([torch.ones_like(absent[:, :1]), *opened.values()], 1)  # (B, 1 + M)
            absent = weights.clamp(min=1e-9).log().masked_fill(absent, -math.inf)
        query = self.query.expand(users, 1, -1)  # (B, 1, d_model)
        for layer in self.layers:
            query = layer(query, tokens, absent)
        aside = [
            project(masked[name]) * present[name].unsqueeze(1) * opened.get(name, 1)
            for name, project in self.beside.items()
        ]
        return torch.cat([self.narrow(self.norm(query.squeeze(1))), *aside], 1)


class Concatenation(nn.Module):
    """Concatenation and a two-layer perceptron, the paper's ablation of cross-attention (Table 5).

    Args:
        d_inputs: width of each modality's vector, by name.
        d_model: width of the user's vector.

    Shape:
        vectors {name: (B, d_inputs[name])}, present {name: (B,)} -> (B, d_model), not normalised
    """

    def __init__(self, *, d_inputs: Mapping[str, int], d_model: int) -> None:
        super().__init__()
        self.missing = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name, width in d_inputs.items()})
        self.mix = nn.Sequential(
            nn.Linear(sum(d_inputs.values()), 2 * d_model), nn.GELU(), nn.Linear(2 * d_model, d_model)
        )

    def forward(self, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Fuse the modalities; a learned vector replaces a missing one.

        Args:
            vectors: each modality's vectors, (B, d_inputs[name]); rows of users without it are ignored, even NaN.
            present: which users have the modality, bool (B,).

        Returns:
            (B, d_model), not normalised.
        """
        parts = [
            torch.where(present[name].unsqueeze(1), vectors[name], missing) for name, missing in self.missing.items()
        ]
        fused: Tensor = self.mix(torch.cat(parts, 1))
        return fused


class _Gate(nn.Module):
    """How far a modality is let through, of its own vector; nearly open when training starts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.open = nn.LayerNorm(width), nn.Linear(width, 1)
        nn.init.zeros_(self.open.weight)
        nn.init.constant_(self.open.bias, 2.0)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, width) -> (B, 1), from 0 to 1."""
        return torch.sigmoid(self.open(self.norm(vectors)))


class _CrossAttention(nn.Module):
    def __init__(self, *, d_model: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_query, self.norm_tokens = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = nn.MultiheadAttention(d_model, heads, dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(d_model), nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, tokens: Tensor, absent: Tensor) -> Tensor:
        """(B, 1, D), (B, M, D), (B, M) -> (B, 1, D)."""
        keys = self.norm_tokens(tokens)
        attended, _ = self.attention(self.norm_query(query), keys, keys, key_padding_mask=absent, need_weights=False)
        query = query + self.dropout(attended)
        update: Tensor = self.dropout(self.feed_forward(query))
        return query + update
