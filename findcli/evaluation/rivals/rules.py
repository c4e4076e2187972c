"""A rule for each demand, in the manner of ARALLM: which categories it means, and who bought one of them.

NOTE[paper]: there a language model writes the rule; here the demand is matched to category names by their vectors.

The settings were chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, decayed_counts, window, with_ties_by


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Select the users whose history holds one of the categories that a demand means.

    Args:
        most: categories of a rule at most.
        near: the share of the best category's cosine that another must reach.
        decay: what a purchase keeps of its worth a week in what breaks ties.
    """

    most: int = 3
    near: float = 0.95
    decay: float = 0.9
    name = "rules"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Ranks, float32 (U, C): of whom the rule holds, by the purchases that satisfy it; ties by activity."""
        encode = inputs.require_encoder()
        at = inputs.test_date
        history = window(inputs.purchases, start=at - inputs.history, end=at)
        names = history["category"].unique().sort().to_list()
        sentences = encode([f"The user purchased {name.lower()}." for name in names])  # (K, D)
        similar = encode(list(inputs.demands)) @ sentences.T  # (C, K)
        rules = self._rules(similar)
        counts = decayed_counts(history, inputs.users, names, at=at, decay=1.0)  # (U, K)
        active = activity(history, inputs.users, at=at, decay=self.decay)
        return with_ties_by(counts @ rules.T.astype(np.float32), active)

    def _rules(self, similar: np.ndarray) -> np.ndarray:
        """Which categories each demand means: bool (C, K)."""
        best = np.sort(similar, axis=1)[:, ::-1]  # (C, K)
        least = np.maximum(self.near * best[:, :1], best[:, [min(self.most, best.shape[1]) - 1]])
        rules: np.ndarray = similar >= least
        return rules
