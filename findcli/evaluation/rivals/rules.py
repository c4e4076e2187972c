"""A rule per demand, in the manner of ARALLM: the categories that it means, and who bought one of them.

NOTE[paper]: there a language model writes the rule; here the demand is matched to category names by text similarity.

The settings were chosen on the tuning splits of Complete Journey.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findcli.evaluation.rivals.ranking_inputs import RankingInputs, activity, decayed_counts, window, with_ties_by


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Select the users whose history has one of the categories that a demand means.

    Args:
        most: number of categories of a rule, at most.
        near: minimum cosine of a further category, as a share of the best category's.
        decay: weekly decay of a purchase's weight in the activity that breaks ties.
    """

    most: int = 3
    near: float = 0.95
    decay: float = 0.9
    name = "rules"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Ranks by the number of purchases that satisfy the rule, with ties broken by activity: float32 (U, C)."""
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
