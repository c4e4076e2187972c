"""What baselines learn from: training users' histories, and questions to tune on.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from scipy import sparse

from findcli.evaluation.next_event.questions import Questions
from findcli.evaluation.next_event.ranks import best_ranks, figure_values
from findcli.models.next_event.tokens import Vocabulary
from findcli.models.next_event.train import Lessons
from findcli.progress import Progress
from findcli.training.token_histories import TokenHistories
from findcli.workspace.next_event_settings import NextEvent

Choice = TypeVar("Choice")
TUNED_ON = 1000


class Scorer(Protocol):
    """Something that scores every token as the next one."""

    name: str

    def scores(self, asked: Questions) -> np.ndarray:
        """Scores of every token, higher is likelier, (Q, V)."""


@dataclass(frozen=True)
class Teaching:
    """What a baseline may learn from; nothing in it is of held-out users or from the questions' time on.

    Attributes:
        lessons: the histories that train, with the users' rows.
        tuning: questions about other users than those that train, or about later times, for choices.
        vocabulary: the tokens.
        settings: of the next-event encoder, for baselines that are a form of it.
        cardinalities: codes of each profile column.
        ordered_alone: whether times are only an order.
        seed: of what is drawn.
        device: where torch computes.
        progress: told of long trainings.
    """

    lessons: Lessons
    tuning: Questions
    vocabulary: Vocabulary
    settings: NextEvent
    cardinalities: tuple[int, ...]
    ordered_alone: bool
    seed: int
    device: str
    progress: Progress | None = None

    @property
    def histories(self) -> TokenHistories:
        """The training histories."""
        return self.lessons.histories

    @property
    def tokens(self) -> int:
        """V."""
        return self.histories.tokens

    @cached_property
    def learned_from(self) -> np.ndarray:
        """Which events of the histories are of users that train, bool (E,)."""
        return np.isin(self.histories.user, self.lessons.users)

    @cached_property
    def instants(self) -> sparse.csr_array:
        """Which tokens are at each instant of users that train, (I, V), 0 or 1; rows of others are empty."""
        histories = self.histories
        known = self.learned_from & (histories.token >= 0)
        n = int(histories.instant[-1]) + 1 if len(histories.instant) else 0
        pairs = (histories.instant[known], histories.token[known])
        made = sparse.csr_array((np.ones(int(known.sum())), pairs), shape=(n, self.tokens))
        made.data[:] = 1
        return made

    @cached_property
    def popularity(self) -> np.ndarray:
        """The share of each token among training events, (V,), each at least a little."""
        counts = np.asarray(self.instants.sum(0)).ravel() + 0.1
        shares: np.ndarray = counts / counts.sum()
        return shares

    def best(self, choices: Iterable[Choice], scores: Callable[[Choice, Questions], np.ndarray]) -> Choice:
        """The choice of the highest NDCG@10 on the tuning questions; the first of equals."""
        asked = self.tuning.rows(np.arange(len(self.tuning))[:: max(1, len(self.tuning) // TUNED_ON)])
        parts, figures = list(asked.chunks()), []
        for choice in choices:
            ranked = np.concatenate([best_ranks(scores(choice, part), part) for part in parts])
            figures.append((float(np.nanmean(figure_values(ranked)["NDCG@10"])), choice))
        return max(figures, key=lambda pair: pair[0])[1]


def normalised(counts: sparse.csr_array) -> sparse.csr_array:
    """Each row divided by its sum; empty rows stay empty."""
    sums = np.asarray(counts.sum(1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / np.maximum(sums, 1e-12)) @ counts)
