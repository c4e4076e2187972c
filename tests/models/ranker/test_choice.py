"""The choice among candidates on validation users."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit

from findcli.models.ranker.candidates import COUNTS, NETWORK, START, TREES
from findcli.models.ranker.choice import AUTO, Trial, choose
from findcli.models.ranker.queries import LEVEL, THING
from findcli.models.ranker.trees import Trees


class Reads(torch.nn.Module):
    """A candidate that reads one feature."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features[..., self.column]


def trial() -> Trial:
    """The first feature tells the truth, the second nothing."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 20, 2)).astype(np.float32)
    true = rng.random((400, 20)) < expit(2 * features[..., 0] - 1)
    return Trial(torch.from_numpy(features), true, np.array([THING] * 10 + [LEVEL] * 10))


def candidates(**columns: int) -> dict[str, torch.nn.Module | Trees]:
    return {name: Reads(column) for name, column in columns.items()}


def test_the_best_on_validation_users_is_kept() -> None:
    parts = candidates(**{NETWORK: 1, TREES: 0, COUNTS: 1})
    report = choose(parts, trial(), wanted=AUTO, taught=9000)
    assert report["kept"] == TREES
    assert report["auc"][TREES] > 0.8 > 0.6 > report["auc"][COUNTS]
    assert set(report["by_kind"][TREES]) == {THING, LEVEL}


def test_who_is_wanted_is_kept_whatever_is_measured() -> None:
    parts = candidates(**{NETWORK: 1, TREES: 0, COUNTS: 1})
    assert choose(parts, trial(), wanted=COUNTS, taught=9000)["kept"] == COUNTS
    assert choose(parts, trial(), wanted="network and trees", taught=9000)["kept"] == "network and trees"


def test_few_users_cannot_tell_candidates_apart_and_the_mean_of_all_is_kept() -> None:
    few = Trial(trial().features[:24], trial().true[:24], trial().kinds)
    noise = few.features[..., 0] + 0.1 * few.features[..., 1]
    alike = Trial(torch.stack([few.features[..., 0], noise], -1), few.true, few.kinds)
    parts = candidates(**{NETWORK: 0, TREES: 1, COUNTS: 0, START: 1})
    assert choose(parts, alike, wanted=AUTO, taught=9000)["kept"] == "all four"


def test_what_few_users_taught_of_few_lessons_is_not_trusted_unless_it_is_surely_better() -> None:
    few = Trial(trial().features[:24], trial().true[:24], trial().kinds)
    noise = few.features[..., 0] + 0.1 * few.features[..., 1]
    alike = Trial(torch.stack([few.features[..., 0], noise], -1), few.true, few.kinds)
    parts = candidates(**{NETWORK: 0, TREES: 1, COUNTS: 0, START: 1})
    assert choose(parts, alike, wanted=AUTO, taught=100)["kept"] == "counts and start"
    del parts[START]
    assert choose(parts, alike, wanted=AUTO, taught=100)["kept"] == COUNTS
    better = candidates(**{NETWORK: 0, TREES: 1, COUNTS: 1, START: 1})
    assert choose(better, trial(), wanted=AUTO, taught=100)["kept"] == NETWORK


def test_where_nothing_can_be_ranked_the_mean_of_all_is_kept() -> None:
    blank = Trial(trial().features[:3], np.zeros((3, 20), bool), trial().kinds)
    assert choose(candidates(**{NETWORK: 1, TREES: 0}), blank, wanted=AUTO, taught=9000)["kept"] == "network and trees"
