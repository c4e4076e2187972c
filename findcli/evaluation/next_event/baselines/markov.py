"""Markov: what follows the tokens of the last instant, alone and with a user's own counts.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from itertools import product
from typing import Self

import numpy as np
from scipy import sparse

from findcli.evaluation.next_event.baselines.own import DECAYS
from findcli.evaluation.next_event.baselines.teaching import Teaching, normalised
from findcli.evaluation.next_event.questions import Questions

BACK_OFF = (1.0, 10.0, 100.0)
WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)


def transitions(teaching: Teaching) -> sparse.csr_array:
    """How often token b was in the instant after one with token a; an instant weighs 1 in all. (V, V)."""
    histories = teaching.histories
    ends = np.flatnonzero(histories.is_last & teaching.learned_from & (histories.next_end > histories.next_start))
    before, after = histories.instant[ends], histories.instant[histories.next_start[ends]]
    return sparse.csr_array(normalised(teaching.instants[before]).T @ teaching.instants[after])


class Markov:
    """The mean over the last instant's tokens of what follows each, backed off to popularity.

    Args:
        counts: of transitions, (V, V).
        popularity: (V,).
        back_off: the weight of popularity, in transitions.
    """

    name = "Markov"

    def __init__(self, counts: sparse.csr_array, popularity: np.ndarray, back_off: float) -> None:
        self.counts, self.popularity, self.back_off = counts, popularity, back_off
        self.totals = np.asarray(counts.sum(1)).ravel() + back_off
        self.following = sparse.csr_array(sparse.diags_array(1 / self.totals) @ counts)

    @classmethod
    def fit(cls, teaching: Teaching) -> Self:
        """Count transitions; the back-off is tuned."""
        counts = transitions(teaching)
        made = {weight: cls(counts, teaching.popularity, weight) for weight in BACK_OFF}
        return made[teaching.best(BACK_OFF, lambda weight, asked: made[weight].scores(asked))]

    def scores(self, asked: Questions) -> np.ndarray:
        """Probabilities of the next token."""
        last = normalised(asked.own(last_only=True))
        rest = np.asarray(last @ (self.back_off / self.totals)).ravel()
        rest[np.asarray(last.sum(1)).ravel() == 0] = 1
        odds: np.ndarray = (last @ self.following).toarray() + rest[:, None] * self.popularity
        return odds


class MarkovAndOwn:
    """Markov's odds plus two weighted shares of a user's own tokens: fading, and all alike.

    Args:
        markov: the transitions.
        decay: of the fading share.
        weights: of the fading share and of the plain one.
    """

    name = "Markov + own counts"

    def __init__(self, markov: Markov, decay: float, weights: tuple[float, float]) -> None:
        self.markov, self.decay, self.weights = markov, decay, weights

    @classmethod
    def fit(cls, teaching: Teaching) -> Self:
        """Tune the fading, then both weights."""
        markov = Markov.fit(teaching)
        decay = teaching.best(DECAYS, lambda decay, asked: cls(markov, decay, (1.0, 0.0)).scores(asked))
        pairs = list(product(WEIGHTS, WEIGHTS))
        weights = teaching.best(pairs, lambda pair, asked: cls(markov, decay, pair).scores(asked))
        return cls(markov, decay, weights)

    def scores(self, asked: Questions) -> np.ndarray:
        """Markov's odds and the weighted shares."""
        fading, plain = normalised(asked.own(decay=self.decay)), normalised(asked.own())
        mixed: np.ndarray = (self.weights[0] * fading + self.weights[1] * plain).toarray() + self.markov.scores(asked)
        return mixed
