"""What is asked: users' histories before an instant, and the set of tokens at the first instant after.

Legend: Q questions, M true tokens of all questions, V tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from findcli.training.token_histories import TokenHistories

CHUNK = 512


@dataclass(frozen=True)
class Questions:
    """Q questions.

    Attributes:
        histories: where the events are.
        windows: first and end index of each history, of at least one event, int64 (Q, 2).
        question: of each true token, ascending, int64 (M,).
        token: the token, -1 where it is not in the vocabulary, int64 (M,).
    """

    histories: TokenHistories
    windows: np.ndarray
    question: np.ndarray
    token: np.ndarray

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def users(self) -> np.ndarray:
        """The user of each question, int64 (Q,)."""
        owners: np.ndarray = self.histories.user[self.windows[:, 0]]
        return owners

    @classmethod
    def after(cls, histories: TokenHistories, windows: np.ndarray) -> Questions:
        """Ask what comes at the next instant after each window; windows after which nothing comes are left out."""
        windows = windows[windows[:, 1] > windows[:, 0]]
        last = windows[:, 1] - 1
        windows = windows[histories.next_end[last] > histories.next_start[last]]
        question, token = histories.after(windows[:, 1] - 1)
        return cls(histories, windows, question, token)

    def rows(self, chosen: np.ndarray) -> Questions:
        """Some of the questions, by row, ascending."""
        place = np.full(len(self), -1)
        place[chosen] = np.arange(len(chosen))
        kept = place[self.question] >= 0
        return Questions(self.histories, self.windows[chosen], place[self.question[kept]], self.token[kept])

    def chunks(self, size: int = CHUNK) -> Iterator[Questions]:
        """All questions, some at a time."""
        for start in range(0, len(self), size):
            yield self.rows(np.arange(start, min(start + size, len(self))))

    @cached_property
    def events(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every known event of the histories: its question, its token, and how many instants ago, 0 the last."""
        counts = self.windows[:, 1] - self.windows[:, 0]
        question = np.repeat(np.arange(len(self)), counts)
        inner = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        index = np.repeat(self.windows[:, 0], counts) + inner
        ago = self.histories.instant[self.windows[:, 1] - 1][question] - self.histories.instant[index]
        token = self.histories.token[index]
        known = token >= 0
        return question[known], token[known], ago[known]

    def own(self, *, decay: float = 1.0, last_only: bool = False) -> sparse.csr_array:
        """How often each token is in each history, (Q, V), sparse.

        Args:
            decay: what an event counts for each instant it is older than the last.
            last_only: count the last instant alone.
        """
        question, token, ago = self.events
        if last_only:
            question, token, ago = question[ago == 0], token[ago == 0], ago[ago == 0]
        shape = (len(self), self.histories.tokens)
        return sparse.csr_array((decay ** ago.astype(float), (question, token)), shape=shape)

    @cached_property
    def met(self) -> np.ndarray:
        """Whether each true token is in its history, bool (M,)."""
        question, token, _ = self.events
        width = self.histories.tokens + 1
        return np.isin(self.question * width + self.token + 1, question * width + token + 1)


def first_after(histories: TokenHistories, instant: int, longest: int, users: np.ndarray | None = None) -> Questions:
    """One question a user: the last events before an instant, and the set at the first instant from then on.

    Args:
        histories: with events before and after.
        instant: in seconds.
        longest: events of a history, the last ones.
        users: rows; all when None.
    """
    windows = histories.last_before(np.full(histories.users, instant), longest)
    return Questions.after(histories, windows if users is None else windows[users])


def every_instant(histories: TokenHistories, start: int, end: int, longest: int) -> Questions:
    """A question for every instant in [start, end): all events before it, and the set at it; users need a history."""
    first = np.ones(len(histories.user), bool)
    first[1:] = histories.instant[1:] != histories.instant[:-1]
    asked = first & (histories.seconds >= start) & (histories.seconds < end)
    stops = np.flatnonzero(asked)
    starts = np.maximum(histories.bounds[histories.user[stops]], stops - longest)
    return Questions.after(histories, np.stack([starts, stops], 1))


def last_instants(histories: TokenHistories, users: np.ndarray, longest: int, *, most: int) -> Questions:
    """The last few instants of users' histories as questions, to tune on."""
    windows = []
    for user in users:
        first, end = int(histories.bounds[user]), int(histories.bounds[user + 1])
        stops = np.flatnonzero(histories.is_last[first:end])[-1 - most : -1] + first + 1
        windows += [(max(first, stop - longest), stop) for stop in stops]
    return Questions.after(histories, np.array(windows, np.int64).reshape(-1, 2))
