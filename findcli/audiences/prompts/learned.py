"""Score users by learned prompts: by e^q, by what remains of the sentence's own score, and by the users' summaries.

A learned prompt changes e^q; the scorer defines how that moves scores (`scoring/scores.py`). A prompt may also keep
only part of the sentence's own score, and read a user's stored summary.

Legend: N users, P prompts, D width of e^q, S of the summary.

Tested in tests/audiences/prompts/test_store.py.
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
    """The scores of all users for learned prompts that start from a sentence's e^q (D,): float32 (N, P)."""
    start = scorer.moved(sentence, sentence[None], gain=gain)  # (N, 1)
    moved = scorer.moved(sentence, learned.queries, gain=gain)
    scores: np.ndarray = moved + start * (learned.weights - 1) + scorer.summary @ learned.readings.T
    return scores.astype(np.float32)


@torch.no_grad()
def prompt_queries(sentences: SentenceSide, sentence: str, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The e^q of a sentence and of the prompt that started from it, (2, D); equal if no step was taken.

    Args:
        sentences: the sentence side that encodes the tokens.
        sentence: the sentence that the prompt started from.
        tensors: the saved prompt, `began` and `tokens`.
    """
    encoder = sentences.encoder
    tokens = torch.from_numpy(np.stack([tensors["began"], tensors["tokens"]])).to(encoder.device)
    queries: np.ndarray = sentences.query(encoder.embed_prompts(sentence, tokens)).cpu().numpy()
    if np.array_equal(tensors["began"], tensors["tokens"]):
        queries[1] = queries[0]
    return queries
