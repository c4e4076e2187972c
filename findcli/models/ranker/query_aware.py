"""Query-aware scoring: a demand picks, by the likeness of texts, the concepts of a history that it is about.

Beside the single vector of FIND a user keeps sparse levels over concepts (`concepts.py`). A demand becomes weights over
them, sharp (what it names) and wide (what is like it), and over the concepts that co-occurrence knows. The features of
a (user, demand) are the weighted levels, what co-occurrence adds, the user's activity and the concept's base rate; a
`Ranker`, a linear layer beside a small perceptron, reads them. No feature names a concept, so a demand that was never
trained on is scored by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.concepts import ACTIVITY, LEVELS, Habits

SHARP, WIDE = 0.04, 0.15  # temperatures of the two kernels, in cosine
SMALLEST = 1e-3  # a concept that weighs less, beside the best, is left out
NAMED = 0.98  # a demand whose nearest concept is at least so near is that concept's own sentence
WIDE_LEVEL, CO_LEVEL = "decay 0.9", "decay 0.95"
FEATURES = (
    *LEVELS,
    "alike",
    "co-occurrence",
    "factors",
    *(f"user's {name}" for name in ACTIVITY),
    "base rate",
    "late base rate",
)
GROUPS = {
    "kernel": ("alike",),
    "co-occurrence": ("co-occurrence",),
    "factors": ("factors",),
    "activity": tuple(f"user's {name}" for name in ACTIVITY),
    "base-rates": ("base rate", "late base rate"),
}  # what a ranker can do without, by the features that it is made of
ROWS = 4096


@dataclass(frozen=True)
class Concepts:
    """The concepts of a workspace as of a date.

    Attributes:
        vectors: unit vectors of their texts, float32 (n_concepts, d_text).
        ever: share of users who met each, float32 (n_concepts,).
        late: share of users who met it within four weeks, float32 (n_concepts,).
        known: how much of each of the M concepts that co-occurrence knows stands for it, sparse (n_concepts, M).
    """

    vectors: np.ndarray
    ever: np.ndarray
    late: np.ndarray
    known: sparse.csr_matrix


@dataclass(frozen=True)
class Query:
    """Q demands as weights over concepts.

    Attributes:
        sharp: what they name, float32 (n_concepts, Q); columns sum to 1.
        wide: what is like it, likewise.
        known: `sharp` in the concepts of the co-occurrence, float32 (M, Q).
        base: log odds of the base rates, float32 (2, Q): ever, and within four weeks.
        nearest: cosine of the nearest concept, (Q,).
    """

    sharp: np.ndarray
    wide: np.ndarray
    known: np.ndarray
    base: np.ndarray
    nearest: np.ndarray


def translate(vectors: np.ndarray, known: np.ndarray) -> sparse.csr_matrix:
    """How known concepts stand for others by likeness: sparse (n_concepts, M), a row of one where the text is the same.

    Args:
        vectors: unit vectors of the concepts at hand, (n_concepts, d_text).
        known: unit vectors of those that a model knows, (M, d_text).
    """
    rows, columns, values = [], [], []
    for start in range(0, len(vectors), ROWS):
        cosine = vectors[start : start + ROWS] @ known.T
        most = min(3, known.shape[0])
        best = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        weight = softmax(np.take_along_axis(cosine, best, 1).T, SHARP).T
        rows.append(np.repeat(np.arange(start, start + len(cosine)), most))
        columns.append(best.ravel())
        values.append(weight.ravel())
    found = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(found, (len(vectors), len(known)), dtype=np.float32)


def pick_concepts(vectors: np.ndarray, concepts: Concepts) -> Query:
    """Let demands pick their concepts.

    Args:
        vectors: unit vectors of the demands, (Q, d_text).
        concepts: what there is to pick.
    """
    cosine = concepts.vectors @ vectors.T  # (n_concepts, Q)
    sharp = softmax(cosine, SHARP)
    base = np.stack([_log_odds(rate @ sharp) for rate in (concepts.ever, concepts.late)])
    known = np.asarray(concepts.known.T @ sharp, np.float32)
    return Query(sharp, softmax(cosine, WIDE), known, base, cosine.max(0))


def columns_of(groups: Iterable[str]) -> list[int]:
    """The columns of features that some of `GROUPS` are made of."""
    return [FEATURES.index(name) for group in groups for name in GROUPS[group]]


def softmax(cosine: np.ndarray, temperature: float) -> np.ndarray:
    """Weights over the rows of (n, Q), float32; those that hardly count are left out."""
    weights = np.exp((cosine - cosine.max(0)) / temperature)
    weights[weights < SMALLEST] = 0
    share: np.ndarray = (weights / weights.sum(0)).astype(np.float32)
    return share


def _log_odds(rate: np.ndarray) -> np.ndarray:
    kept = np.clip(rate, 1e-3, 1 - 1e-3)
    odds: np.ndarray = np.log(kept / (1 - kept)).astype(np.float32)
    return odds


@dataclass(frozen=True)
class CoOccurrenceFeatures:
    """N users among what comes with what.

    Attributes:
        levels: of the M concepts that co-occurrence knows, in units of their spread, sparse (N, M).
        factors: the users' places, float32 (N, R).
    """

    levels: sparse.csr_matrix
    factors: np.ndarray

    def rows(self, users: np.ndarray) -> CoOccurrenceFeatures:
        """That of some of the users."""
        return CoOccurrenceFeatures(self.levels[users], self.factors[users])


def co_occurrence_features(
    habits: Habits, concepts: Concepts, learned: CoOccurrence, *, factors: np.ndarray | None = None
) -> CoOccurrenceFeatures:
    """See users among what comes with what.

    Args:
        habits: of N users.
        concepts: those that the habits are of.
        learned: what comes with what.
        factors: the users' places, where they are known already.
    """
    levels = habits.levels[CO_LEVEL] @ concepts.known  # (N, M)
    return CoOccurrenceFeatures(learned.scale(levels), learned.places(levels) if factors is None else factors)


def query_features(habits: Habits, among: CoOccurrenceFeatures, query: Query, learned: CoOccurrence) -> np.ndarray:
    """What the histories of N users say about Q demands: float32 (N, Q, F), in the order of `FEATURES`."""
    adds = learned.weights @ (query.known * learned.spread[:, None])  # (M, Q)
    per_pair = [
        *(habits.levels[name] @ query.sharp for name in LEVELS),
        habits.levels[WIDE_LEVEL] @ query.wide,
        among.levels @ adds,
        among.factors @ (learned.factors.T @ query.known),
    ]
    n_users, n_queries = per_pair[0].shape
    features = np.empty((n_users, n_queries, len(FEATURES)), np.float32)
    for i, found in enumerate(per_pair):
        features[:, :, i] = found
    end = len(per_pair) + habits.activity.shape[1]
    features[:, :, len(per_pair) : end] = habits.activity[:, None, :]
    features[:, :, end:] = query.base.T[None]
    return features


@torch.no_grad()
def score(
    habits: Habits, among: CoOccurrenceFeatures, query: Query, learned: CoOccurrence, ranker: torch.nn.Module
) -> np.ndarray:
    """The log odds of Q demands for N users, float32 (N, Q), a few thousand users at a time."""
    n_users = habits.activity.shape[0]
    found = [np.empty((0, query.sharp.shape[1]), np.float32)]
    for rows in _row_blocks(n_users, max(1, 200 * ROWS // query.sharp.shape[1])):
        features = query_features(habits.rows(rows), among.rows(rows), query, learned)
        found.append(ranker(torch.from_numpy(features)).numpy())
    return np.concatenate(found)


def _row_blocks(n: int, size: int) -> Iterator[np.ndarray]:
    for start in range(0, n, size):
        yield np.arange(start, min(n, start + size))


def score_slopes(
    habits: Habits,
    concepts: Concepts,
    among: CoOccurrenceFeatures,
    vector: np.ndarray,
    moves: np.ndarray,
    learned: CoOccurrence,
    ranker: torch.nn.Module,
) -> np.ndarray:
    """How the log odds of N users for one demand change as its vector moves: directional derivatives.

    Args:
        habits: of N users.
        concepts: what there is to pick.
        among: the users among what comes with what.
        vector: the demand's unit vector, (d_text,).
        moves: directions, (K, d_text).
        learned: what comes with what.
        ranker: features -> log odds.

    Returns:
        float32 (N, K).
    """
    query, tangent = pick_concepts(vector[None], concepts), _tangent(vector, moves, concepts)
    n_users = habits.activity.shape[0]
    found = [np.empty((0, len(moves)), np.float32)]
    for rows in _row_blocks(n_users, max(1, 50 * ROWS // len(moves))):
        mine, near = habits.rows(rows), among.rows(rows)
        at = torch.from_numpy(query_features(mine, near, query, learned)).requires_grad_()  # (n, 1, F)
        with torch.enable_grad():
            (slopes,) = torch.autograd.grad(ranker(at).sum(), at)
        still = Habits(mine.levels, np.zeros_like(mine.activity))  # a user's activity does not depend on the demand
        change = query_features(still, near, tangent, learned)  # (n, K, F)
        found.append(np.einsum("nkf,nf->nk", change, slopes[:, 0].numpy()))
    return np.concatenate(found)


def _tangent(vector: np.ndarray, moves: np.ndarray, concepts: Concepts) -> Query:
    """The derivatives of `pick_concepts` along K directions, in the place of K demands."""
    cosine, moved = concepts.vectors @ vector, concepts.vectors @ moves.T  # (n_concepts,), (n_concepts, K)
    sharp, wide = (_kernel_slope(cosine, moved, temperature) for temperature in (SHARP, WIDE))
    weights = softmax(cosine[:, None], SHARP)[:, 0]
    base = []
    for rate in (concepts.ever, concepts.late):
        share = float(rate @ weights)
        inside = 1e-3 < share < 1 - 1e-3
        base.append((rate @ sharp) / (share * (1 - share)) if inside else np.zeros(len(moves)))
    known = np.asarray(concepts.known.T @ sharp, np.float32)
    return Query(sharp, wide, known, np.stack(base).astype(np.float32), cosine.max()[None])


def _kernel_slope(cosine: np.ndarray, moved: np.ndarray, temperature: float) -> np.ndarray:
    """The derivative of `softmax` of (n,) along (n, K): float32 (n, K)."""
    weights = softmax(cosine[:, None], temperature)  # (n, 1)
    slope: np.ndarray = (weights * (moved - weights.T @ moved) / temperature).astype(np.float32)
    return slope


class Ranker(nn.Module):
    """A linear layer beside a small perceptron over features of (user, sentence).

    The features are standardised by buffers, which `set_scale` fills from training examples.

    Args:
        features: how many there are.
        width: of the perceptron's two layers.

    Shape:
        (..., features) -> (...), the log odds that the sentence is true
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *, features: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.linear = nn.Linear(features, 1)
        self.perceptron = nn.Sequential(
            nn.Linear(features, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1)
        )

    def set_scale(self, examples: Tensor, *, without: Sequence[int] = ()) -> None:
        """Standardise by examples, (N, features); the columns `without` are made 0, whatever they hold."""
        self.mean.copy_(examples.mean(0))
        self.deviation.copy_(examples.std(0) + 1e-3)
        self.deviation[list(without)] = torch.inf

    def forward(self, features: Tensor) -> Tensor:
        """The log odds: (..., features) -> (...)."""
        scaled = (features - self.mean) / self.deviation
        odds: Tensor = self.linear(scaled) + self.perceptron(scaled)
        return odds.squeeze(-1)
