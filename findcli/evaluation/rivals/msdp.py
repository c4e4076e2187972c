"""MSDP (CIKM 2023): predict the distribution over behaviour types in windows of several lengths ahead.

The window's length W is a prompt: its embedding is concatenated with the state h_T of a GRU over the history. Two
random maskings of one history attract each other (SimSiam). Our reading of the loss is the mean over lengths of
KL(normalised counts in (T, T + W] || softmax f(h_T, emb(W))), plus a weight times the symmetric negative cosine.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from findcli.evaluation.rivals.probe_inputs import DAY, Head, UserInputs, encode_values, vocabulary
from findcli.evaluation.rivals.windows import HistoryWindows, Pool, pooled, recurrent
from findcli.models.find.sequence import SequenceEncoder
from findcli.models.weights import new_module
from findcli.training.batches import Steps
from findcli.training.loop import fit, step_seed


@dataclass(frozen=True, kw_only=True)
class Msdp:
    """Vectors of the trained encoder.

    Args:
        d_model: width.
        types: number of behaviour types, the most frequent pairs of source and category.
        days: lengths of the windows ahead, in days.
        mask: share of steps blanked in each masking.
        weight: weight of the agreement of two maskings.
        pool: the contexts that make up h_T.
        steps: optimiser steps.
        batch_size: users per step.
        lr: peak learning rate.
    """

    d_model: int = 128
    types: int = 300
    days: tuple[int, ...] = (7, 14, 28, 56)
    mask: float = 0.2
    weight: float = 0.2
    pool: Pool = "last"
    steps: int = 300
    batch_size: int = 128
    lr: float = 2e-3
    head: Head = "linear"
    name = "msdp"
    version = 1

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Train on training users, then encode all users: float32 (U, d_model).

        Raises:
            FindCLIError: no training user has an event.
        """
        windows = HistoryWindows.of(inputs)
        cells = _cells(windows)
        kinds = vocabulary(cells, most=self.types)
        types = encode_values(cells, kinds, unknown=-1)  # -1 is none of them
        made_of = {"encoder": recurrent(windows, d_model=self.d_model), "types": len(kinds), "lengths": len(self.days)}
        model = new_module(_Forecaster, made_of, seed=inputs.seed)

        def loss(step: int) -> dict[str, Tensor]:
            inputs.keep_time()
            rng = np.random.default_rng(step_seed(inputs.seed, step))
            steps, users, ends = windows.draw(self.batch_size, rng, ahead=max(self.days) * DAY)
            counts = torch.stack(
                [_counts(windows, types, len(kinds), users, ends, days * DAY) for days in self.days], 1
            )
            states = [pooled(model.encoder, _masked(steps, self.mask, rng), self.pool) for _ in range(2)]
            distance = model.divergence(states[0], counts) + model.divergence(states[1], counts)
            return {"forecast": distance / 2, "agreement": self.weight * model.disagreement(*states)}

        fit(
            loss, {"model": model}, steps=self.steps, lr=self.lr, weight_decay=0.01, warmup=0.05, clip=1.0,
            seed=inputs.seed,
        )  # fmt: skip
        return windows.describe(model.encoder, self.pool)


class _Forecaster(nn.Module):
    """The encoder, the head that a length prompts, and SimSiam's two perceptrons."""

    def __init__(self, *, encoder: dict[str, int], types: int, lengths: int) -> None:
        super().__init__()
        width = encoder["d_model"]
        self.encoder = SequenceEncoder(**encoder)  # type: ignore[arg-type]
        self.prompt = nn.Embedding(lengths, width)
        self.head = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, types))
        self.project = _perceptron(width)
        self.predict = _perceptron(width)

    def divergence(self, state: Tensor, counts: Tensor) -> Tensor:
        """Mean KL divergence of normalised counts (B, W, K), if not all 0, from the forecast of states (B, D): ()."""
        prompts = self.prompt.weight.expand(len(state), -1, -1)  # (B, W, D)
        logits = self.head(torch.cat([state.unsqueeze(1).expand_as(prompts), prompts], -1))  # (B, W, K)
        total = counts.sum(-1, keepdim=True)
        share = counts / total.clamp(min=1)
        divergence = functional.kl_div(logits.log_softmax(-1), share, reduction="none").sum(-1)  # (B, W)
        return divergence.sum() / (total > 0).sum().clamp(min=1)

    def disagreement(self, one: Tensor, other: Tensor) -> Tensor:
        """SimSiam's symmetric negative cosine of the states of two maskings, (B, D) each: ()."""
        first, second = self.project(one), self.project(other)
        there = functional.cosine_similarity(self.predict(first), second.detach(), dim=1)
        back = functional.cosine_similarity(self.predict(second), first.detach(), dim=1)
        return -(there + back).mean() / 2


def _perceptron(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width))


def _cells(windows: HistoryWindows) -> pl.Series:
    """The behaviour type of each training event: its source and category."""
    frame = windows.training.frame
    name = pl.col("category").fill_null("") if "category" in frame.columns else pl.lit("")
    return frame.select(cell=pl.col("source") + "\n" + name)["cell"]


def _counts(
    windows: HistoryWindows, types: np.ndarray, n_types: int, users: np.ndarray, ends: np.ndarray, length: int
) -> Tensor:
    """Each user's number of events by type in [end, end + length): float (B, K)."""
    owner, index = windows.training.histories.within(users, ends + length, length=length)
    kept = types[index] >= 0
    flat = np.bincount(owner[kept] * n_types + types[index][kept], minlength=len(users) * n_types)
    return torch.from_numpy(flat.reshape(-1, n_types)).float()


def _masked(steps: Steps, share: float, rng: np.random.Generator) -> Steps:
    """The steps, with a share of them blanked."""
    blank = torch.from_numpy(rng.random(steps.valid.shape) < share).unsqueeze(-1)
    return Steps(steps.vectors.masked_fill(blank, 0), steps.valid, steps.observed)
