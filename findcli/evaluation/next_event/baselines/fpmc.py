"""FPMC: factors of a user and of the last instant, added up (Rendle et al., WWW 2010).

NOTE[paper]: held-out users have no factors of their own, so a user is the mean of factors of the tokens of the
history, and the loss is the exact softmax in place of sampled pairs.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from findcli.evaluation.next_event.baselines.teaching import Teaching, normalised
from findcli.evaluation.next_event.questions import Questions
from findcli.training.loop import fit, step_seed

FACTORS, STEPS, BATCH = 32, 400, 256
LR = 5e-3


class Factors(nn.Module):
    """The factors of each side, and a bias of each token."""

    def __init__(self, tokens: int, popularity: np.ndarray) -> None:
        super().__init__()
        sides = ("user", "user_token", "last", "last_token")
        self.sides = nn.ParameterDict({side: nn.Parameter(torch.randn(tokens, FACTORS) * 0.1) for side in sides})
        self.bias = nn.Parameter(torch.from_numpy(np.log(popularity)).float())

    def forward(self, history: Tensor, last: Tensor) -> Tensor:
        """Scores of tokens: shares of the history and of the last instant, sparse (Q, V) each -> (Q, V)."""
        user = torch.sparse.mm(history, self.sides["user"]) @ self.sides["user_token"].T
        after = torch.sparse.mm(last, self.sides["last"]) @ self.sides["last_token"].T
        scores: Tensor = user + after + self.bias
        return scores


class FPMC:
    """Scores by factors.

    Args:
        factors: trained.
    """

    name = "FPMC"

    def __init__(self, factors: Factors) -> None:
        self.factors = factors

    @classmethod
    def fit(cls, teaching: Teaching) -> Self:
        """Train on random instants of training users."""
        histories, settings = teaching.histories, teaching.settings
        ends = np.flatnonzero(histories.is_last & teaching.learned_from & (histories.next_end > histories.next_start))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_seed(teaching.seed, -4))
            factors = Factors(teaching.tokens, teaching.popularity)

        def loss(step: int) -> dict[str, Tensor]:
            rng = np.random.default_rng(step_seed(teaching.seed, step))
            stops = np.sort(rng.choice(ends, min(BATCH, len(ends)), replace=False)) + 1
            starts = np.maximum(histories.bounds[histories.user[stops - 1]], stops - settings.max_events)
            asked = Questions.after(histories, np.stack([starts, stops], 1))
            kept = asked.token >= 0
            log_odds = factors(*_inputs(asked)).log_softmax(1)
            question = torch.from_numpy(asked.question[kept])
            sizes = torch.bincount(question, minlength=len(asked)).clamp(min=1)
            return {"next": -(log_odds[question, torch.from_numpy(asked.token[kept])] / sizes[question]).sum() / BATCH}

        def validate() -> float:
            asked = teaching.tuning.rows(np.arange(len(teaching.tuning))[: 2 * BATCH])
            kept = asked.token >= 0
            log_odds = factors(*_inputs(asked)).log_softmax(1)
            return -float(log_odds[torch.from_numpy(asked.question[kept]), torch.from_numpy(asked.token[kept])].mean())

        fit(
            loss, {"factors": factors}, steps=STEPS, lr=LR, weight_decay=0.01, warmup=0.05, clip=1.0,
            seed=teaching.seed, validate=validate, validate_every=100, patience=2, progress=teaching.progress,
        )  # fmt: skip
        return cls(factors)

    @torch.no_grad()
    def scores(self, asked: Questions) -> np.ndarray:
        """The sum of both products and the bias."""
        scores: np.ndarray = self.factors(*_inputs(asked)).numpy()
        return scores


def _inputs(asked: Questions) -> tuple[Tensor, Tensor]:
    return _tensor(normalised(asked.own())), _tensor(normalised(asked.own(last_only=True)))


def _tensor(matrix: sparse.csr_array) -> Tensor:
    """A sparse matrix as torch's."""
    made = matrix.tocoo()
    places = torch.from_numpy(np.stack([made.row, made.col]).astype(np.int64))
    return torch.sparse_coo_tensor(
        places, torch.from_numpy(made.data).float(), made.shape, check_invariants=False, is_coalesced=True
    )
