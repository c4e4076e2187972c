"""Which candidate ranks a workspace's validation users best.

Legend: N validation users, Q lessons, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from findcli.metrics import bootstrap_weights, weighted_auc_ks
from findcli.models.ranker.candidates import CAUTIOUS, COUNTS, MEANS, parts_of
from findcli.models.ranker.lessons import DRAWN
from findcli.models.ranker.trees import Trees

AUTO = "auto"
FEW_TAUGHT = 1000  # pairs of a user and a lesson; so few teach a network and trees little more than noise
FEWEST = 5  # users of whom a lesson must be true, and of whom it must not, to be ranked by
REPLICATES = 100
SURE = 2.0  # standard errors


@dataclass(frozen=True)
class Trial:
    """What candidates are compared on.

    Attributes:
        features: of validation users and lessons, (N, Q, F).
        true: whether they came true, bool (N, Q).
        kinds: the kind of each lesson, (Q,).
    """

    MOST: ClassVar[int] = 250  # lessons of a kind
    features: Tensor
    true: np.ndarray
    kinds: np.ndarray

    def auc(self, odds: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The mean AUC of the lessons of each kind, of those with enough truths either way.

        Args:
            odds: (N, Q).
            weights: of the users: ones, then those of each resampling, (1 + R, N).

        Returns:
            By kind, as observed and under every resampling, (1 + R,).
        """
        counts, users = self.true.sum(0), len(self.true)
        ranked = np.flatnonzero((counts >= FEWEST) & (counts <= users - FEWEST))
        aucs = {int(i): weighted_auc_ks(odds[:, i], self.true[:, i], weights)[0] for i in ranked}
        by_kind = {kind: [aucs[int(i)] for i in ranked if self.kinds[i] == kind] for kind in DRAWN}
        return {kind: np.mean(np.nan_to_num(values, nan=0.5), 0) for kind, values in by_kind.items() if values}


def choose(parts: Mapping[str, nn.Module | Trees], trial: Trial, *, wanted: str, taught: int) -> dict[str, Any]:
    """Choose the candidate that ranks best, kinds of lessons weighted as they are drawn.

    The mean of all candidates is kept unless another ranks better by more than two standard errors over validation
    users: few of them cannot tell candidates apart, and then a mean is the safest. Where few users taught few
    lessons, the mean is that of the count and the start, or the count alone.

    Args:
        parts: the trained candidates by name.
        trial: what they are compared on.
        wanted: the name of a candidate to keep whatever is measured, or "auto".
        taught: how many users taught the candidates, times how many lessons.

    Returns:
        `kept`, the name of a candidate, `auc`, the mean of each, and `by_kind`, the same for each kind of lesson.
    """
    with torch.no_grad():
        each = {name: part(trial.features) for name, part in parts.items()}
    names = [*parts, *(name for name, of in MEANS.items() if set(of) <= set(parts))]
    odds = {name: torch.stack([each[part] for part in parts_of(name)]).mean(0).numpy() for name in names}
    weights = bootstrap_weights(len(trial.true), REPLICATES)
    by_kind = {name: trial.auc(odds[name], weights) for name in names}
    means = {
        name: np.average(list(aucs.values()), axis=0, weights=[DRAWN[kind] for kind in aucs])
        for name, aucs in by_kind.items()
        if aucs
    }
    cautious = [name for name in (CAUTIOUS, COUNTS) if name in odds]
    fallback = cautious[0] if taught < FEW_TAUGHT and cautious else names[-1]
    kept = wanted if wanted in odds else _surely_best(means, fallback=fallback)
    observed = {name: {kind: float(auc[0]) for kind, auc in aucs.items()} for name, aucs in by_kind.items()}
    return {"kept": kept, "auc": {name: float(each[0]) for name, each in means.items()}, "by_kind": observed}


def _surely_best(means: Mapping[str, np.ndarray], *, fallback: str) -> str:
    """The best candidate if it is better than the fallback by more than two standard errors, else the fallback.

    Args:
        means: the AUC of each candidate as observed and under every resampling, (1 + R,).
        fallback: the candidate that is kept in doubt.
    """
    if not means:
        return fallback
    best = max(means, key=lambda name: float(means[name][0]))
    ahead = means[best] - means[fallback]
    return best if ahead[0] > SURE * ahead[1:].std() else fallback
