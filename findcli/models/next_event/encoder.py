"""PANTHER's encoder: a causal Transformer over behaviour tokens with motifs beside attention (arXiv 2510.10102).

From its states come the odds of what comes next and the users' vectors.

Legend: B users, T events, D width, V tokens that can be predicted, W inputs, F profile columns, P positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from findcli.models.next_event.sprm import Motifs
from findcli.training.token_histories import GAP_KINDS, TokenBatch

AGE_KINDS = 40
NO_LOG_ODDS = -1e4


@dataclass(frozen=True)
class Pointer:
    """How positions point back at their own histories.

    Attributes:
        weights: of each event of the history, summing to 1, or to 0 where none can come again, (P, T).
        tokens: of these events, -1 for none, int64 (P, T).
        share: of the odds that go to what comes again, (P,).
        shift: added to the scores of tokens of the history, (P,): far below 0 where nothing comes twice.
    """

    weights: Tensor
    tokens: Tensor
    share: Tensor
    shift: Tensor

    def met(self, tokens: int) -> Tensor:
        """Whether the history has each token, bool (P, V)."""
        met = torch.zeros(len(self.tokens), tokens + 1, dtype=torch.bool, device=self.tokens.device)
        return met.scatter_(1, self.tokens + 1, True)[:, 1:]

    def odds(self, position: Tensor, token: Tensor) -> Tensor:
        """The weight of one token at a position each, (M,)."""
        return (self.weights[position] * (self.tokens[position] == token[:, None])).sum(1)

    def dense(self, tokens: int) -> Tensor:
        """The weight of every token, (P, V)."""
        known = self.tokens >= 0
        odds = self.weights.new_zeros(len(self.weights), tokens)
        return odds.scatter_add_(1, self.tokens.clamp(min=0), self.weights * known)


class NextEventEncoder(nn.Module):
    """Reads histories of tokens; each place sees itself and what was before it, never what comes after.

    Args:
        inputs: W.
        tokens: V; inputs 1 to V are these.
        field_sizes: numbers that each field of a token has.
        max_events: longest history.
        d_model: D.
        d_field: width of a field's embedding; the number of the token takes what is left of D.
        layers: blocks.
        heads: attention heads.
        dropout: share dropped.
        sprm: "depthwise", "released" or "none".
        dilations: of the depthwise convolutions.
        prototypes: of the motifs.
        profile: "position", "first-token" or "none".
        profile_share: share of the profile in an event's vector, where it is added.
        cardinalities: codes of each profile column, F.
        gaps: whether the time between events is read.
        repeat: "apart", "mixed" or "none": how the odds take the events of the history.
    """

    def __init__(
        self,
        *,
        inputs: int,
        tokens: int,
        field_sizes: Sequence[int],
        max_events: int,
        d_model: int,
        d_field: int,
        layers: int,
        heads: int,
        dropout: float,
        sprm: Literal["depthwise", "released", "none"],
        dilations: Sequence[int],
        prototypes: int,
        profile: Literal["position", "first-token", "none"],
        profile_share: float,
        cardinalities: Sequence[int],
        gaps: bool,
        repeat: Literal["apart", "mixed", "none"],
    ) -> None:
        super().__init__()
        self.tokens, self.max_events = tokens, max_events
        fields = list(field_sizes) if d_field else []
        self.number = nn.Embedding(inputs, d_model - d_field * len(fields))
        self.fields = nn.ModuleList(nn.Embedding(size, d_field) for size in fields)
        self.register_buffer("field_codes", torch.zeros(inputs, len(fields), dtype=torch.int64))
        self.position = nn.Embedding(max_events, d_model)
        self.gap = nn.Embedding(GAP_KINDS, d_model) if gaps else None
        self.profile = profile if cardinalities else "none"
        self.profile_share = profile_share
        self.columns = nn.ModuleList(nn.Embedding(size, d_model) for size in cardinalities)
        self.about = nn.Linear(d_model, d_model)
        self.blocks = nn.ModuleList(
            Block(d_model=d_model, heads=heads, dropout=dropout, sprm=sprm, dilations=dilations, prototypes=prototypes)
            for _ in range(layers)
        )
        self.drop, self.norm = nn.Dropout(dropout), nn.LayerNorm(d_model)
        self.out = nn.Linear(d_model, d_model)
        self.bias = nn.Parameter(torch.zeros(tokens))
        self.apart = repeat == "apart"
        self.again = None if repeat == "none" else PointBack(d_model)
        self.readout = Readout(d_model)
        for embedding in (module for module in self.modules() if isinstance(module, nn.Embedding)):
            nn.init.normal_(embedding.weight, std=d_model**-0.5)
        if self.again is not None:
            nn.init.zeros_(self.again.age.weight)
        nn.init.eye_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @property
    def width(self) -> int:
        """D."""
        return self.position.embedding_dim

    def start_from(self, field_codes: Tensor, counts: Tensor) -> None:
        """Give it the fields of each input, int64 (W, F), and start its odds at the tokens' popularity, (V,)."""
        self.field_codes.copy_(field_codes[:, : len(self.fields)])  # type: ignore[operator]
        shares = (counts.float() + 1) / (counts.sum() + len(counts))
        self.bias.data.copy_(shares.log() - shares.log().mean())

    def start_at(self, vectors: Tensor, signs: Tensor) -> None:
        """Start the tokens' vectors elsewhere than at random, by their number's part.

        Args:
            vectors: of the V tokens, as wide as the part of a vector that tells a token's number, (V, D_number).
            signs: of each direction: what is read as +1 is scored as this, (D_number,).
        """
        width = vectors.shape[1]
        self.number.weight.data[1 : 1 + self.tokens] = vectors
        self.out.weight.data[:width] *= signs.unsqueeze(1)

    @property
    def number_width(self) -> int:
        """The width of the part of a token's vector that tells its number."""
        return self.number.embedding_dim

    def embed_inputs(self, inputs: Tensor) -> Tensor:
        """The vector of each input: its number and its fields side by side, (..., D)."""
        codes = self.field_codes[inputs]  # type: ignore[index]
        named = [field(codes[..., i]) for i, field in enumerate(self.fields)]
        return torch.cat([self.number(inputs), *named], -1)

    def describe_profile(self, codes: Tensor) -> Tensor:
        """The profile's vector p_u: codes (B, F) -> (B, D), zeros without columns."""
        if not len(self.columns):
            return self.about.weight.new_zeros(len(codes), self.width)
        summed = torch.stack([column(codes[:, i]) for i, column in enumerate(self.columns)]).mean(0)
        described: Tensor = self.about(summed)
        return described

    def forward(self, batch: TokenBatch) -> Tensor:
        """Read histories: states after each event, (B, T, D)."""
        states = self.embed_inputs(batch.inputs) + self.position.weight[: batch.inputs.shape[1]]
        if self.gap is not None:
            states = states + self.gap(batch.gaps)
        first = self.profile == "first-token"
        if self.profile == "position":
            share = self.profile_share
            states = (1 - share) * states + share * self.describe_profile(batch.profile).unsqueeze(1)
        elif first:
            states = torch.cat([self.describe_profile(batch.profile).unsqueeze(1), states], 1)
        states = self.drop(states)
        for block in self.blocks:
            states = block(states)
        normed: Tensor = self.norm(states[:, 1:] if first else states)
        return normed

    def logits(self, states: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Scores of tokens at positions: (P, D) -> (P, V), or (P, n) of some tokens, int64 (n,)."""
        chosen = torch.arange(self.tokens, device=states.device) if tokens is None else tokens
        scores: Tensor = self.out(states) @ self.embed_inputs(chosen + 1).T + self.bias[chosen]
        return scores

    def point_back(self, batch: TokenBatch, states: Tensor, row: Tensor, place: Tensor) -> Pointer | None:
        """Where positions point in their histories; None without `repeat`."""
        return None if self.again is None else self.again(batch, states, row, place, self.tokens)

    def log_odds(self, batch: TokenBatch, states: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Log probabilities of what comes next, at positions: (P, V)."""
        logits = self.logits(states[row, place]).float()
        pointer = self.point_back(batch, states, row, place)
        if pointer is None:
            return logits.log_softmax(1)
        log_odds = self.beside_history(logits, pointer, pointer.met(self.tokens)).log_softmax(1)
        again = pointer.dense(self.tokens).clamp(min=0)
        mixed = (1 - pointer.share[:, None]) * log_odds.exp() + pointer.share[:, None] * again
        return mixed.clamp(min=1e-30).log()

    def beside_history(self, logits: Tensor, pointer: Pointer, met: Tensor) -> Tensor:
        """Scores of what is not pointed at: told apart, tokens of the history have none; else they are shifted.

        Args:
            logits: of tokens, (P, n).
            pointer: at the P positions.
            met: whether the history has each of the tokens, bool (P, n).
        """
        return logits.masked_fill(met, NO_LOG_ODDS) if self.apart else logits + pointer.shift.unsqueeze(1) * met

    def describe_users(self, batch: TokenBatch, states: Tensor) -> Tensor:
        """The users' vectors e_u, read from the last state and the profile: unit vectors (B, D), 0 without an event."""
        last = states[torch.arange(len(states), device=states.device), (batch.lengths - 1).clamp(min=0)]
        vectors: Tensor = self.readout(last, self.describe_profile(batch.profile))
        return vectors * (batch.lengths > 0).unsqueeze(1)


class Block(nn.Module):
    """One block: causal attention and motifs side by side, then a perceptron, each before its own norm."""

    def __init__(
        self, *, d_model: int, heads: int, dropout: float, sprm: str, dilations: Sequence[int], prototypes: int
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.project, self.merge = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        # Attention starts as a plain mean of the history.
        nn.init.eye_(self.merge.weight)
        nn.init.eye_(self.project.weight.data[2 * d_model :])
        self.halved = sprm == "released"
        self.motifs = None
        if sprm != "none":
            form: Literal["depthwise", "released"] = "released" if self.halved else "depthwise"
            self.motifs = Motifs(d_model=d_model, heads=heads, dilations=dilations, prototypes=prototypes, form=form)
        self.perceptron = nn.Sequential(
            nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * d_model, d_model)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        normed = self.before(states)
        mixed = self._attend(normed)
        if self.motifs is not None:
            mixed = mixed + self.motifs(normed)
            mixed = mixed / 2 if self.halved else mixed
        states = states + self.drop(mixed)
        after: Tensor = states + self.drop(self.perceptron(self.between(states)))
        return after

    def _attend(self, normed: Tensor) -> Tensor:
        parts = self.project(normed).view(*normed.shape[:2], 3, self.heads, -1)
        query, key, value = parts.movedim(2, 0).transpose(2, 3)  # (B, H, T, D/H) each
        drop = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=drop, is_causal=True)
        merged: Tensor = self.merge(mixed.transpose(1, 2).flatten(2))
        return merged


class PointBack(nn.Module):
    """Points from a position back at its history, for events that come again (RepeatNet, AAAI 2019, section 3.3)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(d_model, d_model), nn.Linear(d_model, d_model, bias=False)
        self.age = nn.Embedding(AGE_KINDS, 1)
        self.share, self.shift = nn.Linear(d_model, 1), nn.Linear(d_model, 1)
        # It starts as plain counts of the history, whatever their age.
        for layer in (self.query, self.share, self.shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, batch: TokenBatch, states: Tensor, row: Tensor, place: Tensor, tokens: int) -> Pointer:
        """Point back from positions (P,)."""
        width = states.shape[-1]
        scores = self.query(states) @ self.key(states).transpose(1, 2) / width**0.5  # (B, T, T)
        earlier = torch.arange(states.shape[1], device=states.device)  # (T,)
        ages = batch.ages[row] - batch.ages[row, place].unsqueeze(1)  # (P, T)
        kinds = ages.clamp(min=0).add(1).log2().long().clamp(max=AGE_KINDS - 1)
        pointed = scores[row, place].float() + self.age(kinds).squeeze(-1)
        inputs = batch.inputs[row]
        named = torch.where((inputs >= 1) & (inputs <= tokens), inputs - 1, -1)
        named = torch.where(earlier <= place[:, None], named, -1)
        weights = pointed.masked_fill(named < 0, NO_LOG_ODDS).softmax(1) * (named >= 0)
        share = self.share(states[row, place]).float().sigmoid().squeeze(-1) * (named >= 0).any(1)
        shift = self.shift(states[row, place]).float().squeeze(-1)
        return Pointer(weights, named, share, shift)


class Readout(nn.Module):
    """e_u = normalise(h_T + MLP[p_u; h_T]): it starts as the last state, so that it says something untrained."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        last = nn.Linear(d_model, d_model)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(2 * d_model, d_model), nn.GELU(), last)

    def forward(self, last: Tensor, profile: Tensor) -> Tensor:
        """Last states (B, D), profile vectors (B, D) -> unit vectors (B, D)."""
        return functional.normalize(last + self.layers(torch.cat([profile, last], -1)), dim=-1)
