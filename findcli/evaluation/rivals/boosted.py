"""One gradient-boosted model for all categories (LightGBM): own counts, low-rank scores and the category's base rate.

It learns at earlier cutoffs, from training users and seen categories alone; each outcome window ends by the test date.
The settings were chosen on the tuning splits of Complete Journey: many trees at a low learning rate with large leaves,
more low-rank scores, and all cutoffs, of which there were four.

Tested in tests/evaluation/rivals/test_rankers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.low_rank import als_scores, log_counts, svd_scores
from findcli.evaluation.rivals.ranking_inputs import (
    WEEK,
    RankingInputs,
    activity,
    bought_in,
    decayed_counts,
    random_seed,
    window,
)

AGING = 0.9  # trees see the order of ages alone, so any decay says the same


@dataclass(frozen=True, kw_only=True)
class Boosted:
    """One model, pooled over categories and earlier windows.

    Args:
        decays: weekly decays of the category's counts; 1 counts purchases.
        recent: lengths in weeks of the windows of further plain counts.
        activity_decays: weekly decays of the user's activity.
        svd: rank and weekly decay of each low-rank score by SVD.
        als: rank, weekly decay and penalty of each low-rank score by alternating least squares.
        cutoffs: number of earlier windows, at most.
        rounds: number of trees.
        leaves: leaves of a tree.
        lr: learning rate.
        samples: minimum number of examples in a leaf.
        columns: share of the features that each tree is offered.
        least: minimum share of training users who bought a category, for it to be learned from.
    """

    decays: tuple[float, ...] = (0.5, 0.8, 0.9, 0.97, 1.0)
    recent: tuple[int, ...] = (4, 9)
    activity_decays: tuple[float, ...] = (0.8, 0.9, 1.0)
    svd: tuple[tuple[int, float], ...] = ((4, 0.97), (8, 1.0), (16, 0.97), (24, 0.97))
    als: tuple[tuple[int, float, float], ...] = ((8, 0.97, 1.0), (16, 0.97, 15.0), (32, 0.97, 10.0))
    cutoffs: int = 6
    rounds: int = 250
    leaves: int = 15
    lr: float = 0.03
    samples: int = 1000
    columns: float = 0.5
    least: float = 0.01
    name = "boosted"
    version = 2

    def scores(self, inputs: RankingInputs) -> np.ndarray:
        """Log odds, float32 (U, C).

        Raises:
            FindCLIError: the packages `lightgbm` and `implicit` are not both installed, or no earlier window fits.
        """
        lightgbm = _lightgbm()
        features, labels = self._examples(inputs)
        model = lightgbm.LGBMClassifier(
            n_estimators=self.rounds, num_leaves=self.leaves, learning_rate=self.lr, min_child_samples=self.samples,
            subsample=0.8, subsample_freq=1, colsample_bytree=self.columns, n_jobs=1, verbose=-1, deterministic=True,
            random_state=random_seed(inputs.seed, self.name) % 2**31, force_col_wise=True,
        )  # fmt: skip
        model.fit(features, labels, callbacks=[lambda _: inputs.keep_time()])
        table = self._features(inputs, inputs.users, list(inputs.categories), inputs.test_date)
        odds = model.booster_.predict(table.reshape(-1, table.shape[2]), raw_score=True)
        return np.asarray(odds, np.float32).reshape(table.shape[:2])

    def _examples(self, inputs: RankingInputs) -> tuple[np.ndarray, np.ndarray]:
        """Features (E, F) and labels (E,) of training users and seen categories at every earlier cutoff."""
        features, labels = [], []
        for cutoff in self._cutoffs(inputs):
            before = inputs.purchases.filter(pl.col("time") < cutoff)
            outcome = window(inputs.purchases, start=cutoff, end=cutoff + inputs.future)
            users = inputs.training_users.filter(inputs.training_users.is_in(before["user_id"].unique().implode()))
            learned = sorted(inputs.all_seen & set(before["category"].unique()))
            bought = bought_in(outcome, users, learned)  # (N, K)
            usual = bought.mean(0) >= self.least
            learned = [name for name, kept in zip(learned, usual, strict=True) if kept]
            if not learned:
                continue
            table = self._features(inputs, users, learned, cutoff)
            features.append(table.reshape(-1, table.shape[2]))
            labels.append(bought[:, usual].ravel())
            inputs.keep_time()
        if not features:
            raise FindCLIError(
                "the rival boosted finds no earlier window to learn from",
                hint="shorten future in [windows], or leave it out of --rivals",
            )
        return np.concatenate(features), np.concatenate(labels)

    def _cutoffs(self, inputs: RankingInputs) -> list[datetime]:
        """The cutoffs: `future` before the test date, and every `every` before that, while half a history precedes."""
        first = inputs.purchases.select(pl.col("time").min()).item()
        last = inputs.test_date - inputs.future
        cutoffs = [last - i * inputs.every for i in range(self.cutoffs)]
        return [cutoff for cutoff in cutoffs if first is not None and cutoff - first >= inputs.history / 2]

    def _features(self, inputs: RankingInputs, users: pl.Series, categories: list[str], at: datetime) -> np.ndarray:
        """The features of users and categories at an instant: float32 (N, C, F)."""
        history = window(inputs.purchases, start=at - inputs.history, end=at)
        of_pairs = self._own(history, users, categories, at)
        active = [activity(history, users, at=at, decay=decay) for decay in self.activity_decays]
        lately = window(history, start=at - inputs.future, end=at)
        base = bought_in(lately, inputs.training_users, categories).mean(0)  # (C,)
        shape = (len(users), len(categories))
        wide = [np.broadcast_to(column[:, None], shape) for column in active]
        low_rank = self._low_rank(inputs, history, users, categories, at)
        return np.stack([*of_pairs, *wide, *low_rank, np.broadcast_to(base, shape)], axis=2).astype(np.float32)

    def _own(self, history: pl.DataFrame, users: pl.Series, categories: list[str], at: datetime) -> list[np.ndarray]:
        """Counts, days with a purchase, and ages of the first and the latest purchase, each (N, C)."""
        ends = history.group_by("user_id", "category").agg(pl.col("time").min().alias("first"), pl.col("time").max())
        days = history.with_columns(pl.col("time").dt.truncate("1d")).unique(["user_id", "category", "time"])
        count = partial(decayed_counts, users=users, categories=categories, at=at)
        latest = [window(history, start=at - weeks * WEEK, end=at) for weeks in self.recent]
        return [
            *(count(history, decay=decay) for decay in self.decays),
            *(count(rows, decay=1.0) for rows in (*latest, days)),
            *(count(rows, decay=AGING) for rows in (ends, ends.with_columns(time="first"))),
        ]

    def _low_rank(
        self, inputs: RankingInputs, history: pl.DataFrame, users: pl.Series, categories: list[str], at: datetime
    ) -> list[np.ndarray]:
        """Low-rank scores from factors of the training users' histories, each (N, C)."""
        seed = random_seed(inputs.seed, self.name)
        count = partial(log_counts, history, inputs.training_users, users, categories, at=at)
        scores = [svd_scores(count(decay=decay), rank=rank, seed=seed) for rank, decay in self.svd]
        for rank, decay, penalty in self.als:
            counts = count(decay=decay)
            scores.append(als_scores(counts, rank=rank, confidence=2.0, penalty=penalty, sweeps=10, seed=seed)[0])
            inputs.keep_time()
        return scores


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise FindCLIError(
            "the rival boosted needs the package lightgbm", hint='pip install "findcli[benchmark]"'
        ) from error
    return lightgbm
