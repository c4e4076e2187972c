"""LightGBM's lambdarank over the union of what the other baselines rank best, from their scores and ranks.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.stats import rankdata

from findcli.errors import FindCLIError
from findcli.evaluation.next_event.baselines.teaching import TUNED_ON, Scorer, Teaching
from findcli.evaluation.next_event.questions import Questions

BEST = 50
OPTIONS = {
    "objective": "lambdarank", "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 50, "verbosity": -1,
    "deterministic": True, "num_threads": 1, "lambdarank_truncation_level": 20,
}  # fmt: skip
ROUNDS = 150


class Boosted:
    """Ranks the candidates of other baselines.

    Args:
        others: the baselines.
        model: a LightGBM booster.
    """

    name = "LightGBM lambdarank"

    def __init__(self, others: Sequence[Scorer], model: Any) -> None:
        self.others, self.model = others, model

    @classmethod
    def fit(cls, teaching: Teaching, others: Sequence[Scorer]) -> Self:
        """Learn to rank on the tuning questions, whose users taught none of the others.

        Raises:
            FindCLIError: LightGBM is not installed.
        """
        try:
            import lightgbm
        except ImportError as error:
            hint = "install it with: pip install 'findcli[benchmark]', or leave it out"
            raise FindCLIError("the baseline lambdarank needs the package lightgbm", hint=hint) from error
        step = max(1, len(teaching.tuning) // TUNED_ON)
        asked = teaching.tuning.rows(np.arange(len(teaching.tuning))[::step])
        rows, labels, sizes = [], [], []
        for part in asked.chunks(128):
            question, token, features = candidates(others, part)
            wanted = set(zip(part.question.tolist(), part.token.tolist(), strict=True))
            rows.append(features)
            labels.append(np.array([pair in wanted for pair in zip(question.tolist(), token.tolist(), strict=True)]))
            sizes.append(np.bincount(question, minlength=len(part)))
        data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels).astype(int), group=np.concatenate(sizes))
        return cls(others, lightgbm.train(OPTIONS | {"seed": teaching.seed}, data, num_boost_round=ROUNDS))

    def scores(self, asked: Questions) -> np.ndarray:
        """The booster's scores of candidates; all others follow, in the order of the first baseline."""
        scores = []
        for part in asked.chunks(128):
            question, token, features = candidates(self.others, part)
            rest = self.others[0].scores(part)
            made = -1e6 - rankdata(-rest, axis=1)
            made[question, token] = self.model.predict(features)
            scores.append(made)
        return np.concatenate(scores)


def candidates(others: Sequence[Scorer], asked: Questions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best tokens of each baseline: question and token of each, and the scores and log ranks by all, (C, 2 n)."""
    scored = [other.scores(asked) for other in others]
    chosen = np.zeros(scored[0].shape, bool)
    columns = []
    for scores in scored:
        ranked = rankdata(-scores, axis=1)
        chosen |= ranked <= BEST
        columns += [scores, np.log(ranked)]
    question, token = np.nonzero(chosen)
    return question, token, np.stack([column[question, token] for column in columns], 1)
