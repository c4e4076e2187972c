"""Query-aware scoring: a demand picks, by text similarity, the concepts of a history that it is about.

Besides FIND's single vector, a user keeps sparse levels over concepts (`concepts.py`). A demand becomes weights over
concepts, sharp (what it names) and wide (what is similar), and over those of the co-occurrence model. The features of a
(user, demand) are the weighted levels, what co-occurrence adds, the user's activity and the concept's base rate; a
`Ranker`, a linear layer beside a small perceptron, reads them. No feature names a concept, so a demand that was never
trained on is scored by the same rule.

Legend: N users, Q demands, F features, M concepts of the co-occurrence model, R its factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from findcli.errors import FindCLIError
from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.concepts import ACTIVITY, LEVELS, Habits

SHARP, WIDE = 0.04, 0.15  # temperatures of the two kernels, in cosine
SMALLEST = 1e-3  # a concept whose weight is below this share of the best one's is left out
NAMED = 0.98  # cosine with a concept from which a demand counts as that concept's own sentence
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
}  # the groups that [ranker] without can leave out, with their features
ROWS = 4096


@dataclass(frozen=True)
class Concepts:
    """The concepts of a workspace as of a date.

    Attributes:
        vectors: unit vectors of their texts, float32 (n_concepts, d_text).
        ever: share of users who met each, float32 (n_concepts,).
        late: share of users who met it in the last four weeks or so, float32 (n_concepts,).
        translation: each as weights over the M concepts of the co-occurrence model, sparse (n_concepts, M).
    """

    vectors: np.ndarray
    ever: np.ndarray
    late: np.ndarray
    translation: sparse.csr_matrix


@dataclass(frozen=True)
class Query:
    """Q demands as weights over concepts.

    Attributes:
        sharp: what they name, float32 (n_concepts, Q); columns sum to 1.
        wide: what is similar, likewise.
        translated: `sharp` over the concepts of the co-occurrence model, float32 (M, Q).
        base: log odds of the base rates, float32 (2, Q): ever, and in the last four weeks or so.
        nearest: cosine of the nearest concept, (Q,).
    """

    sharp: np.ndarray
    wide: np.ndarray
    translated: np.ndarray
    base: np.ndarray
    nearest: np.ndarray


def translate(vectors: np.ndarray, model_vectors: np.ndarray) -> sparse.csr_matrix:
    """Express concepts as weights over the most similar concepts of a model.

    Args:
        vectors: unit vectors of the concepts, (n_concepts, d_text).
        model_vectors: unit vectors of the model's concepts, (M, d_text).

    Returns:
        float32, sparse (n_concepts, M), at most three weights a row; the model's own concept gets nearly all of it.

    Raises:
        FindCLIError: there is no concept.
    """
    if not len(vectors):
        hint = 'name a later date, keep more sources, or rank by the single vector: scorer = "vector" under [align]'
        raise FindCLIError("no event before the date names anything to rank by", hint=hint)
    rows, columns, values = [], [], []
    for start in range(0, len(vectors), ROWS):
        cosine = vectors[start : start + ROWS] @ model_vectors.T  # (n, M)
        most = min(3, model_vectors.shape[0])
        best = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        weight = softmax(np.take_along_axis(cosine, best, 1).T, SHARP).T
        rows.append(np.repeat(np.arange(start, start + len(cosine)), most))
        columns.append(best.ravel())
        values.append(weight.ravel())
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(entries, (len(vectors), len(model_vectors)), dtype=np.float32)


def pick_concepts(vectors: np.ndarray, concepts: Concepts) -> Query:
    """Turn demands into weights over concepts.

    Args:
        vectors: unit vectors of the demands, (Q, d_text).
        concepts: the concepts to pick from.
    """
    cosine = concepts.vectors @ vectors.T  # (n_concepts, Q)
    sharp = softmax(cosine, SHARP)
    base = np.stack([_log_odds(rate @ sharp) for rate in (concepts.ever, concepts.late)])
    translated = np.asarray(concepts.translation.T @ sharp, np.float32)
    return Query(sharp, softmax(cosine, WIDE), translated, base, cosine.max(0))


def columns_of(groups: Iterable[str]) -> list[int]:
    """The feature columns of some of `GROUPS`."""
    return [FEATURES.index(name) for group in groups for name in GROUPS[group]]


def softmax(cosine: np.ndarray, temperature: float) -> np.ndarray:
    """Weights over the rows, (n, Q) -> float32 (n, Q); those below `SMALLEST` of the best become 0."""
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
    """What the co-occurrence model reads of N users.

    Attributes:
        levels: over the model's concepts, in units of their spread, sparse (N, M).
        factors: the users' co-occurrence factors, float32 (N, R).
    """

    levels: sparse.csr_matrix
    factors: np.ndarray

    def rows(self, users: np.ndarray) -> CoOccurrenceFeatures:
        """The features of some users, by row."""
        return CoOccurrenceFeatures(self.levels[users], self.factors[users])


def co_occurrence_features(
    habits: Habits, concepts: Concepts, learned: CoOccurrence, *, factors: np.ndarray | None = None
) -> CoOccurrenceFeatures:
    """Translate users' habits for the co-occurrence model.

    Args:
        habits: of N users.
        concepts: the columns of the habits.
        learned: the co-occurrence model.
        factors: the users' co-occurrence factors, (N, R), if they were computed before.
    """
    levels = habits.levels[CO_LEVEL] @ concepts.translation  # (N, M)
    return CoOccurrenceFeatures(learned.scale(levels), learned.user_factors(levels) if factors is None else factors)


def query_features(
    habits: Habits, co_features: CoOccurrenceFeatures, query: Query, learned: CoOccurrence
) -> np.ndarray:
    """What the histories of N users say about Q demands: float32 (N, Q, F), in the order of `FEATURES`."""
    adds = learned.weights @ (query.translated * learned.spread[:, None])  # (M, Q)
    per_pair = [
        *(habits.levels[name] @ query.sharp for name in LEVELS),
        habits.levels[WIDE_LEVEL] @ query.wide,
        co_features.levels @ adds,
        co_features.factors @ (learned.factors.T @ query.translated),
    ]
    n_users, n_queries = per_pair[0].shape
    features = np.empty((n_users, n_queries, len(FEATURES)), np.float32)
    for i, feature in enumerate(per_pair):
        features[:, :, i] = feature
    end = len(per_pair) + habits.activity.shape[1]
    features[:, :, len(per_pair) : end] = habits.activity[:, None, :]
    features[:, :, end:] = query.base.T[None]
    return features


@torch.no_grad()
def score(
    habits: Habits, co_features: CoOccurrenceFeatures, query: Query, learned: CoOccurrence, ranker: torch.nn.Module
) -> np.ndarray:
    """The log odds of Q demands for N users, float32 (N, Q), computed a block of users at a time."""
    n_users = habits.activity.shape[0]
    odds = [np.empty((0, query.sharp.shape[1]), np.float32)]
    for rows in _row_blocks(n_users, max(1, 200 * ROWS // query.sharp.shape[1])):
        features = query_features(habits.rows(rows), co_features.rows(rows), query, learned)
        odds.append(ranker(torch.from_numpy(features)).numpy())
    return np.concatenate(odds)


def _row_blocks(n: int, size: int) -> Iterator[np.ndarray]:
    for start in range(0, n, size):
        yield np.arange(start, min(n, start + size))


def score_slopes(
    habits: Habits,
    concepts: Concepts,
    co_features: CoOccurrenceFeatures,
    vector: np.ndarray,
    moves: np.ndarray,
    learned: CoOccurrence,
    ranker: torch.nn.Module,
) -> np.ndarray:
    """How the log odds of N users for one demand change as its vector moves: directional derivatives.

    Args:
        habits: of N users.
        concepts: the concepts to pick from.
        co_features: the users' co-occurrence features.
        vector: the demand's unit vector, (d_text,).
        moves: directions, (K, d_text).
        learned: the co-occurrence model.
        ranker: features (..., F) -> log odds (...).

    Returns:
        float32 (N, K).
    """
    query, tangent = pick_concepts(vector[None], concepts), _tangent(vector, moves, concepts)
    n_users = habits.activity.shape[0]
    derivatives = [np.empty((0, len(moves)), np.float32)]
    for rows in _row_blocks(n_users, max(1, 50 * ROWS // len(moves))):
        block, co_block = habits.rows(rows), co_features.rows(rows)
        features = torch.from_numpy(query_features(block, co_block, query, learned)).requires_grad_()  # (n, 1, F)
        with torch.enable_grad():
            (slopes,) = torch.autograd.grad(ranker(features).sum(), features)
        still = Habits(block.levels, np.zeros_like(block.activity))  # a user's activity does not depend on the demand
        change = query_features(still, co_block, tangent, learned)  # (n, K, F)
        derivatives.append(np.einsum("nkf,nf->nk", change, slopes[:, 0].numpy()))
    return np.concatenate(derivatives)


def _tangent(vector: np.ndarray, moves: np.ndarray, concepts: Concepts) -> Query:
    """The derivatives of `pick_concepts` along K directions, as if they were K demands."""
    cosine, moved = concepts.vectors @ vector, concepts.vectors @ moves.T  # (n_concepts,), (n_concepts, K)
    sharp, wide = (_kernel_slope(cosine, moved, temperature) for temperature in (SHARP, WIDE))
    weights = softmax(cosine[:, None], SHARP)[:, 0]
    base = []
    for rate in (concepts.ever, concepts.late):
        share = float(rate @ weights)
        inside = 1e-3 < share < 1 - 1e-3
        base.append((rate @ sharp) / (share * (1 - share)) if inside else np.zeros(len(moves)))
    translated = np.asarray(concepts.translation.T @ sharp, np.float32)
    return Query(sharp, wide, translated, np.stack(base).astype(np.float32), cosine.max()[None])


def _kernel_slope(cosine: np.ndarray, moved: np.ndarray, temperature: float) -> np.ndarray:
    """The derivative of `softmax` at (n,) along (n, K): float32 (n, K)."""
    weights = softmax(cosine[:, None], temperature)  # (n, 1)
    slope: np.ndarray = (weights * (moved - weights.T @ moved) / temperature).astype(np.float32)
    return slope


class Ranker(nn.Module):
    """A linear layer beside a small perceptron over features of (user, sentence).

    Buffers standardise the features; `set_scale` fills them from training examples.

    Args:
        features: number of features, F.
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
        """Standardise by examples, (N, features); the columns `without` always become 0."""
        self.mean.copy_(examples.mean(0))
        self.deviation.copy_(examples.std(0) + 1e-3)
        self.deviation[list(without)] = torch.inf

    def forward(self, features: Tensor) -> Tensor:
        """The log odds: (..., features) -> (...)."""
        scaled = (features - self.mean) / self.deviation
        odds: Tensor = self.linear(scaled) + self.perceptron(scaled)
        return odds.squeeze(-1)
