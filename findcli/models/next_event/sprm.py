"""SPRM, structured pattern recognition: short motifs of a history, matched with learned prototypes (PANTHER).

Legend: B users, T events, D width, K convolutions, M prototypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Form = Literal["depthwise", "released"]
WIDTH = 3


class Motifs(nn.Module):
    """Convolutions over the last events, matched with prototypes; a place reads nothing that comes after it.

    NOTE[paper]: the paper's form is depthwise, with several dilations; its released code has one dense convolution with
    a residual (`form = "released"`). Neither says that it is causal: padding here is on the left alone.

    Args:
        d_model: D.
        heads: attention heads over the prototypes.
        dilations: of the depthwise convolutions, K.
        prototypes: M.
        form: "depthwise" or "released".

    Shape:
        (B, T, D) -> (B, T, D)
    """

    def __init__(
        self, *, d_model: int, heads: int, dilations: Sequence[int], prototypes: int, form: Form = "depthwise"
    ) -> None:
        super().__init__()
        self.heads = heads
        self.dilations = tuple(dilations) if form == "depthwise" else (1,)
        self.dense = nn.Conv1d(d_model, d_model, WIDTH) if form == "released" else None
        if self.dense is None:
            self.kernels = nn.Parameter(torch.randn(len(dilations), WIDTH, d_model) * WIDTH**-0.5)
            self.offsets = nn.Parameter(torch.zeros(len(dilations), d_model))
        self.prototypes = nn.Parameter(torch.randn(prototypes, d_model) * d_model**-0.5)
        self.query = nn.Linear(len(self.dilations) * d_model, d_model)
        self.key, self.value = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, states: Tensor) -> Tensor:
        """Find motifs that end at each event."""
        query = self._depthwise_query(states) if self.dense is None else self.query(self._released(states))
        query = self._split(query)  # (B, H, T, D/H)
        key, value = (self._split(part(self.prototypes)) for part in (self.key, self.value))  # (H, M, D/H)
        weights = (query @ key.transpose(1, 2) * key.shape[-1] ** -0.5).softmax(-1)  # (B, H, T, M)
        mixed: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return mixed

    def _depthwise_query(self, states: Tensor) -> Tensor:
        """H_p W_Q of the paper, H_p the convolutions side by side: (B, T, D) -> (B, T, D).

        Convolution and projection are both linear, so together they are one map of the states at each distance back.
        """
        width, n = states.shape[-1], states.shape[1]
        projections = self.query.weight.T.view(len(self.dilations), width, width)  # (K, D, D)
        maps: dict[int, Tensor] = {}
        for k, dilation in enumerate(self.dilations):
            for i in range(WIDTH):
                mapped = self.kernels[k, i].unsqueeze(1) * projections[k]
                back = i * dilation
                maps[back] = maps[back] + mapped if back in maps else mapped
        reach = max(maps)
        padded = functional.pad(states, (0, 0, reach, 0))
        shifted = torch.cat([padded[:, reach - back : reach - back + n] for back in maps], -1)
        constant = self.query.bias + torch.einsum("kd,kde->e", self.offsets, projections)
        query: Tensor = shifted @ torch.cat(list(maps.values())) + constant
        return query

    def _released(self, states: Tensor) -> Tensor:
        """The released code's dense convolution and its residual: (B, T, D) -> (B, T, D)."""
        assert self.dense is not None
        channels = functional.pad(states.transpose(1, 2), (WIDTH - 1, 0))
        return functional.leaky_relu(self.dense(channels).transpose(1, 2)) + states

    def _split(self, vectors: Tensor) -> Tensor:
        """(..., T, D) -> (..., H, T, D/H)."""
        return vectors.view(*vectors.shape[:-1], self.heads, -1).transpose(-3, -2)
