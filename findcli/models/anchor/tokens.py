"""A user as one sequence, coarse to fine: a token of the user, one a modality, then columns, events and searches.

Query-as-Anchor (arXiv 2602.14492, section on hierarchical tokens): pooled means are of raw text vectors, before any
adapter; events and searches pass an adapter of their own kind, means one that modalities share.

Legend: B users, T prefix tokens, N event tokens, F profile columns, D width of a text vector, d of a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from findcli.models.anchor.events import ACTIVITY, FEATURES, Events, event_tokens
from findcli.training.batches import UserBatch

SEQUENCE, TABULAR, SEARCH = "sequence", "tabular", "search"
MODALITIES = (SEQUENCE, TABULAR, SEARCH)
USER = 0  # kinds of tokens: the user, then a token of each modality, then what each modality is made of
KINDS = 1 + 2 * len(MODALITIES)


@dataclass(frozen=True)
class Tokens:
    """The prefix of B users before the decoder.

    Attributes:
        embeds: (B, T, d).
        valid: which are no padding, bool (B, T).
        kinds: of each token, from 0 to KINDS - 1, int64 (B, T).
        steps: time steps since what a token tells of, 0 where it has no time, (B, T).
    """

    embeds: Tensor
    valid: Tensor
    kinds: Tensor
    steps: Tensor

    def has(self, modality: str) -> Tensor:
        """Which users have a modality, bool (B,)."""
        of = self.kinds == 1 + MODALITIES.index(modality)
        return (self.valid & of).any(1)


class Adapter(nn.Module):
    """Text vectors to tokens: a linear map beside Linear(d) . GELU . Linear(D) . LayerNorm.

    Args:
        d_text: width of text vectors.
        d_model: width of tokens.

    Shape:
        (..., d_text) -> (..., d_model)
    """

    def __init__(self, *, d_text: int, d_model: int) -> None:
        super().__init__()
        self.scale = d_text**0.5  # entries of unit vectors are small
        self.straight = nn.Linear(d_text, d_model, bias=False)
        self.bent = nn.Sequential(
            nn.LayerNorm(d_text), nn.Linear(d_text, d_text), nn.GELU(), nn.Linear(d_text, d_model)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Adapt."""
        token: Tensor = self.straight(vectors * self.scale) + self.bent(vectors)
        return token


class Tokenizer(nn.Module):
    """Makes the prefix of users.

    Args:
        d_text: width of text vectors.
        d_model: width of tokens.
        cardinalities: codes of each profile column; at most `MOST_COLUMNS` columns take part.
        modalities: those in use.
        events: distinct event texts a user, at most.
    """

    MOST_COLUMNS = 16

    def __init__(
        self, *, d_text: int, d_model: int, cardinalities: Sequence[int], modalities: Sequence[str], events: int
    ) -> None:
        super().__init__()
        self.modalities, self.events = tuple(modalities), events
        self.columns = min(len(cardinalities), self.MOST_COLUMNS) if TABULAR in modalities else 0
        sizes = list(cardinalities[: self.columns])
        self.text = Adapter(d_text=d_text, d_model=d_model)  # shared with questions: one language on both sides
        self.mean = Adapter(d_text=d_text, d_model=d_model)
        self.user = Adapter(d_text=d_text, d_model=d_model)
        self.kind = nn.Embedding(KINDS, d_model)
        self.often = nn.Sequential(nn.Linear(FEATURES, d_model), nn.GELU(), nn.Linear(d_model, d_model))
        self.active = nn.Sequential(nn.Linear(ACTIVITY, d_model), nn.GELU(), nn.Linear(d_model, d_model))
        self.register_buffer("starts", torch.tensor([sum(sizes[:i]) for i in range(len(sizes))], dtype=torch.int64))
        self.value = nn.Embedding(max(1, sum(sizes)), d_model)
        self.place = nn.Parameter(torch.zeros(max(1, len(sizes)), d_model))
        nn.init.normal_(self.kind.weight, std=0.1)  # texts have entries of about .6
        nn.init.normal_(self.value.weight, std=0.3)
        nn.init.normal_(self.place, std=0.02)

    starts: Tensor

    def forward(self, batch: UserBatch, *, without: Sequence[str] = ()) -> Tokens:
        """Make the prefix of B users; modalities in `without` count as absent, whatever the user has."""
        if batch.window is None:
            raise ValueError("the batch does not say where its events lie")
        events = event_tokens(batch.window, most=self.events)
        of_search = events.valid & events.search
        of_sequence = events.valid & ~events.search
        present = {
            SEQUENCE: of_sequence.any(1), SEARCH: of_search.any(1),
            TABULAR: (batch.codes[:, : self.columns] > 0).any(1),
        }  # fmt: skip
        hidden = [name for name in MODALITIES if name in without or name not in self.modalities]
        for name in hidden:
            present[name] = torch.zeros_like(present[name])
        means = {SEQUENCE: _mean(events.vectors, of_sequence), SEARCH: _mean(events.vectors, of_search)}
        columns = self._columns(batch)  # (B, F, d)
        filled = (batch.codes[:, : self.columns] > 0) & present[TABULAR][:, None]
        heads = [
            self.mean(means[name]) if name in means else _mean(columns, filled) for name in MODALITIES
        ]  # (B, d) each
        activity = events.activity * present[SEQUENCE][:, None]
        user = self.user(_mean_of_present(means, present)) + self.active(activity)
        seen = (of_sequence & present[SEQUENCE][:, None]) | (of_search & present[SEARCH][:, None])
        embeds = torch.cat([torch.stack([user, *heads], 1), columns, self._events(events)], 1)
        always = torch.ones(len(user), 1, dtype=torch.bool, device=user.device)
        of_modalities = torch.stack([present[name] for name in MODALITIES], 1)
        valid = torch.cat([always, of_modalities, filled, seen], 1)
        kinds = self._kinds(events)
        steps = torch.cat([embeds.new_zeros(len(user), 1 + len(MODALITIES) + self.columns), events.steps], 1)
        return Tokens(embeds + self.kind(kinds), valid, kinds, steps)

    def _columns(self, batch: UserBatch) -> Tensor:
        """A token for each profile column: (B, F, d)."""
        if not self.columns:
            return self.place.new_zeros(len(batch.codes), 0, self.place.shape[1])
        codes = batch.codes[:, : self.columns] + self.starts
        token: Tensor = self.value(codes) + batch.fractions[:, : self.columns, None] * self.place
        return token

    def _events(self, events: Events) -> Tensor:
        token: Tensor = self.text(events.vectors) + self.often(events.features)
        return token

    def _kinds(self, events: Events) -> Tensor:
        """The kind of every token: int64 (B, T)."""
        n, first = len(events.valid), 1 + len(MODALITIES)
        head = torch.arange(first, device=events.valid.device).expand(n, -1)
        columns = torch.full((n, self.columns), first + MODALITIES.index(TABULAR), device=events.valid.device)
        made_of = torch.where(events.search, first + MODALITIES.index(SEARCH), first + MODALITIES.index(SEQUENCE))
        return torch.cat([head, columns, made_of], 1)


def _mean(vectors: Tensor, valid: Tensor) -> Tensor:
    """The mean of the valid, zeros where there is none: (B, N, D), (B, N) -> (B, D)."""
    weights = valid.to(vectors.dtype)[..., None]
    mean: Tensor = (vectors * weights).sum(1) / weights.sum(1).clamp(min=1)
    return mean


def _mean_of_present(means: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
    """The mean of the means of the modalities that a user has: (B, D)."""
    stacked = torch.stack(list(means.values()), 1)  # (B, modalities, D)
    return _mean(stacked, torch.stack([present[name] for name in means], 1))
