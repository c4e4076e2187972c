"""Questions as weights over concepts: what they name, what is similar, and what usually comes with it.

A question of one sentence picks concepts by text similarity: sharply, so that a concept's own sentence picks that
concept and nearly nothing else. A question about a set of concepts, or about a level of them, is about exactly these.

Legend: N users, Q questions, D width of the text space, M concepts of the co-occurrence model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from findcli.data.templates import Measure
from findcli.errors import FindCLIError
from findcli.models.ranker.concepts import LATELY, Habits, latest_of

SHARP, WIDE = 0.04, 0.15  # temperatures of the two kernels, in cosine
SMALLEST = 1e-3  # a concept whose weight is below this share of the best one's is left out
NAMED = 0.98  # cosine with a concept from which a question counts as that concept's own sentence
THING, UNION, LEVEL, ANYTHING = "things", "sets of things", "levels", "anything"  # kinds of questions
LEVELS: tuple[Measure, ...] = ("any", "count", "distinct", "amount")  # what is scored; the others follow from "any"
OF_LEVEL: dict[Measure, tuple[str, str]] = {
    "any": ("decay 0.95", "window"),
    "count": ("times", "times in window"),
    "amount": ("amount", "amount in window"),
}  # the sums that tell how much there was, decayed and in the last window; different things are counted apart
ROWS = 4096


@dataclass(frozen=True)
class Concepts:
    """The concepts of a workspace as of a date.

    Attributes:
        vectors: unit vectors of their texts, float32 (n_concepts, D).
        ever: share of users who met each, float32 (n_concepts,).
        late: share of users who met it in the last four weeks or so, float32 (n_concepts,).
        translation: each as weights over the M concepts of the co-occurrence model, sparse (n_concepts, M).
        scopes: of each, the concept that every event of its family makes true, as a column; -1 for none, int
            (n_concepts,).
    """

    vectors: np.ndarray
    ever: np.ndarray
    late: np.ndarray
    translation: sparse.csr_matrix
    scopes: np.ndarray


@dataclass(frozen=True)
class Pick:
    """What one question is about, before it is weighed.

    Attributes:
        vectors: unit vectors of its sentences, (m, D).
        members: their columns among the concepts, int (m,); None leaves it to the likeness of the one sentence.
        measure: what is asked of the events together.
        least: how much.
    """

    vectors: np.ndarray
    members: np.ndarray | None = None
    measure: Measure = "any"
    least: float = 1.0


def kind_of(pick: Pick, *, anything: bool) -> str:
    """The kind of a question.

    Args:
        pick: what it is about.
        anything: whether that is every event of a family.
    """
    if pick.measure != "any":
        return LEVEL
    if pick.members is not None and len(pick.members) > 1:
        return UNION
    return ANYTHING if anything else THING


@dataclass(frozen=True)
class Query:
    """Q questions as weights over concepts.

    Attributes:
        about: the weight of each concept's events, sparse (n_concepts, Q); the heaviest is 1.
        wide: of what is similar, float32 (n_concepts, Q); columns sum to 1.
        translated: over the concepts of the co-occurrence model, float32 (M, Q).
        rates: shares of users of whom it held ever, and in the last window, float32 (2, Q).
        scopes: the concept of every event of the family, a column or -1, int (Q,).
        levels: places of their measures in `LEVELS`, int (Q,).
        least: how much is asked, float32 (Q,).
        nearest: cosine of the nearest concept, (Q,).
    """

    about: sparse.csc_matrix
    wide: np.ndarray
    translated: np.ndarray
    rates: np.ndarray
    scopes: np.ndarray
    levels: np.ndarray
    least: np.ndarray
    nearest: np.ndarray

    def __len__(self) -> int:
        return len(self.least)


def translate(vectors: np.ndarray, model_vectors: np.ndarray) -> sparse.csr_matrix:
    """Express concepts as weights over the most similar concepts of a model.

    Args:
        vectors: unit vectors of the concepts, (n_concepts, D).
        model_vectors: unit vectors of the model's concepts, (M, D).

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


def weigh(picks: Sequence[Pick], concepts: Concepts, *, rates: np.ndarray) -> Query:
    """Weigh the concepts of Q questions.

    Args:
        picks: what they are about.
        concepts: the concepts to pick from.
        rates: of `rates_of`, (2, Q).
    """
    owner = np.repeat(np.arange(len(picks)), [len(pick.vectors) for pick in picks])
    starts = np.searchsorted(owner, np.arange(len(picks)))
    cosine = concepts.vectors @ np.concatenate([pick.vectors for pick in picks]).T  # (n_concepts, sum of m)
    about = _about(picks, concepts, cosine[:, starts])
    share = _share(about, picks, concepts)
    return Query(
        about=about,
        wide=_mean_of(softmax(cosine, WIDE), owner, len(picks)),
        translated=np.asarray(concepts.translation.T @ share, np.float32),
        rates=rates.astype(np.float32),
        scopes=concepts.scopes[np.asarray(about.argmax(0)).ravel()],
        levels=np.array([LEVELS.index(pick.measure) for pick in picks]),
        least=np.array([pick.least for pick in picks], np.float32),
        nearest=np.maximum.reduceat(cosine.max(0), starts),
    )


def rates_of(picks: Sequence[Pick], concepts: Concepts, habits: Habits) -> np.ndarray:
    """The shares of users of whom each question held ever, and in the last window: float32 (2, Q).

    Args:
        picks: what they are about.
        concepts: give the shares of single concepts.
        habits: of the users, for sets and levels.
    """
    rates = np.zeros((2, len(picks)), np.float32)
    by_likeness = np.array([pick.members is None for pick in picks])
    for chosen in np.array_split(np.arange(len(picks)), max(1, len(picks) // 512)):
        some = [picks[i] for i in chosen]
        alike, exact = chosen[by_likeness[chosen]], chosen[~by_likeness[chosen]]
        if len(alike):
            single = [pick for pick in some if pick.members is None]
            cosine = concepts.vectors @ np.concatenate([pick.vectors for pick in single]).T
            share = softmax(cosine, SHARP)
            rates[:, alike] = np.stack([rate @ share for rate in (concepts.ever, concepts.late)])
        if len(exact):
            sets = [pick for pick in some if pick.members is not None]
            rates[:, exact] = _shares(habits, _about(sets, concepts, None), sets)
    return rates


def _about(picks: Sequence[Pick], concepts: Concepts, cosine: np.ndarray | None) -> sparse.csc_matrix:
    """The weights of concepts: by the cosine with a question's one sentence, (n_concepts, Q), or 1 for its members."""
    columns = [
        _indicator(pick.members, len(concepts.vectors)) if pick.members is not None or cosine is None
        else _kernel(cosine[:, [i]])
        for i, pick in enumerate(picks)
    ]  # fmt: skip
    return sparse.hstack(columns, format="csc", dtype=np.float32)


def _kernel(cosine: np.ndarray) -> sparse.csc_matrix:
    """Weights by likeness to one sentence, (n_concepts, 1) with the heaviest 1."""
    weights = np.exp((cosine - cosine.max(0)) / SHARP)
    weights[weights < SMALLEST] = 0
    return sparse.csc_matrix(weights)


def _indicator(members: np.ndarray | None, n_concepts: int) -> sparse.csc_matrix:
    rows = np.empty(0, np.int64) if members is None else np.asarray(members)
    places = rows, np.zeros(len(rows), np.int64)
    return sparse.csc_matrix((np.ones(len(rows), np.float32), places), (n_concepts, 1))


def _share(about: sparse.csc_matrix, picks: Sequence[Pick], concepts: Concepts) -> np.ndarray:
    """Weights that sum to 1, float32 (n_concepts, Q): by likeness, or of a set by how many users met each member."""
    share = about.toarray()
    sets = np.array([pick.members is not None for pick in picks])
    share[:, sets] *= concepts.ever[:, None] + 1e-6
    total: np.ndarray = share / share.sum(0)
    return total


def _mean_of(columns: np.ndarray, owner: np.ndarray, n: int) -> np.ndarray:
    """The mean of the columns of each owner: (rows, m) -> float32 (rows, n)."""
    to_owner = sparse.csr_matrix((1 / np.bincount(owner, minlength=n)[owner], (np.arange(len(owner)), owner)))
    mean: np.ndarray = np.asarray(columns @ to_owner, np.float32)
    return mean


def _shares(habits: Habits, about: sparse.csc_matrix, picks: Sequence[Pick]) -> np.ndarray:
    """The shares of users of whom each question about these weights held: float32 (2, Q)."""
    users = max(1, len(habits.activity))
    levels = np.array([LEVELS.index(pick.measure) for pick in picks])
    least = np.array([pick.least for pick in picks], np.float32)
    shares = np.zeros((2, len(least)), np.float32)
    for level, measure in enumerate(LEVELS):
        chosen = np.flatnonzero(levels == level)
        if not len(chosen):
            continue
        if measure == "distinct":
            things = np.expm1(habits.activity[:, -1])[:, None]
            shares[:, chosen] = (things >= least[chosen]).mean(0)
            continue
        for i, name in enumerate(("latest", "latest") if measure == "any" else OF_LEVEL[measure]):
            reached = (habits.sums[name] @ about[:, chosen]).tocsc()
            bound = np.full(len(chosen), latest_of(LATELY) if i else 0.0) if measure == "any" else least[chosen]
            reaches = reached.data > np.repeat(bound * (1 - 1e-6), np.diff(reached.indptr))
            shares[i, chosen] = np.add.reduceat(np.append(reaches, 0), reached.indptr[:-1]) * (
                np.diff(reached.indptr) > 0
            )
            shares[i, chosen] /= users
    return shares


def softmax(cosine: np.ndarray, temperature: float) -> np.ndarray:
    """Weights over the rows, (n, Q) -> float32 (n, Q); those below `SMALLEST` of the best become 0."""
    weights = np.exp((cosine - cosine.max(0)) / temperature)
    weights[weights < SMALLEST] = 0
    share: np.ndarray = (weights / weights.sum(0)).astype(np.float32)
    return share


@dataclass(frozen=True)
class Tangent:
    """How the weights of a question by likeness change along K directions.

    Attributes:
        about: sparse or dense (n_concepts, K).
        wide: float32 (n_concepts, K).
        translated: float32 (M, K).
        rates: float32 (2, K).
    """

    about: np.ndarray
    wide: np.ndarray
    translated: np.ndarray
    rates: np.ndarray


def tangent_of(vector: np.ndarray, moves: np.ndarray, concepts: Concepts) -> Tangent:
    """The derivatives of `weigh` for a question by likeness.

    Args:
        vector: its unit vector, (D,).
        moves: directions, (K, D).
        concepts: the concepts to pick from.
    """
    cosine, moved = concepts.vectors @ vector, concepts.vectors @ moves.T  # (n_concepts,), (n_concepts, K)
    weights = _kernel(cosine[:, None]).toarray()  # (n_concepts, 1)
    about = (weights * (moved - moved[cosine.argmax()]) / SHARP).astype(np.float32)
    sharp, wide = (_slope(cosine, moved, temperature) for temperature in (SHARP, WIDE))
    rates = np.stack([rate @ sharp for rate in (concepts.ever, concepts.late)])
    return Tangent(about, wide, np.asarray(concepts.translation.T @ sharp, np.float32), rates.astype(np.float32))


def _slope(cosine: np.ndarray, moved: np.ndarray, temperature: float) -> np.ndarray:
    """The derivative of `softmax` at (n,) along (n, K): float32 (n, K)."""
    weights = softmax(cosine[:, None], temperature)  # (n, 1)
    slope: np.ndarray = (weights * (moved - weights.T @ moved) / temperature).astype(np.float32)
    return slope
