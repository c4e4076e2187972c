"""The rankers that compete: trees as scikit-learn grew them, counts of what counters read, means of log odds."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from findcli.models.ranker.candidates import COUNTED, Count, Kept, Ranker
from findcli.models.ranker.features import FEATURES
from findcli.models.ranker.trees import Trees
from findcli.training.loop import fit
from findcli.training.losses import ranking_loss


def examples(n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, len(FEATURES))).astype(np.float32)
    odds = 2 * features[:, FEATURES.index("level")] * (features[:, FEATURES.index("alike")] > 0)
    return features, rng.random(n) < 1 / (1 + np.exp(-odds))


def test_a_count_reads_what_counters_read_and_nothing_else() -> None:
    features, true = examples()
    count = Count.learn(features, true)
    others = [i for i, name in enumerate(FEATURES) if name not in COUNTED]
    changed = features.copy()
    changed[:, others] = 100
    assert torch.equal(count(torch.from_numpy(features)), count(torch.from_numpy(changed)))
    assert count.weights[FEATURES.index("level")] > 0


def test_a_mean_is_of_log_odds() -> None:
    features, true = examples()
    count, trees = Count.learn(features, true), Trees.learn(features, true, rounds=60, seed=0)
    rows = torch.from_numpy(features)
    assert torch.allclose(Kept("both", [count, trees])(rows), (count(rows) + trees(rows)) / 2)


def test_it_learns_a_rule_that_is_not_linear() -> None:
    torch.manual_seed(0)
    features = torch.randn(256, 4, 3)
    true = features[..., 0] * features[..., 1] > 0
    ranker = Ranker(features=3, width=32)
    ranker.set_scale(features.flatten(0, 1))

    def loss(_: int) -> dict[str, torch.Tensor]:
        odds = ranker(features)
        return {
            "ranking": ranking_loss(odds, true),
            "truth": functional.binary_cross_entropy_with_logits(odds, true.float()),
        }

    fit(loss, {"ranker": ranker}, steps=200, lr=1e-2, weight_decay=0.0, warmup=0.05, clip=1.0, seed=0)
    assert ((ranker(features) > 0) == true).float().mean() > 0.9


def test_the_scale_of_a_feature_does_not_matter() -> None:
    features = torch.randn(64, 2, 3)
    stretched = features * torch.tensor([1.0, 100.0, 0.1]) + 5
    found = []
    for examples in (features, stretched):
        torch.manual_seed(0)
        ranker = Ranker(features=3, width=8)
        ranker.set_scale(examples.flatten(0, 1))
        found.append(ranker(examples))
    assert torch.allclose(found[0], found[1], atol=0.05)
    assert found[0].shape == (64, 2)
