"""One4all (ShopperBERT, arXiv 2106.00573): masked prediction of what events are and when they happened.

An event is the sum of embeddings of its category levels, from coarse to fine, and of five fields of its time. A share
of the events is masked, and all their fields are predicted. The user's vector is the frozen mean of the last layer over
the events of the history; U-MLP is a small perceptron on it.

NOTE: the paper has 79 M parameters and 0.8 B behaviours; here the model has a few layers, and reads histories in
pieces.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from findcli.errors import FindCLIError
from findcli.evaluation.rivals.probe_inputs import Head, UserInputs, encode_values, levels, vocabulary
from findcli.models.weights import new_module
from findcli.training.loop import fit, step_seed

MASK, UNKNOWN = 0, 1
TIMES = {"month": 13, "day": 32, "weekday": 8, "hour": 25, "gap": 12}
GAPS = 10  # powers of two of an hour, up to about six weeks, that the time since the last event is told in


@dataclass(frozen=True, kw_only=True)
class One4all:
    """Frozen vectors of masked-event modelling.

    Args:
        d_model: width.
        layers: Transformer layers.
        heads: attention heads.
        length: number of events in a piece of history.
        most: number of values of a level with an embedding of their own.
        mask: share of events masked.
        steps: optimiser steps.
        batch_size: pieces per step.
        lr: peak learning rate.
        head: the model that is fitted to the vectors.
    """

    d_model: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 128
    most: int = 2000
    mask: float = 0.15
    steps: int = 600
    batch_size: int = 48
    lr: float = 1e-3
    head: Head = "linear"
    version = 1

    @property
    def name(self) -> str:
        """Its name in tables."""
        return "one4all, U-MLP" if self.head == "perceptron" else "one4all"

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Train on training users, then encode all users: float32 (U, d_model).

        Raises:
            FindCLIError: no training user has an event.
        """
        training = inputs.for_training()
        if training.is_empty():
            raise FindCLIError("no training user has an event before train_until", hint="set a later train_until")
        names = levels(training)
        words = {name: vocabulary(training[name], most=self.most) for name in names}
        sizes = [UNKNOWN + 1 + len(words[name]) for name in names] + list(TIMES.values())
        made_of = {
            "sizes": sizes,
            "d_model": self.d_model,
            "layers": self.layers,
            "heads": self.heads,
            "length": self.length,
        }
        model = new_module(MaskedEvents, made_of, seed=inputs.seed)
        self._train(inputs, model, _codes(training, words), _first_rows(training["user_id"]))
        recent = inputs.window()
        return self._describe(model, _codes(recent, words), recent["user_id"], inputs.users)

    def _train(self, inputs: UserInputs, model: MaskedEvents, codes: np.ndarray, starts: np.ndarray) -> None:
        ends = np.append(starts[1:], len(codes))

        def loss(step: int) -> dict[str, Tensor]:
            inputs.keep_time()
            rng = np.random.default_rng(step_seed(inputs.seed, step))
            # An event is as likely to be seen as any other, so busy users are drawn more often.
            inside = rng.integers(0, len(codes), self.batch_size)
            owner = np.searchsorted(starts, inside, side="right") - 1
            first = np.clip(inside - rng.integers(0, self.length, self.batch_size), starts[owner], ends[owner] - 1)
            batch, valid = _pieces(codes, first, np.minimum(first + self.length, ends[owner]), self.length)
            chosen = torch.from_numpy(rng.random(valid.shape) < self.mask) & valid
            return {"masked": model.loss(batch, valid, chosen)}

        fit(
            loss,
            {"model": model},
            steps=self.steps,
            lr=self.lr,
            weight_decay=0.01,
            warmup=0.05,
            clip=1.0,
            seed=inputs.seed,
        )

    @torch.no_grad()
    def _describe(self, model: MaskedEvents, codes: np.ndarray, ids: pl.Series, users: pl.Series) -> np.ndarray:
        """The mean of the last layer over each user's events: (U, d_model), zeros without events."""
        starts = _first_rows(ids)
        ends = np.append(starts[1:], len(codes))
        first = np.concatenate([np.arange(s, e, self.length) for s, e in zip(starts, ends, strict=True)] or [starts])
        owner = np.searchsorted(starts, first, side="right") - 1
        total = np.zeros((len(starts), self.d_model))
        for rows in np.array_split(np.arange(len(first)), -(-len(first) // 256) or 1):
            batch, valid = _pieces(
                codes, first[rows], np.minimum(first[rows] + self.length, ends[owner[rows]]), self.length
            )
            summed = (model(batch, valid) * valid.unsqueeze(-1)).sum(1)  # (B, d_model)
            np.add.at(total, owner[rows], summed.numpy())
        vectors = np.zeros((len(users), self.d_model), np.float32)
        vectors[encode_values(ids.gather(starts), users, unknown=-1)] = total / np.maximum(ends - starts, 1)[:, None]
        return vectors


class MaskedEvents(nn.Module):
    """Transformer over events, each the sum of its fields' embeddings.

    Args:
        sizes: number of codes of each field.
        d_model: width.
        layers: Transformer layers.
        heads: attention heads.
        length: maximum number of events in a piece.

    Shape:
        codes (B, L, F), valid (B, L) -> (B, L, d_model)
    """

    offsets: Tensor

    def __init__(self, *, sizes: Sequence[int], d_model: int, layers: int, heads: int, length: int) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0), persistent=False)
        self.embedding = nn.EmbeddingBag(sum(sizes), d_model, mode="sum")
        nn.init.normal_(self.embedding.weight, std=0.05)
        self.position = nn.Parameter(torch.randn(length, d_model) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                d_model, heads, 4 * d_model, 0.1, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.predict = nn.Linear(d_model, sum(sizes))

    def forward(self, codes: Tensor, valid: Tensor) -> Tensor:
        """Encode each event in the context of the others: (B, L, F), (B, L) -> (B, L, d_model)."""
        batch, length, fields = codes.shape
        hidden = self.embedding((codes + self.offsets).view(-1, fields)).view(batch, length, -1)
        hidden = hidden + self.position[:length]
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=~valid)
        seen: Tensor = self.norm(hidden)
        return seen

    def loss(self, codes: Tensor, valid: Tensor, chosen: Tensor) -> Tensor:
        """Cross-entropy of the chosen events' fields (B, L), mean over fields; zero without chosen events: ()."""
        hidden = self(codes.masked_fill(chosen.unsqueeze(-1), MASK), valid)[chosen]  # (M, d_model)
        logits, truth = self.predict(hidden).split(self.sizes, 1), codes[chosen]
        terms = [functional.cross_entropy(part, truth[:, i], reduction="sum") for i, part in enumerate(logits)]
        return torch.stack(terms).mean() / max(len(hidden), 1)


def _codes(events: pl.DataFrame, words: dict[str, pl.Series]) -> np.ndarray:
    """The codes of every event's fields, none of them MASK: int64 (E, F)."""
    columns = [encode_values(events[name], vocabulary, unknown=UNKNOWN) for name, vocabulary in words.items()]
    time = pl.col("time")
    hours = (time - time.shift(1).over("user_id")).dt.total_seconds() / 3600
    gap = (hours.fill_null(0) + 1).log(2).floor().clip(0, GAPS) + 1
    when = [time.dt.month(), time.dt.day(), time.dt.weekday(), time.dt.hour() + 1, gap]
    fields = events.select(part.cast(pl.Int64).alias(name) for name, part in zip(TIMES, when, strict=True))
    return np.column_stack([*columns, *(fields[name].to_numpy() for name in TIMES)]).astype(np.int64)


def _first_rows(ids: pl.Series) -> np.ndarray:
    """The row at which each user's events begin."""
    values = ids.rle().struct.field("len").to_numpy() if len(ids) else np.zeros(0, np.int64)
    starts: np.ndarray = values.cumsum().astype(np.int64) - values
    return starts


def _pieces(codes: np.ndarray, first: np.ndarray, last: np.ndarray, length: int) -> tuple[Tensor, Tensor]:
    """The events from each `first` up to its `last`, padded: codes (B, L, F), and validity, bool (B, L)."""
    places = first[:, None] + np.arange(length)
    valid = places < last[:, None]
    pieces = codes[np.where(valid, places, first[:, None])]
    return torch.from_numpy(pieces), torch.from_numpy(valid)


def u_mlp(vectors: np.ndarray, labels: np.ndarray, *, seed: int = 0, width: int = 64, steps: int = 150) -> UMlp:
    """Fit One4all's head, a perceptron with one hidden layer (U-MLP), to frozen vectors.

    Args:
        vectors: those of a few seeds or of many users, (N, D).
        labels: bool (N,).
        seed: seed of the initial weights.
        width: width of the hidden layer.
        steps: number of full-batch steps.

    Returns:
        The fitted head.
    """
    mean, spread = vectors.mean(0), vectors.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = torch.from_numpy(((vectors - mean) / spread).astype(np.float32))
    truth = torch.from_numpy(labels.astype(np.float32))
    model = new_module(partial(_perceptron, width=width), {"d_input": scaled.shape[1]}, seed=seed)
    fit(
        lambda _: {"loss": functional.binary_cross_entropy_with_logits(model(scaled).squeeze(1), truth)},
        {"model": model}, steps=steps, lr=2e-3, weight_decay=1.0, warmup=0.0, clip=1.0, seed=seed,
    )  # fmt: skip
    return UMlp(model, mean, spread)


def _perceptron(*, d_input: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_input, width), nn.GELU(), nn.Dropout(0.3), nn.Linear(width, 1))


@dataclass(frozen=True)
class UMlp:
    """A fitted U-MLP, which scores other users."""

    model: nn.Module
    mean: np.ndarray
    spread: np.ndarray

    @torch.no_grad()
    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Log odds of other users: (N, D) -> float32 (N,)."""
        scaled = torch.from_numpy(((vectors - self.mean) / self.spread).astype(np.float32))
        odds: np.ndarray = self.model(scaled).squeeze(1).numpy()
        return odds
