"""The next-event encoder as a scorer, and its forms, such as one like SASRec: no motifs, no profile, nothing else.

Tested in tests/evaluation/next_event/test_baselines.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch

from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.questions import Questions
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.models.next_event.train import train_encoder

BATCH = 64
PLAIN: dict[str, Any] = {"sprm": "none", "profile": "none", "gaps": False, "repeat": "none", "like": ()}
# The rows of the paper's ablation, each with what it is less than the default form.
ABLATION: dict[str, dict[str, Any]] = {
    "Transformer": {"sprm": "none", "profile": "none"},
    "+ motifs": {"profile": "none"},
    "+ motifs as released": {"sprm": "released", "profile": "none"},
    "+ profile as first token": {"profile": "first-token"},
    "+ profile at every position": {"profile": "position"},
    "without gaps": {"gaps": False},
    "repeats mixed in": {"repeat": "mixed"},
    "without repeats": {"repeat": "none"},
}


class EncoderScorer:
    """Scores by an encoder's odds.

    Args:
        name: of the row.
        encoder: in eval mode.
        device: where it computes.
    """

    def __init__(self, name: str, encoder: NextEventEncoder, device: str) -> None:
        self.name, self.encoder, self.device = name, encoder, device

    @classmethod
    def train(cls, teaching: Teaching, name: str, changes: dict[str, Any]) -> Self:
        """Train a form of the encoder on what baselines learn from."""
        encoder, _, _ = train_encoder(
            replace(teaching.settings, **changes), teaching.vocabulary, teaching.lessons, teaching.cardinalities,
            seed=teaching.seed, device=teaching.device, progress=teaching.progress,
        )  # fmt: skip
        return cls(name, encoder, teaching.device)

    @classmethod
    def like_sasrec(cls, teaching: Teaching) -> Self:
        """Attention alone (Kang and McAuley, ICDM 2018), on the same tokens."""
        return cls.train(teaching, "SASRec-like", PLAIN)

    @torch.no_grad()
    def scores(self, asked: Questions) -> np.ndarray:
        """Log probabilities of the next token."""
        scores = []
        for part in asked.chunks(BATCH):
            batch = part.histories.batch(part.windows)[0].to(self.device)
            rows = torch.arange(len(part), device=self.device)
            odds = self.encoder.log_odds(batch, self.encoder(batch), rows, batch.lengths - 1)
            scores.append(odds.float().cpu().numpy())
        return np.concatenate(scores)
