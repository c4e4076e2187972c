"""Users' scores for sentences: by query (log odds of the ranker) or by FIND's single vector (cosine).

Only a scorer knows how a model scores. It has two sides: one turns sentences and learned prompts into e^q
(`SentenceSide`, no users needed), the other holds the users of a population. Learned prompts change e^q and nothing
else; they are read to first order around the sentence's own e^q_0, in the tangent plane of the sphere there, times a
gain: FIND's scorer takes the product of e^f and e^q_0 + gain * move, which ranks as their cosine does. Query-aware
scoring is far from linear in e^q: its sharp kernel jumps from one concept to the next, and a few seeds cannot steer
jumps. So

    score(u) = s(e^q_0, u) + gain * move . ds/de^q(e^q_0, u)

with the log odds s of the sentence and their slope, both of the frozen model.

Legend: N users, Q sentences, P prompts, R chosen users, D width of e^q.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor

from findcli.data.questions import Question, QuestionWriter
from findcli.data.templates import workspace_templates
from findcli.models.ranker.candidates import COUNTS, NETWORK, SINGLE, START, TREES
from findcli.models.ranker.concepts import Habits
from findcli.models.ranker.features import UserFeatures, query_features, user_features
from findcli.models.ranker.odds import score, score_slopes
from findcli.models.ranker.queries import LEVELS, ROWS, Pick, Query, rates_of, weigh
from findcli.models.ranker.user_snapshot import Snapshot
from findcli.models.tower import Unit
from findcli.models.trained import TrainedModel
from findcli.scoring.population import Population
from findcli.scoring.prompt_moves import moves_from
from findcli.scoring.reliability import Calibrator

if TYPE_CHECKING:
    from findcli.models.text.encoder import TextEncoder

MOST_NEAREST = 3
NEVER = 50.0  # log odds that a first time loses with whoever did it before
Nearest = list[tuple[str, float | None]]


@dataclass(frozen=True)
class Scored:
    """The scores of N users for Q demands.

    Attributes:
        scores: (N, Q), higher is likelier.
        probabilities: (N, Q), NaN where a demand is ranked only.
        nearest: for each demand, the sentences it was read as, with their cosine if they were searched for.
        kinds: for each demand, the kind of lesson by which its probabilities were measured; empty where by none.
    """

    scores: np.ndarray
    probabilities: np.ndarray
    nearest: list[Nearest]
    kinds: tuple[str, ...] = ()


class SentenceSide(Protocol):
    """Turns sentences and prompts into e^q."""

    @property
    def encoder(self) -> TextEncoder:
        """The text encoder that tokens go into, frozen."""

    def query(self, raw: Tensor) -> Tensor:
        """Turn the encoder's vectors (P, d_text) into e^q, unit vectors (P, D), with gradients."""

    def landmarks(self) -> tuple[pl.Series, np.ndarray]:
        """Sentences that the model was trained on, and their e^q (S, D)."""


class Scorer(Protocol):
    """Scores the users of a population.

    Attributes:
        unit: the unit of the scores.
        summary: the summary that `embed` stores of each user, float32 (N, S).
    """

    unit: ClassVar[Unit]
    summary: np.ndarray

    @property
    def sentences(self) -> SentenceSide:
        """The sentence side."""

    def score(self, questions: Sequence[Question]) -> Scored:
        """Score Q questions, with probabilities where they are calibrated, and the sentences nearest to each."""

    def nearest(self, vectors: np.ndarray) -> list[Nearest]:
        """The sentences nearest to e^q (Q, D)."""

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """How the scores of some users change with e^q, at a sentence's e^q (D,): (R, D)."""

    def moved(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The scores of all users for prompts' e^q (P, D) that start from a sentence's e^q (D,): (N, P)."""


class VectorSentences:
    """FIND's sentence side: the aligned text tower and its projection (Eq 12)."""

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    @property
    def encoder(self) -> TextEncoder:
        """The aligned text tower."""
        return self.model.sentences.tower

    def query(self, raw: Tensor) -> Tensor:
        """Project and normalise."""
        return self.model.sentences.head(raw)

    def landmarks(self) -> tuple[pl.Series, np.ndarray]:
        """The training sentences."""
        aligned = self.model.aligned
        return aligned.table("sentences.parquet")["text"], aligned.tensors("sentences.safetensors")["vectors"]


class QuerySentences:
    """The sentence side of query-aware scoring: the whitened space of history texts."""

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    @property
    def encoder(self) -> TextEncoder:
        """The text encoder of histories."""
        return self.model.space.encoder()

    def query(self, raw: Tensor) -> Tensor:
        """Whiten and normalise."""
        return self.model.space.whitened(raw)

    def landmarks(self) -> tuple[pl.Series, np.ndarray]:
        """The concepts of the co-occurrence model."""
        concepts = self.model.aligned.tensors("concepts.safetensors")
        texts = self.model.aligned.table("concepts.parquet")["text"]
        return texts.gather(concepts["known"]), concepts["vectors"]


class VectorScorer:
    """FIND's own: the cosine of e^q with e^f (Eq 2).

    Args:
        model: the model.
        population: the users; their `embeddings` are e^f, unit vectors (N, D).
    """

    name: ClassVar[str] = "vector"
    unit: ClassVar[Unit] = "cosine"

    def __init__(self, model: TrainedModel, population: Population) -> None:
        self.model, self.sentences = model, VectorSentences(model)
        self.embeddings, self.summary = population.tensors["embeddings"], population.tensors["summary"]

    def score(self, questions: Sequence[Question]) -> Scored:
        """Cosines, which are not probabilities; of a set, the largest of its members."""
        written = [self._written(question) for question in questions]
        vectors = self.model.sentences.vectors([text for texts in written for text in texts])  # (sum of m, D)
        cosines = self.embeddings @ vectors.numpy().T  # (N, sum of m); numpy is faster at few columns than torch
        starts = np.cumsum([0, *(len(texts) for texts in written[:-1])])
        scores = np.maximum.reduceat(cosines, starts, axis=1)  # (N, Q)
        return Scored(scores, np.full_like(scores, np.nan), self.nearest(vectors.numpy()[starts]))

    def _written(self, question: Question) -> tuple[str, ...]:
        return QuestionWriter(workspace_templates(self.model.workspace.settings)).write(question)

    def nearest(self, vectors: np.ndarray) -> list[Nearest]:
        """The training sentences with the highest cosine."""
        texts, points = self.sentences.landmarks()
        best = (torch.from_numpy(vectors) @ torch.from_numpy(points).T).topk(min(MOST_NEAREST, len(points)), dim=1)
        return [
            [(texts[int(i)], float(cosine)) for i, cosine in zip(rows, cosines, strict=True)]
            for rows, cosines in zip(best.indices, best.values, strict=True)
        ]

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:  # noqa: ARG002, the same at every sentence
        """The users' own vectors: (R, D)."""
        vectors: np.ndarray = self.embeddings[rows]
        return vectors

    def moved(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The products with the moved e^q, which rank as the cosines do: (N, P)."""
        along = sentence + gain * moves_from(sentence, queries)  # (P, D)
        products: np.ndarray = (torch.from_numpy(self.embeddings) @ torch.from_numpy(along).T).numpy()
        return products


class QueryScorer:
    """The default: log odds by what a question picks from histories; see `models/ranker/features.py`.

    Prompts move along the slopes of the network among the rankers, whichever of them ranks.

    Args:
        model: the model.
        population: the users to score.
        snapshot: what the ranker reads of them.
        calibrated: whether its odds are calibrated for these users.
    """

    name: ClassVar[str] = "query_aware"
    unit: ClassVar[Unit] = "log odds"

    def __init__(
        self, model: TrainedModel, population: Population, snapshot: Snapshot, *, calibrated: bool = True
    ) -> None:
        self.model, self.snapshot, self.calibrated = model, snapshot, calibrated
        self.sentences, self.summary = QuerySentences(model), population.tensors["summary"]

    @cached_property
    def _users(self) -> UserFeatures:
        snapshot = self.snapshot
        return user_features(snapshot.habits, snapshot.concepts, self.model.co_occurrence, factors=snapshot.factors)

    @cached_property
    def _calibrator(self) -> Calibrator:
        return Calibrator(self.model, self._rows, lambda query: self._odds(query)[self._active])

    @cached_property
    def _active(self) -> np.ndarray:
        """Who did anything in the history window, bool (N,); everyone, if nobody did."""
        active = np.asarray(self.snapshot.habits.activity != 0).any(1)
        return np.asarray(active if active.any() else ~active)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """The row of each concept by its text."""
        return {text: row for row, text in enumerate(self.snapshot.texts)}

    def odds(self, vectors: np.ndarray) -> np.ndarray:
        """The log odds of sentences by their whitened unit vectors (Q, D) for all users: float32 (N, Q)."""
        return self._odds(self._weigh([Pick(vector[None]) for vector in vectors]))

    def _odds(self, query: Query) -> np.ndarray:
        return score(self._users, query, self.model.co_occurrence, self.model.ranker)

    def _weigh(self, picks: Sequence[Pick]) -> Query:
        concepts = self.snapshot.concepts
        everyone = self.snapshot.everyone or self.snapshot.habits
        return weigh(picks, concepts, rates=rates_of(picks, concepts, everyone))

    def score(self, questions: Sequence[Question]) -> Scored:
        """Log odds; questions about concepts have probabilities too."""
        picks = self._picks(questions)
        query = self._weigh(picks)
        odds = self._odds(query)  # (N, Q)
        self._calibrator.place(questions, odds[self._active])
        return self._scored(questions, picks, query, odds, self.snapshot.habits)

    def score_histories(self, questions: Sequence[Question], users: UserFeatures) -> Scored:
        """Score histories other than the population's own, such as a user's without an event, as if among it.

        Args:
            questions: Q questions.
            users: what is read of N users.
        """
        picks = self._picks(questions)
        query = self._weigh(picks)
        odds = score(users, query, self.model.co_occurrence, self.model.ranker)  # (N, Q)
        return self._scored(questions, picks, query, odds, users.habits)

    def features(self, questions: Sequence[Question], users: UserFeatures) -> Tensor:
        """What the ranker reads of histories and questions: (N, Q, F), in the order of `FEATURES`."""
        return query_features(users, self._weigh(self._picks(questions)), self.model.co_occurrence)

    def mean_features(self, questions: Sequence[Question]) -> Tensor:
        """The features of the mean user: (Q, F)."""
        query, co_occurrence = self._weigh(self._picks(questions)), self.model.co_occurrence
        blocks = np.array_split(np.arange(len(self._users)), -(-len(self._users) // ROWS))
        totals = [query_features(self._users.rows(rows), query, co_occurrence).sum(0) for rows in blocks]
        return torch.stack(totals).sum(0) / len(self._users)

    def weights_of_concepts(self, questions: Sequence[Question]) -> np.ndarray:
        """How much any of the questions is about each concept, the most 1: (n_concepts,)."""
        return np.asarray(self._weigh(self._picks(questions)).about.max(1).todense()).ravel()

    def score_features(self, questions: Sequence[Question], features: Tensor, habits: Habits) -> Scored:
        """Score features (N, Q, F) that may be of nobody; habits of N users tell who did it before."""
        picks = self._picks(questions)
        return self._scored(questions, picks, self._weigh(picks), self.model.ranker(features).numpy(), habits)

    def _scored(
        self, questions: Sequence[Question], picks: Sequence[Pick], query: Query, odds: np.ndarray, habits: Habits
    ) -> Scored:
        """The scores of log odds, (N, Q); negated where nothing is asked for, and a first time only of the new."""
        kinds = self._calibrator.kinds(questions, picks, query) if self.calibrated else [""] * len(questions)
        likely = self._calibrator.probabilities(odds, questions, kinds, query)
        for i, question in enumerate(questions):
            if question.measure == "none":
                odds[:, i], likely[:, i] = -odds[:, i], 1 - likely[:, i]
            elif question.measure == "first":
                met = (habits.sums["latest"] @ query.about[:, [i]]).toarray()[:, 0] > 0
                odds[met, i] -= NEVER
                likely[met, i] *= 0
        measured = [
            kind if q.measure not in ("none", "first") else "" for kind, q in zip(kinds, questions, strict=True)
        ]
        nearest = self.nearest(np.stack([pick.vectors.mean(0) for pick in picks]))
        return Scored(odds, likely, nearest, tuple(measured))

    def by_candidate(self, questions: Sequence[Question]) -> dict[str, np.ndarray]:
        """The scores by every single candidate that was trained, by its name, float32 (N, Q) each."""
        query = self._weigh(self._picks(questions))
        sign = np.array([-1 if question.measure == "none" else 1 for question in questions], np.float32)
        stored = {TREES: "trees.safetensors", COUNTS: "count.json", START: "start.json", NETWORK: "ranker.json"}
        names = [name for name in SINGLE if self.model.aligned.files(stored[name])]
        return {
            name: sign * score(self._users, query, self.model.co_occurrence, self.model.candidate(name))
            for name in names
        }

    def _picks(self, questions: Sequence[Question]) -> list[Pick]:
        """What questions are about: one sentence by its likeness to concepts, sets and levels of concepts exactly."""
        texts = list(dict.fromkeys(text for question in questions for text in question.sentences))
        vectors = dict(zip(texts, self._vectors(texts), strict=True))
        picks = []
        for question in questions:
            named = np.stack([vectors[text] for text in question.sentences])  # (m, D)
            measure = question.measure if question.measure in LEVELS else "any"
            members = None
            if len(question.sentences) > 1 or question.measure != "any":
                nearest = (self.snapshot.concepts.vectors @ named.T).argmax(0)
                members = np.unique([self._rows.get(text, nearest[i]) for i, text in enumerate(question.sentences)])
                named = self.snapshot.concepts.vectors[members]
            picks.append(Pick(named, members, measure, question.least))
        return picks

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (Q, D): a concept's own sentence has one already, the others are encoded."""
        space = self.model.space
        others = [text for text in texts if text not in self._rows]
        vectors = np.empty((len(texts), space.width), np.float32)
        if others:
            vectors[[text not in self._rows for text in texts]] = space.encode(others)
        rows = [i for i, text in enumerate(texts) if text in self._rows]
        vectors[rows] = self.snapshot.concepts.vectors[[self._rows[texts[i]] for i in rows]]
        return vectors

    def nearest(self, vectors: np.ndarray) -> list[Nearest]:
        """The concepts with the highest cosine."""
        texts = self.snapshot.texts
        cosine = vectors @ self.snapshot.concepts.vectors.T  # (Q, n_concepts)
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :MOST_NEAREST]
        return [[(texts[int(i)], float(row[i])) for i in chosen] for row, chosen in zip(cosine, best, strict=True)]

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The slope of the network's log odds: (R, D)."""
        return self._slopes(sentence, np.eye(len(sentence), dtype=np.float32), rows)

    def _slopes(self, vector: np.ndarray, moves: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """How the network's log odds change as a vector (D,) moves along (K, D): (N, K), or (R, K)."""
        users = self._users if rows is None else self._users.rows(rows)
        model = self.model
        return score_slopes(users, self.snapshot.concepts, vector, moves, model.co_occurrence, model.network)

    def moved(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The log odds of the sentence plus what each prompt changes: (N, P)."""
        start = self.odds(sentence[None])  # (N, 1)
        moved = np.flatnonzero((queries != sentence).any(1))
        scores = np.repeat(start, len(queries), axis=1)
        if len(moved):
            scores[:, moved] += gain * self._slopes(sentence, moves_from(sentence, queries[moved]))
        return scores
