"""What a learned prompt ranks: its e^q read by a scorer, how much of the sentence remains, and the users' summaries.

A learned prompt changes e^q; how that moves scores, the scorer says (`scoring/scores.py`). Beside e^q a prompt may keep
less of the sentence's own score than all, and read a user's stored summary.

Legend: N users, P prompts, D width of e^q, S of the summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from findcli.scoring.scores import Scorer, SentenceSide


@dataclass(frozen=True)
class Learned:
    """P learned prompts of one sentence.

    Attributes:
        queries: their e^q, (P, D).
        weights: how much of the sentence's own score remains, (P,).
        readings: what each entry of a user's summary adds, (P, S).
    """

    queries: np.ndarray
    weights: np.ndarray
    readings: np.ndarray


def score_learned(scorer: Scorer, sentence: np.ndarray, learned: Learned, *, gain: float) -> np.ndarray:
    """The scores of all users for learned prompts, begun from a sentence's e^q (D,): float32 (N, P)."""
    began = scorer.moved(sentence, sentence[None], gain=gain)  # (N, 1)
    moved = scorer.moved(sentence, learned.queries, gain=gain)
    scores: np.ndarray = moved + began * (learned.weights - 1) + scorer.summary @ learned.readings.T
    return scores.astype(np.float32)


@torch.no_grad()
def prompt_queries(sentences: SentenceSide, sentence: str, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The e^q of a sentence and of the prompt that began there, (2, D); equal where no step was taken.

    Args:
        sentences: that the tokens go into.
        sentence: where the prompt began.
        tensors: the saved prompt, `began` and `tokens`.
    """
    encoder = sentences.encoder
    tokens = torch.from_numpy(np.stack([tensors["began"], tensors["tokens"]])).to(encoder.device)
    queries: np.ndarray = sentences.query(encoder.embed_prompts(sentence, tokens)).cpu().numpy()
    if np.array_equal(tensors["began"], tensors["tokens"]):
        queries[1] = queries[0]
    return queries
