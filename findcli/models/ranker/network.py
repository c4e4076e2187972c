"""The network among the rankers: a linear layer beside a small perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ranker(nn.Module):
    """A linear layer beside a small perceptron over features of (user, sentence).

    Buffers standardise the features; `set_scale` fills them from training examples.

    Args:
        features: number of features, F.
        width: of the perceptron's two layers.

    Shape:
        (..., features) -> (...), the log odds that the sentence is true
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *, features: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.linear = nn.Linear(features, 1)
        self.perceptron = nn.Sequential(
            nn.Linear(features, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1)
        )

    def set_scale(self, examples: Tensor, *, without: Sequence[int] = ()) -> None:
        """Standardise by examples, (N, features); the columns `without` always become 0."""
        self.mean.copy_(examples.mean(0))
        self.deviation.copy_(examples.std(0) + 1e-3)
        self.leave_out(without)

    def leave_out(self, columns: Sequence[int]) -> None:
        """Make some columns always 0."""
        self.deviation[list(columns)] = torch.inf

    def forward(self, features: Tensor) -> Tensor:
        """The log odds: (..., features) -> (...)."""
        scaled = (features - self.mean) / self.deviation
        odds: Tensor = self.linear(scaled) + self.perceptron(scaled)
        return odds.squeeze(-1)
