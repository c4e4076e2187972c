"""Log odds by a user tower that answers questions itself: users are read once, and what is kept of them is asked.

A question about a set of sentences is true if any of them is: their probabilities are taken as independent given the
user. A question about a level is asked in the words of its template.

Legend: N users, Q questions, P prompts, R chosen users, D width of a text vector.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import polars as pl
import torch
from scipy.special import expit
from torch import Tensor

from findcli.data.questions import Question, QuestionWriter
from findcli.data.templates import workspace_templates
from findcli.models.ranker.queries import UNION
from findcli.models.ranker.reliability import ALL, to_probabilities
from findcli.models.tower import AnsweringTower, Unit
from findcli.models.tower_calibration import sentence_kinds
from findcli.models.trained import TrainedModel
from findcli.scoring.population import Population
from findcli.scoring.prompt_moves import moves_from
from findcli.scoring.reliability import LINES
from findcli.scoring.scores import MOST_NEAREST, Nearest, Scored, SentenceSide

if TYPE_CHECKING:
    from findcli.models.text.encoder import TextEncoder

BLOCK = 256  # users asked at once
SMALLEST = 1e-12


class QuestionSentences:
    """The sentence side: the whitened space of history texts, in which a question is one vector."""

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
        """The training sentences."""
        aligned = self.model.aligned
        return aligned.table("sentences.parquet")["text"], aligned.tensors("sentences.safetensors")["queries"]


class TowerScorer:
    """The scorer of a tower that answers questions.

    Args:
        model: the model.
        population: the users to score.
        kept: what the tower keeps of them.
        calibrated: whether its odds are calibrated for these users.
    """

    name: ClassVar[str] = "anchor"
    unit: ClassVar[Unit] = "log odds"

    def __init__(
        self, model: TrainedModel, population: Population, kept: Mapping[str, np.ndarray], *, calibrated: bool = True
    ) -> None:
        self.model, self.kept, self.calibrated = model, kept, calibrated
        self.sentences: SentenceSide = QuestionSentences(model)
        self.summary = population.tensors["summary"]
        self._vocabulary = frozenset(population.vocabulary["text"])

    @property
    def tower(self) -> AnsweringTower:
        """The tower."""
        tower: AnsweringTower = cast(Any, self.model.tower)
        return tower

    def prefixes(self, rows: np.ndarray | None = None) -> Iterator[Any]:
        """What is kept of all users, or of some, a block at a time."""
        n_users = len(self.summary)
        chosen = np.arange(n_users) if rows is None else rows
        for block in np.array_split(chosen, max(1, -(-len(chosen) // BLOCK))):
            yield self.tower.restored({name: torch.from_numpy(kept[block]) for name, kept in self.kept.items()})

    def _asked(self, vectors: np.ndarray) -> np.ndarray:
        """The log odds of questions by their text vectors (Q, D) for all users: float32 (N, Q)."""
        queries = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(self.model.device)
        return np.concatenate([self.tower.score(users, queries).float().cpu().numpy() for users in self.prefixes()])

    def anchored(self, sentence: str) -> np.ndarray:
        """The users' vectors for a question: unit vectors (N, e)."""
        query = torch.from_numpy(self._vectors([sentence])).to(self.model.device)
        return np.concatenate([self.tower.anchored(u, query)[:, 0].float().cpu().numpy() for u in self.prefixes()])

    def query_of(self, sentence: str) -> Tensor:
        """A sentence's text vector, (D,)."""
        return torch.from_numpy(self._vectors([sentence])[0]).to(self.model.device)

    def score(self, questions: Sequence[Question]) -> Scored:
        """Log odds; questions in sentences that are known have probabilities too."""
        written = [self._written(question) for question in questions]
        texts = list(dict.fromkeys(text for each in written for text in each))
        vectors, place = self._vectors(texts), {text: i for i, text in enumerate(texts)}
        asked = self._asked(vectors)  # (N, texts)
        members = [np.array([place[text] for text in each]) for each in written]
        odds = np.stack([any_of(asked[:, columns]) for columns in members], 1).astype(np.float32)  # (N, Q)
        kinds = self._kinds(questions, written)
        likely = np.full(odds.shape, np.nan)
        for i, kind in enumerate(kinds):
            if kind:
                likely[:, i] = to_probabilities(odds[:, i], self._lines.get(kind, self._lines[ALL]))
        for i, question in enumerate(questions):
            if question.measure == "none":
                odds[:, i], likely[:, i] = -odds[:, i], 1 - likely[:, i]
        nearest = self.nearest(np.stack([vectors[columns].mean(0) for columns in members]))
        measured = [kind if question.measure != "none" else "" for kind, question in zip(kinds, questions, strict=True)]
        return Scored(odds, likely, nearest, tuple(measured))

    def _written(self, question: Question) -> tuple[str, ...]:
        """The sentences that a question is asked in; that nothing happens is asked as whether anything does."""
        if question.measure == "none":
            return question.sentences
        return self._writer.write(question)

    @cached_property
    def _writer(self) -> QuestionWriter:
        return QuestionWriter(workspace_templates(self.model.workspace.settings))

    @cached_property
    def _lines(self) -> dict[str, dict[str, float]]:
        return self.model.aligned.json(LINES) if self.model.aligned.files(LINES) else {}

    def _kinds(self, questions: Sequence[Question], written: Sequence[tuple[str, ...]]) -> list[str]:
        """The kind of each question; empty where it names what is unknown here, or nothing was calibrated."""
        if not (self.calibrated and self._lines):
            return [""] * len(questions)
        kinds = []
        for question, texts in zip(questions, written, strict=True):
            if not all(text in self._vocabulary or text in self._trained for text in question.sentences):
                kinds.append("")
            elif len(texts) > 1:
                kinds.append(UNION)
            else:
                kinds.append(str(sentence_kinds(self.model.workspace, texts)[0]))
        return kinds

    @cached_property
    def _trained(self) -> dict[str, int]:
        """The row of each training sentence."""
        return {text: row for row, text in enumerate(self.model.aligned.table("sentences.parquet")["text"])}

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (Q, D): a training sentence has one already, the others are encoded."""
        stored = self.model.aligned.tensors("sentences.safetensors")["queries"]
        vectors = np.empty((len(texts), stored.shape[1]), np.float32)
        others = [i for i, text in enumerate(texts) if text not in self._trained]
        if others:
            vectors[others] = self.model.space.encode([texts[i] for i in others])
        known = [i for i, text in enumerate(texts) if text in self._trained]
        vectors[known] = stored[[self._trained[texts[i]] for i in known]]
        return vectors

    def nearest(self, vectors: np.ndarray) -> list[Nearest]:
        """The training sentences with the highest cosine."""
        texts, points = self.sentences.landmarks()
        cosine = vectors @ points.T
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :MOST_NEAREST]
        return [[(texts[int(i)], float(row[i])) for i in chosen] for row, chosen in zip(cosine, best, strict=True)]

    def slopes(self, sentence: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The slope of the log odds: (R, D)."""
        query = torch.from_numpy(sentence).to(self.model.device)
        return np.concatenate([self.tower.slopes(users, query).cpu().numpy() for users in self.prefixes(rows)])

    def moved(self, sentence: np.ndarray, queries: np.ndarray, *, gain: float) -> np.ndarray:
        """The log odds of the sentence plus what each prompt changes, to first order: (N, P)."""
        scores = np.repeat(self._asked(sentence[None]), len(queries), axis=1)
        moved = np.flatnonzero((queries != sentence).any(1))
        if len(moved):
            slopes = self.slopes(sentence, np.arange(len(self.summary)))  # (N, D)
            scores[:, moved] += gain * slopes @ moves_from(sentence, queries[moved]).T
        return scores


def any_of(odds: np.ndarray) -> np.ndarray:
    """The log odds that any of several sentences is true, taken as independent: (N, m) -> (N,)."""
    if odds.shape[1] == 1:
        return odds[:, 0]
    log_none = np.log(np.clip(expit(-odds.astype(np.float64)), SMALLEST, 1)).sum(1)
    log_none = np.minimum(log_none, -SMALLEST)
    any_odds: np.ndarray = np.log(-np.expm1(log_none)) - log_none
    return any_odds
