"""A user's history as few event tokens: distinct texts by recency-weighted count, with how often and when.

Legend: B users, E events, N event tokens, D width of a text vector.

Tested in tests/models/anchor/test_tokens.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from findcli.training.batches import EventWindow

WEEK, DAY = 7 * 86_400, 86_400
DECAYS = (1.0, 0.95, 0.7, 0.4)  # the weight of an event a week later
ORDER = 1  # the decay by which texts are chosen
FEATURES = len(DECAYS) + 3
ACTIVITY = len(DECAYS) + 4


@dataclass(frozen=True)
class Events:
    """The event tokens of B users, searches last, the oldest first within each, padded on the right.

    Attributes:
        vectors: of the texts, (B, N, D).
        features: log decayed counts, log days since the last and the first event, log amount, (B, N, FEATURES).
        steps: time steps since the last event, (B, N).
        valid: which are no padding, bool (B, N).
        search: which are searches, bool (B, N).
        activity: of all events that are no searches, kept or not: log decayed counts, log days since the last and the
            first, log distinct texts, log active weeks, (B, ACTIVITY).
    """

    vectors: Tensor
    features: Tensor
    steps: Tensor
    valid: Tensor
    search: Tensor
    activity: Tensor


def event_tokens(window: EventWindow, *, most: int) -> Events:
    """Read the events of B users.

    Args:
        window: where they lie.
        most: distinct texts kept of a user.
    """
    n_users, texts = len(window.users), window.texts
    owner, index = window.histories.within(window.users, window.ends, length=window.length)
    text = window.histories.text[index].astype(np.int64)
    age = (window.ends[owner] - window.histories.seconds[index]).astype(np.float64)
    weights = np.power(np.array(DECAYS)[:, None], age / WEEK)  # (decays, E)
    pairs, place = np.unique(owner * max(1, len(texts)) + text, return_inverse=True)
    sums = np.stack([np.bincount(place, weights=row, minlength=len(pairs)) for row in weights])  # (decays, P)
    spent = np.bincount(
        place, weights=np.maximum(window.histories.amount[index].astype(np.float64), 0), minlength=len(pairs)
    )
    youngest, eldest = np.full(len(pairs), np.inf), np.zeros(len(pairs))
    np.minimum.at(youngest, place, age)
    np.maximum.at(eldest, place, age)
    whose, row = np.divmod(pairs, max(1, len(texts)))
    searched = window.histories.is_search[row]
    activity = _activity(owner[~window.histories.is_search[text]], age[~window.histories.is_search[text]], n_users)
    activity[:, -1] = np.log1p(np.bincount(whose[~searched], minlength=n_users))
    kept = _best(whose, sums[ORDER], most)
    kept = kept[np.lexsort((-youngest[kept], searched[kept], whose[kept]))]
    slot = _rank_within(whose[kept])
    shape = (n_users, int(slot.max()) + 1 if len(kept) else 0)
    at = (torch.from_numpy(whose[kept]), torch.from_numpy(slot))
    days = np.log1p(np.stack([youngest[kept], eldest[kept]]) / DAY)
    features = np.concatenate([np.log1p(sums[:, kept]), days, np.log1p(spent[kept])[None]]).T
    device = texts.device

    def placed(values: np.ndarray, *width: int) -> Tensor:
        whole = torch.zeros(*shape, *width)
        whole[at] = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        return whole.to(device)

    vectors = texts.new_zeros(*shape, texts.shape[1])
    vectors[at[0].to(device), at[1].to(device)] = texts[torch.from_numpy(row[kept]).to(device)]
    return Events(
        vectors=vectors,
        features=placed(features, FEATURES),
        steps=placed(youngest[kept] / window.step),
        valid=placed(np.ones(len(kept))).bool(),
        search=placed(searched[kept]).bool(),
        activity=torch.from_numpy(activity.astype(np.float32)).to(device),
    )


def _activity(owner: np.ndarray, age: np.ndarray, n_users: int) -> np.ndarray:
    """How much and how lately users did anything: (n_users, ACTIVITY), the last column left empty."""
    counts = [np.log1p(np.bincount(owner, weights=np.power(d, age / WEEK), minlength=n_users)) for d in DECAYS]
    youngest, eldest = np.full(n_users, 800.0 * DAY), np.zeros(n_users)
    np.minimum.at(youngest, owner, age)
    np.maximum.at(eldest, owner, age)
    weeks = np.unique(owner * 10_000 + (age // WEEK).astype(np.int64)) // 10_000
    active = np.log1p(np.bincount(weeks, minlength=n_users))
    empty = np.zeros(n_users)
    return np.stack([*counts, np.log1p(youngest / DAY), np.log1p(eldest / DAY), active, empty], 1)


def _best(whose: np.ndarray, weight: np.ndarray, most: int) -> np.ndarray:
    """The places of each user's heaviest, at most so many."""
    order = np.lexsort((-weight, whose))
    kept: np.ndarray = order[_rank_within(whose[order]) < most]
    return kept


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """The rank of each entry within its group, of groups in order: int64 (n,)."""
    if not len(groups):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    sizes = np.diff(np.append(starts, len(groups)))
    ranks: np.ndarray = np.arange(len(groups)) - np.repeat(starts, sizes)
    return ranks
