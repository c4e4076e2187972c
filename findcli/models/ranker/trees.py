"""Gradient-boosted trees as arrays: grown by scikit-learn, stored as tensors, and read by the leaves that remain.

Which leaf of a tree a row falls into is found without walking the tree (QuickScorer, Lucchese et al. 2015): every split
that sends the row right rules out the leaves on its left, and of those that remain the leftmost is the one. All splits
on a feature are looked up at once, for every tree, by where the row's value lies among their thresholds.

Legend: N rows, F features, T trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

LEAVES, DEPTH, RATE, SMALLEST_LEAF, SHARE = 15, 5, 0.06, 100, 0.5
BITS = 16  # leaves of a tree, at most
BLOCK = 2048  # rows whose remaining leaves stay in the processor's cache
_SETS = np.arange(1 << BITS, dtype=np.int64)
LOWEST = np.log2(np.maximum(_SETS & -_SETS, 1)).astype(np.uint8)  # the lowest member of every set of leaves


@dataclass(frozen=True)
class Splits:
    """The splits of all trees, for looking leaves up.

    Attributes:
        features: those that are split on, ascending.
        thresholds: of each, ascending, float64 (K,).
        remaining: of each, the leaves of every tree that remain of a row whose value exceeds the first 0 to K
            thresholds, as sets of bits: uint16 (K + 1, T).
        values: what each leaf adds to the log odds, float64 (T, 16).
    """

    features: list[int]
    thresholds: list[np.ndarray]
    remaining: list[np.ndarray]
    values: np.ndarray


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees as arrays, each (n_nodes,) over all trees; a leaf is its own child.

    Attributes:
        roots: the first node of each tree, int (T,).
        feature: the feature that a node splits on, int.
        threshold: values up to it go left, float64.
        left: the left child, int.
        right: the right child, int.
        value: what a leaf adds to the log odds, float64.
        base: log odds before any tree, (1,).
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    base: np.ndarray

    @classmethod
    def learn(cls, examples: np.ndarray, true: np.ndarray, *, rounds: int, seed: int) -> Trees:
        """Fit scikit-learn's histogram gradient boosting.

        Args:
            examples: features, (N, F).
            true: whether they came true, bool (N,).
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
        )  # fmt: skip

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `from_tensors`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Trees:
        """The inverse of `tensors`."""
        return cls(**{field.name: tensors[field.name] for field in fields(cls)})

    @cached_property
    def splits(self) -> Splits:
        """The splits by feature and threshold.

        Raises:
            ValueError: a tree has more leaves than fit into a set.
        """
        values = np.zeros((len(self.roots), BITS))
        rules = [rule for tree in range(len(self.roots)) for rule in self._rules(tree, values)]
        of = {feature: sorted(rule for rule in rules if rule[0] == feature) for feature in {rule[0] for rule in rules}}
        features, thresholds, remaining = sorted(of), [], []
        for feature in features:
            distinct, places = np.unique([threshold for _, threshold, _, _ in of[feature]], return_inverse=True)
            sets = np.full((len(distinct) + 1, len(self.roots)), (1 << BITS) - 1, np.uint16)
            for place, (_, _, tree, kept) in zip(places, of[feature], strict=True):
                sets[place + 1, tree] &= np.uint16(kept)
            thresholds.append(distinct)
            remaining.append(np.bitwise_and.accumulate(sets, 0))
        return Splits(features, thresholds, remaining, values)

    def _rules(self, tree: int, values: np.ndarray) -> list[tuple[int, float, int, int]]:
        """Feature, threshold, tree and the leaves that remain to the right, of each split; fills the leaves' values."""
        rules, leaves = [], 0

        def under(node: int) -> int:
            """The set of leaves under a node, which are numbered from the left."""
            nonlocal leaves
            if self.left[node] == node:
                if leaves == BITS:
                    raise ValueError(f"a tree has more than {BITS} leaves")
                values[tree, leaves] = self.value[node]
                leaves += 1
                return 1 << (leaves - 1)
            left = under(int(self.left[node]))
            rules.append((int(self.feature[node]), float(self.threshold[node]), tree, (1 << BITS) - 1 - left))
            return left | under(int(self.right[node]))

        under(int(self.roots[tree]))
        return rules

    def __call__(self, features: Tensor) -> Tensor:
        """The log odds: (..., F) -> (...)."""
        rows = features.reshape(-1, features.shape[-1]).numpy()
        blocks = [self._odds(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
        odds = np.concatenate([np.empty(0), *blocks])
        return torch.from_numpy(odds.astype(np.float32)).reshape(features.shape[:-1])

    def _odds(self, rows: np.ndarray) -> np.ndarray:
        """The log odds of rows, (N, F) -> float64 (N,)."""
        splits = self.splits
        left = np.full((len(rows), len(self.roots)), (1 << BITS) - 1, np.uint16)  # (N, T), the leaves that remain
        for feature, thresholds, remaining in zip(splits.features, splits.thresholds, splits.remaining, strict=True):
            exceeded = np.searchsorted(thresholds, rows[:, feature].astype(np.float64))  # a value on one goes left
            left &= remaining.take(exceeded, 0)
        places = LOWEST.take(left) + BITS * np.arange(len(self.roots))
        odds: np.ndarray = self.base[0] + splits.values.ravel().take(places).sum(1)
        return odds
