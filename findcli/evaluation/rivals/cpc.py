"""Contrastive predictive coding (CPC, arXiv 1807.03748) over time steps.

z_t is a step's vector, c_t the state of a GRU over the steps so far. A linear map per number of steps ahead predicts
z_{t+k}, and InfoNCE contrasts it with other users' steps. The sequence encoder adds cycles and attention to this.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from findcli.evaluation.rivals.probe_inputs import Head, UserInputs
from findcli.evaluation.rivals.windows import HistoryWindows, Pool, recurrent
from findcli.models.find.sequence import SequenceEncoder
from findcli.models.weights import new_module
from findcli.training.loop import fit, step_seed
from findcli.training.losses import INITIAL_LOGIT_SCALE, MAX_LOGIT_SCALE, forecast_contrast

ANCHORS, NEGATIVES = 2048, 512


@dataclass(frozen=True, kw_only=True)
class Cpc:
    """Vectors of the trained encoder.

    Args:
        d_model: width.
        positives: number of steps ahead that are predicted.
        pool: the contexts that make up the user's vector.
        steps: optimiser steps.
        batch_size: users per step.
        lr: peak learning rate.
    """

    d_model: int = 128
    positives: int = 4
    pool: Pool = "last"
    steps: int = 300
    batch_size: int = 128
    lr: float = 2e-3
    head: Head = "linear"
    name = "cpc"
    version = 1

    def vectors(self, inputs: UserInputs) -> np.ndarray:
        """Train on training users, then encode all users: float32 (U, d_model).

        Raises:
            FindCLIError: no training user has an event.
        """
        windows = HistoryWindows.of(inputs)
        made_of = recurrent(windows, d_model=self.d_model, positives=self.positives)
        encoder = new_module(SequenceEncoder, made_of, seed=inputs.seed)
        scale = nn.ParameterDict({"logit_scale": nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))})

        def loss(step: int) -> dict[str, Tensor]:
            inputs.keep_time()
            seed = step_seed(inputs.seed, step)
            steps, _, _ = windows.draw(self.batch_size, np.random.default_rng(seed))
            scale["logit_scale"].data.clamp_(max=MAX_LOGIT_SCALE)
            context = encoder(steps.vectors, steps.valid)  # (B, T, d_model)
            contrast = forecast_contrast(
                encoder.predictions(context), encoder.targets(steps.vectors), steps.observed, steps.valid,
                scale["logit_scale"], anchors=ANCHORS, negatives=NEGATIVES,
                generator=torch.Generator().manual_seed(seed),
            )  # fmt: skip
            return {"contrast": contrast}

        fit(
            loss, {"encoder": encoder, "scale": scale}, steps=self.steps, lr=self.lr, weight_decay=0.01, warmup=0.05,
            clip=1.0, seed=inputs.seed,
        )  # fmt: skip
        return windows.describe(encoder, self.pool)
