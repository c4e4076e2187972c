"""Users' histories as behaviour tokens: windows for training, and which tokens come at the next instant.

Several events may share an instant, such as the rows of a basket. Their order in a file says nothing, and a model would
learn it, so what is predicted is the *set* at the next instant, from the last event of an instant alone, and training
shuffles the events within one.

Legend: E events, B windows or users, T events of a window, P positions that predict, M pairs of a position and a token.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

GAP_KINDS = 48  # log2 steps of whole seconds fit in 40; 0 is "no event before"


@dataclass(frozen=True)
class TokenBatch:
    """B windows, each padded at its end.

    Attributes:
        inputs: int64 (B, T); 0 where padded, and where an event is unknown.
        gaps: kind of the time since the event before, int64 (B, T).
        ages: seconds before the window's last event, float32 (B, T).
        lengths: events of each window, int64 (B,).
        profile: codes of the profile as of the window's start, int64 (B, F).
    """

    inputs: Tensor
    gaps: Tensor
    ages: Tensor
    lengths: Tensor
    profile: Tensor

    @property
    def valid(self) -> Tensor:
        """Which places hold an event, bool (B, T)."""
        return torch.arange(self.inputs.shape[1], device=self.inputs.device) < self.lengths[:, None]

    def to(self, device: torch.device | str) -> TokenBatch:
        """The same on a device."""
        return TokenBatch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class NextTokens:
    """What comes next after some positions of a batch.

    Attributes:
        row: window of each position, int64 (P,).
        place: place within the window, int64 (P,).
        position: which of the P each pair belongs to, ascending, int64 (M,).
        token: a token of the next instant, from 0, int64 (M,).
    """

    row: Tensor
    place: Tensor
    position: Tensor
    token: Tensor

    def to(self, device: torch.device | str) -> NextTokens:
        """The same on a device."""
        return NextTokens(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class ProfileTable:
    """Profile codes of users as of several dates.

    Attributes:
        dates: seconds, ascending, (D,); the first at or before every event.
        codes: int64 (D, U, F).
    """

    dates: np.ndarray
    codes: np.ndarray

    def at(self, users: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """The codes of users as of the latest date at or before an instant each: int64 (B, F)."""
        rows = np.clip(np.searchsorted(self.dates, starts, side="right") - 1, 0, None)
        codes: np.ndarray = self.codes[rows, users]
        return codes

    @classmethod
    def blank(cls, users: int) -> ProfileTable:
        """Of users without a profile."""
        return cls(np.zeros(1, np.int64), np.zeros((1, users, 0), np.int64))


class TokenHistories:
    """The tokens of U users as flat arrays.

    Args:
        user: row of the user of each event, ascending, (E,).
        seconds: ascending within a user, (E,).
        inputs: input of each event as the vocabulary reads it, (E,).
        users: U.
        tokens: V; inputs 1 to V are tokens, all others cannot be predicted.
        unpredicted: which events are never the next one, such as messages that were sent, bool (E,).
        profile: codes of the users.
    """

    def __init__(
        self,
        *,
        user: np.ndarray,
        seconds: np.ndarray,
        inputs: np.ndarray,
        users: int,
        tokens: int,
        unpredicted: np.ndarray | None = None,
        profile: ProfileTable | None = None,
    ) -> None:
        # An order that says nothing: that of a file may tell what comes next within an instant.
        order = np.lexsort((inputs, seconds, user))
        self.user, self.seconds, self.inputs = user[order].astype(np.int64), seconds[order], inputs[order]
        silent = np.zeros(len(user), bool) if unpredicted is None else unpredicted[order]
        self.users, self.tokens = users, tokens
        self.profile = profile or ProfileTable.blank(users)
        self.bounds = np.searchsorted(self.user, np.arange(users + 1))  # (U + 1,)
        self.token = np.where((self.inputs >= 1) & (self.inputs <= tokens), self.inputs - 1, -1).astype(np.int64)
        self.token[silent] = -1
        self._find_instants(silent)

    def _find_instants(self, silent: np.ndarray) -> None:
        """Which events are the last of their instant, and where the next instant with something to predict lies."""
        n = len(self.user)
        changes = np.ones(n, bool)
        changes[1:] = (self.user[1:] != self.user[:-1]) | (self.seconds[1:] != self.seconds[:-1])
        self.is_last = np.append(changes[1:], True) if n else changes
        starts = np.flatnonzero(changes)  # (I,), of instants
        self.instant = np.cumsum(changes) - 1  # (E,)
        ends = np.append(starts[1:], n)
        speaks = np.add.reduceat(~silent, starts) > 0 if n else np.zeros(0, bool)
        places = np.where(speaks, np.arange(len(starts)), len(starts))
        following = np.minimum.accumulate(np.append(places, len(starts))[::-1])[::-1][1:]  # next speaking instant
        owner = self.user[starts]
        exists = following < len(starts)
        following = np.where(exists, following, 0)
        exists &= owner[following] == owner if n else exists
        self.next_start = np.where(exists, starts[following], 0)[self.instant]
        self.next_end = np.where(exists, ends[following], 0)[self.instant]

    def counts_before(self, users: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """How many events of the whole table lie before each user's end in seconds: indices, int64 (B,)."""
        span = int(self.seconds.max(initial=0)) - int(self.seconds.min(initial=0)) + 2
        low = int(self.seconds.min(initial=0))
        key = self.user * span + (self.seconds - low)
        ends_in = np.clip(ends - low, 0, span - 1)
        index: np.ndarray = np.searchsorted(key, users * span + ends_in)
        return index

    def windows(self, users: np.ndarray, longest: int, rng: np.random.Generator) -> np.ndarray:
        """Cut the histories of users into windows: first and end index, int64 (N, 2); all but the last are shifted."""
        cuts = []
        for user in users:
            first, end = int(self.bounds[user]), int(self.bounds[user + 1])
            cuts.append((max(first, end - longest), end))
            shift = int(rng.integers(0, max(1, longest // 2)))
            stop = end - longest + shift if end - longest > first else first
            while stop - first > 1:
                cuts.append((max(first, stop - longest), stop))
                stop -= longest
        return np.array([cut for cut in cuts if cut[1] - cut[0] > 1], np.int64).reshape(-1, 2)

    def batch(self, windows: np.ndarray, rng: np.random.Generator | None = None) -> tuple[TokenBatch, np.ndarray]:
        """Read windows.

        Args:
            windows: first and end index of each, (B, 2); of one user each.
            rng: shuffles the events within each instant; None leaves them in the order of their tokens.

        Returns:
            The batch, and the index of the event at each place, (B, T), -1 where padded.
        """
        lengths = windows[:, 1] - windows[:, 0]
        places = np.arange(int(lengths.max(initial=1)))
        index = np.where(places < lengths[:, None], windows[:, :1] + places, -1)
        inside = index >= 0
        rows, columns = np.nonzero(inside)
        flat = index[rows, columns]
        seconds = np.zeros(index.shape, np.int64)
        seconds[rows, columns] = self.seconds[flat]
        inputs = np.zeros(index.shape, np.int64)
        shown = flat if rng is None else flat[np.lexsort((rng.random(len(flat)), self.instant[flat], rows))]
        inputs[rows, columns] = self.inputs[shown]
        firsts = np.minimum(windows[:, 0], len(self.user) - 1)  # of an empty window: anybody's, and nothing reads it
        users, starts = self.user[firsts], self.seconds[firsts]
        last = seconds[np.arange(len(index)), np.maximum(lengths - 1, 0)]
        batch = TokenBatch(
            inputs=torch.from_numpy(inputs),
            gaps=torch.from_numpy(_gap_kinds(seconds) * inside),
            ages=torch.from_numpy(np.where(inside, last[:, None] - seconds, 0).astype(np.float32)),
            lengths=torch.from_numpy(lengths),
            profile=torch.from_numpy(self.profile.at(users, starts)),
        )
        return batch, index

    def next_tokens(self, index: np.ndarray) -> NextTokens:
        """What comes next after the last event of each instant of a batch; nothing where nothing comes.

        Args:
            index: as `batch` gives it, (B, T).
        """
        predicts = (index >= 0) & self.is_last[index] & (self.next_end[index] > self.next_start[index])
        row, place = np.nonzero(predicts)
        return next_pairs(self, row, place, index[row, place])

    def after(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distinct tokens of the instant after some events: which event, and token, -1 for one not known."""
        counts = self.next_end[index] - self.next_start[index]
        which = np.repeat(np.arange(len(index)), counts)
        inner = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        tokens = self.token[np.repeat(self.next_start[index], counts) + inner]
        distinct = np.unique(which * (self.tokens + 1) + tokens + 1)
        return distinct // (self.tokens + 1), distinct % (self.tokens + 1) - 1

    def last_before(self, ends: np.ndarray, longest: int, *, users: np.ndarray | None = None) -> np.ndarray:
        """The window of users' last events before an instant each, of all users when None: (B, 2); empty without."""
        users = np.arange(self.users) if users is None else users
        stop = self.counts_before(users, ends)
        return np.stack([np.maximum(self.bounds[users], stop - longest), stop], 1)


def next_pairs(histories: TokenHistories, row: np.ndarray, place: np.ndarray, index: np.ndarray) -> NextTokens:
    """The known tokens that come after some events, as pairs; positions of which none is known are left out."""
    position, token = histories.after(index)
    position, token = position[token >= 0], token[token >= 0]
    kept, position = np.unique(position, return_inverse=True)
    return NextTokens(
        *(torch.from_numpy(array.astype(np.int64)) for array in (row[kept], place[kept], position, token))
    )


def batches_by_length(windows: np.ndarray, size: int, rng: np.random.Generator, *, pool: int = 16) -> list[np.ndarray]:
    """One pass over windows in random batches of like lengths, so that little is padded: rows of `windows` each."""
    order = rng.permutation(len(windows))
    lengths = windows[:, 1] - windows[:, 0]
    batches = []
    for start in range(0, len(order), size * pool):
        chosen = order[start : start + size * pool]
        chosen = chosen[np.argsort(lengths[chosen], kind="stable")]
        batches += [chosen[i : i + size] for i in range(0, len(chosen), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def in_chunks(windows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Rows of windows in order, some at a time."""
    for start in range(0, len(windows), size):
        yield np.arange(start, min(start + size, len(windows)))


def _gap_kinds(seconds: np.ndarray) -> np.ndarray:
    """1 + floor(log2(1 + gap)) of the time since the event before, 0 for the first: int64, as `seconds` (B, T)."""
    gaps = np.maximum(np.diff(seconds, axis=1), 0)
    kinds = np.zeros(seconds.shape, np.int64)
    kinds[:, 1:] = np.minimum(1 + np.log2(1 + gaps).astype(np.int64), GAP_KINDS - 1)
    return kinds
