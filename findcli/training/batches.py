"""Histories and profiles -> padded tensors and their masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from findcli.training.token_histories import TokenBatch

EXTRAS = 3
_EPOCH, _SPAN = 2**33, 2**35


@dataclass(frozen=True)
class Steps:
    """Time steps of B users, the last one just before the cutoff.

    Attributes:
        vectors: z_t, the mean text vector of a step's events, and the logs of its event count, amount and active
            days, (B, T, d_text + 3); zeros in a step without events.
        valid: steps since the user's first event within the history, bool (B, T).
        observed: steps with an event, bool (B, T).
    """

    vectors: Tensor
    valid: Tensor
    observed: Tensor


@dataclass(frozen=True)
class UserBatch:
    """Everything the encoders read of B users as of their cutoffs.

    Attributes:
        steps: behaviour.
        codes: profile codes, int64 (B, F).
        fractions: positions within numeric bins, in [0, 1), (B, F).
        search: mean vector of the searches, (B, d_text); zeros for users without any.
        searched: which users searched, bool (B,).
        tokens: behaviour tokens, for towers that read them.
        window: where the events lie, for models that read them one by one.
    """

    steps: Steps
    codes: Tensor
    fractions: Tensor
    search: Tensor
    searched: Tensor
    tokens: TokenBatch | None = None
    window: EventWindow | None = None


@dataclass(frozen=True)
class EventWindow:
    """The single events of B users before their cutoffs.

    Attributes:
        histories: the events.
        users: rows, (B,).
        ends: cutoffs in seconds, (B,).
        texts: text vectors, (n_texts, d_text).
        length: of the history, in seconds.
        step: length of a time step, in seconds.
    """

    histories: Histories
    users: np.ndarray
    ends: np.ndarray
    texts: Tensor
    length: int
    step: int


class Histories:
    """The events of some users as flat arrays, in order of user and time.

    Args:
        user: row of the user, ascending, (E,).
        seconds: seconds since 1970, ascending within a user, (E,).
        text: row of the event's text, (E,).
        amount: money, 0 if there is none, (E,).
        is_search: whether each text is a search, (n_texts,).
    """

    def __init__(
        self, *, user: np.ndarray, seconds: np.ndarray, text: np.ndarray, amount: np.ndarray, is_search: np.ndarray
    ) -> None:
        self.key = _key(user.astype(np.int64), seconds)
        self.seconds, self.text, self.amount = seconds, text, amount
        self.is_search = is_search

    def within(self, users: np.ndarray, ends: np.ndarray, *, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The events of [end - length, end) of each user.

        Args:
            users: rows, (B,).
            ends: cutoffs in seconds, (B,).
            length: of the window, in seconds.

        Returns:
            For each of E events, which of the B it belongs to and its index, int64 (E,) each, in order of both.
        """
        low = np.searchsorted(self.key, _key(users, ends - length))
        counts = np.searchsorted(self.key, _key(users, ends)) - low  # (B,)
        owner = np.repeat(np.arange(len(users)), counts)
        index = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts) + np.repeat(low, counts)
        return owner, index

    def steps(self, users: np.ndarray, ends: np.ndarray, texts: Tensor, *, length: int, step: int) -> Steps:
        """The time steps before each cutoff, without searches.

        Args:
            users: rows, (B,).
            ends: cutoffs in seconds, (B,).
            texts: text vectors, (n_texts, d_text).
            length: of the history, in seconds.
            step: length of a step in seconds; T is the history in steps, rounded up.
        """
        n_steps = -(-length // step)
        owner, index = self.within(users, ends, length=length)
        kept = ~self.is_search[self.text[index]]
        owner, index = owner[kept], index[kept]
        place = n_steps - 1 - (ends[owner] - 1 - self.seconds[index]) // step
        bag = owner * n_steps + place  # (E,), ascending
        size = len(users) * n_steps
        vectors = _mean_by_bag(texts, self.text[index], bag, size).view(-1, n_steps, texts.shape[1])
        counts = np.bincount(bag, minlength=size)
        amounts = np.bincount(bag, weights=np.maximum(self.amount[index], 0), minlength=size)
        days = np.bincount(_first_of_days(bag, self.seconds[index]), minlength=size)
        extras = np.log1p(np.stack([counts, amounts, days], 1)).reshape(-1, n_steps, EXTRAS)
        extras_tensor = torch.from_numpy(extras).float().to(texts.device)
        observed = torch.from_numpy(counts > 0).view(-1, n_steps).to(texts.device)
        # Mean vectors of many texts are short; this scale brings their entries to the order of the log counts.
        scaled = vectors * texts.shape[1] ** 0.5
        return Steps(torch.cat([scaled, extras_tensor], -1), observed.int().cummax(1).values.bool(), observed)

    def searches(self, users: np.ndarray, ends: np.ndarray, texts: Tensor, *, length: int) -> tuple[Tensor, Tensor]:
        """Mean vectors of the users' searches within the history (Eq 10), (B, d_text), and who searched, bool (B,)."""
        owner, index = self.within(users, ends, length=length)
        kept = self.is_search[self.text[index]]
        owner, index = owner[kept], index[kept]
        searched = torch.from_numpy(np.bincount(owner, minlength=len(users)) > 0).to(texts.device)
        return _mean_by_bag(texts, self.text[index], owner, len(users)), searched


def _key(users: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """One sortable number per user and time, for times from 1697 to 2242."""
    key: np.ndarray = users * _SPAN + seconds + _EPOCH
    return key


def _mean_by_bag(texts: Tensor, rows: np.ndarray, bag: np.ndarray, size: int) -> Tensor:
    """Mean text vector of each bag, zeros for an empty one: (size, d_text)."""
    starts = torch.from_numpy(np.searchsorted(bag, np.arange(size)))
    index = torch.from_numpy(rows.astype(np.int64))
    if not len(rows):
        return texts.new_zeros(size, texts.shape[1])
    return functional.embedding_bag(index.to(texts.device), texts, starts.to(texts.device), mode="mean")


def _first_of_days(bag: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The bags of the first event of each day: counting them counts active days."""
    day = seconds // 86_400
    first = np.ones(len(bag), bool)
    first[1:] = (bag[1:] != bag[:-1]) | (day[1:] != day[:-1])
    bags: np.ndarray = bag[first]
    return bags


def user_batch(
    histories: Histories,
    users: np.ndarray,
    ends: np.ndarray,
    codes: np.ndarray,
    fractions: np.ndarray,
    texts: Tensor,
    *,
    length: int,
    step: int,
    tokens: TokenBatch | None = None,
) -> UserBatch:
    """Everything the encoders read of users as of their cutoffs.

    Args:
        histories: the events.
        users: rows, (B,).
        ends: cutoffs in seconds, (B,).
        codes: profile codes, int64 (B, F).
        fractions: positions within numeric bins, in [0, 1), (B, F).
        texts: text vectors, (n_texts, d_text).
        length: of the history, in seconds.
        step: length of a time step, in seconds.
        tokens: behaviour tokens of the users.
    """
    search, searched = histories.searches(users, ends, texts, length=length)
    return UserBatch(
        steps=histories.steps(users, ends, texts, length=length, step=step),
        codes=torch.from_numpy(codes).to(texts.device),
        fractions=torch.from_numpy(fractions).to(texts.device),
        search=search,
        searched=searched,
        tokens=None if tokens is None else tokens.to(texts.device),
        window=EventWindow(histories, users, ends, texts, length, step),
    )
