"""What reads a learned prompt's e^q: FIND's single vector, and query-aware scoring to first order.

A learned prompt changes e^q and nothing else; a reader turns e^q into scores. Both readers go by its move from the
sentence's e^q_0, in the plane that touches the sphere there, times a gain. The gain is fixed before a seed is looked
at, and kept with the prompt: it lets e^q stay near the sentence's, where the text encoder is smooth, and say enough.

FIND's own reader takes the product of e^f and e^q_0 + gain * move, which ranks as their cosine does. Query-aware
scoring is far from linear in e^q: its sharp kernel jumps from one concept to the next, and a few seeds cannot steer
jumps. It is read to first order around the sentence,

    score(u) = s(e^q_0, u) + gain * move . ds/de^q(e^q_0, u)

with the log odds s of the sentence and their slope, both of the frozen model: how much more likely the sentence would
be of this user if it meant a little more of this or of that.

Beside e^q a prompt may keep less of the sentence's score than all, and read a user's stored summary (`score_learned`).

Shapes: P prompts, R chosen users, N users, D the width of e^q.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from findcli.models.ranker.snapshot import Snapshot, read_snapshot
from findcli.models.text.encoder import TextEncoder
from findcli.models.text.space import TextSpace
from findcli.scoring.embed import scores_by_query
from findcli.scoring.scores import QueryScorer, load_sentence_encoder
from findcli.training.loop import select_device
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run


class Reader(Protocol):
    """What reads e^q.

    Attributes:
        encoder: that tokens go into.
        summary: of N users, what `embed` stores of each in short, float32 (N, S).
    """

    encoder: TextEncoder
    summary: np.ndarray

    @property
    def query(self) -> Callable[[Tensor], Tensor]:
        """Turns the encoder's vectors (P, d_text) into e^q, unit vectors (P, D), with gradients."""

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """How the scores of some users move with e^q, at a sentence's (D,): (R, D)."""

    def score(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The scores of all users for prompts' e^q (P, D), begun from a sentence's (D,): (N, P)."""


def open_reader(trained: Workspace, run: Run, *, device: str = "auto") -> Reader:
    """The reader of a trained model over a folder of embeddings.

    Args:
        trained: the workspace whose model reads.
        run: the embeddings.
        device: "auto", "cpu", "cuda" or "mps".
    """
    known = run.tensors("users.safetensors")
    if scores_by_query(trained):
        return QueryReader(trained, read_snapshot(run), known["summary"], device=device)
    aligned = open_run(trained.run("aligned"), "aligned")
    return VectorReader(aligned, known["embeddings"], known["summary"], device=device)


def open_encoder(trained: Workspace) -> TextEncoder:
    """The text encoder that a trained model's prompts go into, on the CPU."""
    if scores_by_query(trained):
        return TextSpace(open_run(trained.run("text"), "text"), device="cpu").encoder()
    return load_sentence_encoder(open_run(trained.run("aligned"), "aligned"), device="cpu").tower


@torch.no_grad()
def prompt_queries(
    encoder: TextEncoder, query: Callable[[Tensor], Tensor], sentence: str, tensors: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The e^q of a sentence and of the prompt that began there, (2, D); equal where no step was taken.

    Args:
        encoder: that the tokens go into.
        query: its vectors as e^q.
        sentence: where the prompt began.
        tensors: the saved prompt, `began` and `tokens`.
    """
    tokens = torch.from_numpy(np.stack([tensors["began"], tensors["tokens"]])).to(encoder.device)
    found: np.ndarray = query(encoder.embed_prompts(sentence, tokens)).cpu().numpy()
    if np.array_equal(tensors["began"], tensors["tokens"]):
        found[1] = found[0]
    return found


def open_queries(trained: Workspace, sentence: str, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """`prompt_queries` of a trained model, without its users: (2, D)."""
    if scores_by_query(trained):
        space = TextSpace(open_run(trained.run("text"), "text"), device="cpu")
        return prompt_queries(space.encoder(), partial(_whitened, space), sentence, tensors)
    sentences = load_sentence_encoder(open_run(trained.run("aligned"), "aligned"), device="cpu")
    return prompt_queries(sentences.tower, sentences.head, sentence, tensors)


def _whitened(space: TextSpace, raw: Tensor) -> Tensor:
    """Whitened unit vectors: (P, d_text) -> (P, D)."""
    mean, matrix = (torch.from_numpy(part.copy()).to(raw.device) for part in (space.mean, space.matrix))
    return functional.normalize((raw - mean) @ matrix, dim=-1)


class VectorReader:
    """FIND's own: the cosine of e^q with e^f.

    Args:
        aligned: the trained model.
        embeddings: unit vectors of users, (N, D).
        summary: of users, (N, S).
        device: "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, aligned: Run, embeddings: np.ndarray, summary: np.ndarray, *, device: str) -> None:
        self.sentences = load_sentence_encoder(aligned, device=device).requires_grad_(requires_grad=False)
        self.encoder, self.query = self.sentences.tower, self.sentences.head
        self.embeddings, self.summary = embeddings, summary

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:  # noqa: ARG002, the same at every sentence
        """The users' own vectors: (R, D)."""
        found: np.ndarray = self.embeddings[rows]
        return found

    def score(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The products with what lies along the moves, which rank as the cosines do: (N, P)."""
        along = sentence + gain * moves_from(sentence, queries)  # (P, D)
        found: np.ndarray = (torch.from_numpy(self.embeddings) @ torch.from_numpy(along).T).numpy()
        return found


class QueryReader:
    """The default: log odds by the concepts that the sentence picks, to first order in e^q.

    Args:
        trained: the workspace whose model reads.
        snapshot: N users and their concepts.
        summary: of the users, (N, S).
        device: "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, trained: Workspace, snapshot: Snapshot, summary: np.ndarray, *, device: str) -> None:
        where = select_device(device)
        space = TextSpace(open_run(trained.run("text"), "text"), device=str(where))
        self.encoder = space.encoder().requires_grad_(requires_grad=False)
        self.query, self.summary = partial(_whitened, space), summary
        self.scorer = QueryScorer.open(open_run(trained.run("aligned"), "aligned"), snapshot)

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The slope of the log odds: (R, D)."""
        return self.scorer.slopes(sentence, np.eye(len(sentence), dtype=np.float32), rows)

    def score(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The log odds of the sentence and what the prompts change: (N, P)."""
        began = self.scorer.odds(sentence[None])  # (N, 1)
        moved = np.flatnonzero((queries != sentence).any(1))
        scores = np.repeat(began, len(queries), axis=1)
        if len(moved):
            scores[:, moved] += gain * self.scorer.slopes(sentence, moves_from(sentence, queries[moved]))
        return scores


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


def score_learned(reader: Reader, sentence: np.ndarray, learned: Learned, *, gain: float) -> np.ndarray:
    """The scores of all users for learned prompts, begun from a sentence's e^q (D,): (N, P)."""
    began = reader.score(sentence, sentence[None], gain=gain)  # (N, 1)
    found = reader.score(sentence, learned.queries, gain=gain)
    scores: np.ndarray = found + began * (learned.weights - 1) + reader.summary @ learned.readings.T
    return scores.astype(np.float32)


def moves_from(sentence: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """How far unit vectors (P, D) lie from a sentence's (D,), in the plane that touches the sphere there: (P, D).

    Users rank alike by the cosine with a unit vector and by the product with the sentence's and this move. Beyond a
    right angle there is no such move; there it is as long as near to it.
    """
    along = np.maximum(queries @ sentence, 0.05)[:, None]
    across = queries - (queries @ sentence)[:, None] * sentence
    found: np.ndarray = (across / along).astype(np.float32)
    return found
