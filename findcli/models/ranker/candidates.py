"""The rankers that compete for a workspace: a count, pooled trees, the network, and their means.

All read the same features (`features.py`) and give log odds. On data that nobody tuned for, any of them may be the
best; `train.py` keeps the one that ranks validation users best.

Legend: E examples, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from findcli.models.ranker.features import FEATURES
from findcli.models.ranker.trees import Trees

COUNTS, TREES, NETWORK, START = "counts", "trees", "network", "start"
SINGLE = (NETWORK, TREES, COUNTS, START)
CAUTIOUS = "counts and start"
MEANS: dict[str, tuple[str, ...]] = {
    CAUTIOUS: (COUNTS, START),
    "network and start": (NETWORK, START),
    "network and trees": (NETWORK, TREES),
    "network, trees and counts": (NETWORK, TREES, COUNTS),
    "all four": (NETWORK, TREES, COUNTS, START),
}  # candidates that are the mean log odds of others, the widest last
COUNTED = ("level", "decay 0.9", "decay 0.7", "recency", "family's decay 0.7", "user's decay 0.7", "rate lately")
PENALTY = 1.0  # of the count's weights, which are in standard deviations


class Count(nn.Module):
    """Recency-weighted counts: a penalised linear model of what the best counters read, and of nothing else.

    Shape:
        (..., F) -> (...), log odds
    """

    weights: Tensor
    bias: Tensor

    def __init__(self, *, features: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(features))
        self.register_buffer("bias", torch.zeros(()))

    @classmethod
    def learn(cls, examples: np.ndarray, true: np.ndarray) -> Count:
        """Fit it to E examples, (E, F), and whether they came true, bool (E,)."""
        from sklearn.linear_model import LogisticRegression

        columns = [FEATURES.index(name) for name in COUNTED]
        chosen = examples[:, columns].astype(np.float64)
        mean, deviation = chosen.mean(0), chosen.std(0) + 1e-3
        line = LogisticRegression(C=1 / PENALTY, max_iter=500).fit((chosen - mean) / deviation, true)
        count = cls(features=examples.shape[1])
        weights = line.coef_[0] / deviation
        count.weights[columns] = torch.tensor(weights, dtype=torch.float32)
        count.bias.fill_(float(line.intercept_[0] - weights @ mean))
        return count

    def forward(self, features: Tensor) -> Tensor:
        """The log odds: (..., F) -> (...)."""
        return features @ self.weights.to(features.dtype) + self.bias.to(features.dtype)


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


@dataclass(frozen=True)
class Kept:
    """The candidate that ranks.

    Attributes:
        name: its name.
        parts: the candidates whose mean log odds it is.
    """

    name: str
    parts: Sequence[nn.Module | Trees]

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """The log odds: (..., F) -> (...)."""
        return torch.stack([part(features) for part in self.parts]).mean(0)


def parts_of(name: str) -> tuple[str, ...]:
    """The candidates that a candidate is the mean of; itself, if it is none."""
    return MEANS.get(name, (name,))
