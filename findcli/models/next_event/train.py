"""Trains the next-event encoder on token histories, wherever they come from.

Tested in tests/models/next_event/test_pretrain.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from findcli.errors import FindCLIError
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.models.next_event.objective import (
    SAMPLED_ABOVE,
    SAMPLES,
    draw_negatives,
    likeness_contrast,
    next_set_loss,
)
from findcli.models.next_event.start import co_occurrence_factors
from findcli.models.next_event.tokens import Vocabulary
from findcli.models.weights import new_module
from findcli.progress import Progress
from findcli.training.loop import History, fit, mixed_precision, step_seed
from findcli.training.token_histories import NextTokens, TokenBatch, TokenHistories, batches_by_length, in_chunks
from findcli.workspace.next_event_settings import NextEvent

VALIDATION_WINDOWS = 512
Asked = Sequence[tuple[TokenBatch, NextTokens]]


@dataclass(frozen=True)
class Lessons:
    """What an encoder is trained and validated on.

    Attributes:
        histories: of the users that train it.
        users: their rows.
        validation: batches with what comes next, of other users or of later times.
        like: profile columns of the contrast between users.
    """

    histories: TokenHistories
    users: np.ndarray
    validation: Asked
    like: tuple[int, ...] = ()


def encoder_arguments(settings: NextEvent, vocabulary: Vocabulary, cardinalities: Sequence[int]) -> dict[str, Any]:
    """The arguments of `NextEventEncoder`.

    Raises:
        FindCLIError: the fields' embeddings leave no room in the width.
    """
    sizes = vocabulary.field_codes()[1]
    if settings.d_model - settings.d_field * len(sizes) < settings.d_field or settings.d_model % settings.heads:
        hint = f"set d_model in [next_event] to a multiple of heads = {settings.heads}, or a smaller d_field"
        raise FindCLIError(f"d_model = {settings.d_model} does not fit {len(sizes)} fields and the heads", hint=hint)
    return {
        "inputs": vocabulary.inputs, "tokens": vocabulary.size, "field_sizes": sizes,
        "max_events": settings.max_events, "d_model": settings.d_model, "d_field": settings.d_field,
        "layers": settings.layers, "heads": settings.heads, "dropout": settings.dropout, "sprm": settings.sprm,
        "dilations": list(settings.dilations), "prototypes": settings.prototypes, "profile": settings.profile,
        "profile_share": settings.profile_share, "cardinalities": list(cardinalities), "gaps": settings.gaps,
        "repeat": settings.repeat,
    }  # fmt: skip


def validation_batches(histories: TokenHistories, users: np.ndarray, settings: NextEvent) -> Asked:
    """The last windows of some users, with what comes next after each of their instants."""
    chosen = users[:: max(1, -(-len(users) // VALIDATION_WINDOWS))]
    windows = np.stack([histories.bounds[chosen], histories.bounds[chosen + 1]], 1)
    windows[:, 0] = np.maximum(windows[:, 0], windows[:, 1] - settings.max_events)
    windows = windows[windows[:, 1] - windows[:, 0] > 1]
    asked = []
    for rows in in_chunks(windows, settings.batch_size):
        batch, index = histories.batch(windows[rows])
        asked.append((batch, histories.next_tokens(index)))
    return [(batch, following) for batch, following in asked if len(following.row)]


def train_encoder(
    settings: NextEvent,
    vocabulary: Vocabulary,
    lessons: Lessons,
    cardinalities: Sequence[int],
    *,
    seed: int,
    device: torch.device | str,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> tuple[NextEventEncoder, dict[str, Any], History]:
    """Train an encoder; the same seed and thread count give the same bytes on a CPU.

    Returns:
        The encoder in eval mode, the arguments that make it, and the record of its training.

    Raises:
        FindCLIError: its sizes do not fit each other, no history has two events, or training diverges.
    """
    made_of = encoder_arguments(settings, vocabulary, cardinalities)
    encoder = new_module(NextEventEncoder, made_of, seed=seed)
    encoder.start_from(torch.from_numpy(vocabulary.field_codes()[0]), torch.from_numpy(vocabulary.counts))
    if settings.start == "co-occurrence":
        factors = co_occurrence_factors(lessons.histories, lessons.users, encoder.number_width, seed=seed)
        if factors is not None:
            encoder.start_at(*factors)
    encoder.to(device)
    passes = _Passes(lessons, settings, seed)
    sampled = _samples(settings, vocabulary)
    counts = torch.from_numpy(vocabulary.counts)

    def loss(step: int) -> dict[str, Tensor]:
        batch, following = passes.draw(step)
        batch, following = batch.to(device), following.to(device)
        negatives = None
        if sampled:
            generator = torch.Generator().manual_seed(step_seed(seed, step))
            negatives = draw_negatives(counts, sampled, generator).to(device)
        with mixed_precision(device):
            states = encoder(batch)
        states = states.float()
        terms = {"next": next_set_loss(encoder, batch, states, following, sampled=negatives)}
        if lessons.like:
            alike = batch.profile[:, list(lessons.like)]
            contrast = likeness_contrast(encoder.describe_users(batch, states), alike)
            share = settings.contrast_weight
            terms = {"next": (1 - share) * terms["next"], "contrast": share * contrast}
        return terms

    def validate() -> float:
        measured = measure if settings.validate_by == "likelihood" else measure_ranking
        return measured(encoder, lessons.validation, device)

    history = fit(
        loss, {"encoder": encoder}, steps=min(settings.steps, passes.steps), lr=settings.lr,
        weight_decay=settings.weight_decay, warmup=settings.warmup, clip=settings.clip, seed=seed, progress=progress,
        validate=validate if lessons.validation else None, validate_every=settings.validate_every,
        patience=settings.patience, checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every,
    )  # fmt: skip
    return encoder, made_of, history


def measure(encoder: NextEventEncoder, asked: Asked, device: torch.device | str) -> float:
    """Mean negative log likelihood of what came next, exact over all tokens."""
    total, positions = 0.0, 0
    for batch, following in asked:
        batch, following = batch.to(device), following.to(device)
        loss = next_set_loss(encoder, batch, encoder(batch), following)
        total += float(loss) * len(following.row)
        positions += len(following.row)
    return total / max(1, positions)


def measure_ranking(encoder: NextEventEncoder, asked: Asked, device: torch.device | str) -> float:
    """Minus the mean NDCG@10 of the best-ranked of the tokens that came next."""
    total, positions = 0.0, 0
    for batch, following in asked:
        batch, following = batch.to(device), following.to(device)
        odds = encoder.log_odds(batch, encoder(batch), following.row, following.place)  # (P, V)
        best = odds.new_full((len(odds),), -torch.inf)
        best.scatter_reduce_(0, following.position, odds[following.position, following.token], "amax")
        ranks = 1 + (odds > best[:, None]).sum(1)
        total += float(torch.where(ranks <= 10, 1 / (1 + ranks).log2(), 0.0).sum())
        positions += len(odds)
    return -total / max(1, positions)


def _samples(settings: NextEvent, vocabulary: Vocabulary) -> int:
    """Negatives a step; 0 for all tokens."""
    if settings.negatives:
        return min(settings.negatives, vocabulary.size)
    return SAMPLES if vocabulary.size > SAMPLED_ABOVE else 0


class _Passes:
    """Passes over all windows in random batches; which batch a step takes depends on the seed and the step alone."""

    def __init__(self, lessons: Lessons, settings: NextEvent, seed: int) -> None:
        self.lessons, self.settings, self.seed = lessons, settings, seed
        self.of_pass = lru_cache(maxsize=2)(self._cut)
        self.a_pass = len(self.of_pass(0)[1])
        if not self.a_pass:
            hint = "next-event training needs users with at least two events before train_until"
            raise FindCLIError("no training user has two events", hint=hint)
        self.steps = max(1, round(settings.epochs * self.a_pass))

    def _cut(self, number: int) -> tuple[np.ndarray, list[np.ndarray]]:
        rng = np.random.default_rng(step_seed(self.seed, -10 - number))
        windows = self.lessons.histories.windows(self.lessons.users, self.settings.max_events, rng)
        return windows, batches_by_length(windows, self.settings.batch_size, rng)

    def draw(self, step: int) -> tuple[TokenBatch, NextTokens]:
        """The batch of a step, the events of each instant shuffled."""
        windows, batches = self.of_pass(step // self.a_pass)
        rows = batches[min(step % self.a_pass, len(batches) - 1)]
        batch, index = self.lessons.histories.batch(windows[rows], np.random.default_rng(step_seed(self.seed, step)))
        return batch, self.lessons.histories.next_tokens(index)
