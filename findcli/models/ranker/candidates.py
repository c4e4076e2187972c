"""The rankers that compete for a workspace: a count, pooled trees, the network, and their means.

All read the same features (`features.py`) and give log odds. On data that nobody tuned for, any of them may be the
best; `train.py` keeps the one that ranks validation users best.

Legend: E examples, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from findcli.models.ranker.features import FEATURES

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
BLOCK = 2048  # rows that trees score at once
LEAVES, DEPTH, RATE, SMALLEST_LEAF, SHARE = 15, 5, 0.06, 100, 0.5  # of the trees


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
class Trees:
    """Gradient-boosted trees as arrays, each (n_nodes,) over all trees; a leaf is its own child.

    Attributes:
        roots: the first node of each tree, int (n_trees,).
        feature: the feature that a node splits on, int.
        threshold: values up to it go left, float64.
        left: the left child, int.
        right: the right child, int.
        value: what a leaf adds to the log odds, float64.
        base: log odds before any tree, (1,).
        depth: splits below the root of the deepest tree, (1,).
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    base: np.ndarray
    depth: np.ndarray

    @classmethod
    def learn(cls, examples: np.ndarray, true: np.ndarray, *, rounds: int, seed: int) -> Trees:
        """Fit scikit-learn's histogram gradient boosting.

        Args:
            examples: features, (E, F).
            true: whether they came true, bool (E,).
            rounds: number of trees.
            seed: of the features that each split is offered.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=rounds, max_leaf_nodes=LEAVES, max_depth=DEPTH, learning_rate=RATE, min_samples_leaf=SMALLEST_LEAF,
            max_features=SHARE, l2_regularization=1.0, early_stopping=False, random_state=seed,
        ).fit(examples, true)  # fmt: skip
        # NOTE: scikit-learn has no public view of these trees; a test compares the arrays with the model's own odds.
        nodes = [tree.nodes for (tree,) in model._predictors]
        starts = np.cumsum([0, *(len(each) for each in nodes)])
        every, first = np.concatenate(nodes), np.repeat(starts[:-1], np.diff(starts))
        itself, leaf = np.arange(len(every)), every["is_leaf"].astype(bool)
        return cls(
            roots=starts[:-1].astype(np.int32), feature=np.where(leaf, 0, every["feature_idx"]).astype(np.int32),
            threshold=every["num_threshold"].astype(np.float64),
            left=np.where(leaf, itself, every["left"] + first).astype(np.int32),
            right=np.where(leaf, itself, every["right"] + first).astype(np.int32),
            value=every["value"].astype(np.float64), base=np.asarray(model._baseline_prediction).reshape(1),
            depth=every["depth"].max().reshape(1).astype(np.int32),
        )  # fmt: skip

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `from_tensors`."""
        return dict(vars(self))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Trees:
        """The inverse of `tensors`."""
        return cls(**tensors)

    def __call__(self, features: Tensor) -> Tensor:
        """The log odds: (..., F) -> (...)."""
        rows = features.reshape(-1, features.shape[-1]).numpy()
        blocks = [self._odds(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
        odds = np.concatenate([np.empty(0), *blocks])
        return torch.from_numpy(odds.astype(np.float32)).reshape(features.shape[:-1])

    def _odds(self, rows: np.ndarray) -> np.ndarray:
        """The log odds of rows (n, F), few enough to stay in the processor's cache: float64 (n,)."""
        values, begins = rows.ravel(), np.arange(len(rows)) * rows.shape[1]
        odds = np.full(len(rows), self.base[0])
        for root in self.roots:
            node = np.full(len(rows), root)
            for _ in range(int(self.depth[0])):
                goes_left = values.take(begins + self.feature.take(node)) <= self.threshold.take(node)
                node = np.where(goes_left, self.left.take(node), self.right.take(node))
            odds += self.value.take(node)
        return odds


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
