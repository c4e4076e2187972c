"""Rewrite a demand: sentences of the vocabulary, how they combine, and what of the demand was not understood.

A rewriter knows the vocabulary of the users to rank, which `embed` writes beside their vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import numpy as np
import polars as pl

from findcli.data.questions import Question
from findcli.data.templates import Measure
from findcli.demands.grammar import Parsed, Part, Phrase, parse_demand
from findcli.demands.retrieval import Encode, LetterLikeness, Retriever, VectorLikeness, Views, build_views, described
from findcli.models.text.space import Space, TextSpace
from findcli.models.trained import TrainedModel
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run

AS_IT_STANDS, BY_YOU, BY_LIKENESS = "as it stands", "you", "likeness of texts"
KEPT, LEAST_SHARE, SHOWN = 4, 0.1, 5
SOFTER = 2.0  # log odds are divided by this before they become shares, because they are overconfident
APART = -4.0  # things joined by "and" stay apart if one sentence for all of them costs this much log odds on average
RERANKED, RERANKED_IN_ALL = 10, 20  # the likeliest readings that a language model weighs, per phrase and per demand
SPELT_ALIKE = 0.35  # without a text model a phrase means only what it nearly spells
WORTH = 0.36  # cosine that matching all words of a phrase is worth; by logistic regression, answerable or not
CLOSE = 0.55  # a phrase is read loosely when its sentences are less close than this


@dataclass(frozen=True)
class Meant:
    """A sentence of the vocabulary that a phrase may mean.

    Attributes:
        sentence: its text.
        share: how sure it is that the phrase means it, in (0, 1]; the shares of a phrase sum to 1.
        cosine: its likeness to the phrase; None when the user wrote the sentence or grammar alone implies it.
        shared: the share of the phrase's words that its items contain, in [0, 1].
    """

    sentence: str
    share: float
    cosine: float | None
    shared: float = 0.0

    @property
    def closeness(self) -> float:
        """How close it is to the phrase, by likeness and by shared words; 1 when it was not searched for."""
        return 1.0 if self.cosine is None else self.cosine + WORTH * self.shared


@dataclass(frozen=True)
class Clause:
    """One thing that a demand asks for.

    Attributes:
        words: its words in the demand.
        negated: whether it must not hold.
        any_of: the chosen sentences, likeliest first.
        others: other sentences it may mean.
        measure: what is asked of the events of its sentences.
        least: how much, if that is a level.
    """

    words: str
    negated: bool
    any_of: tuple[Meant, ...]
    others: tuple[Meant, ...] = ()
    measure: Measure = "any"
    least: float = 1.0

    @property
    def questions(self) -> list[tuple[Question, float]]:
        """What it asks, with shares: one question where all its sentences are meant, else one for each."""
        if all(meant.share == 1 for meant in self.any_of):
            return [(Question(tuple(meant.sentence for meant in self.any_of), self.measure, self.least), 1.0)]
        return [(Question((meant.sentence,), self.measure, self.least), meant.share) for meant in self.any_of]

    @property
    def closeness(self) -> float:
        """How close its sentences are to its words, weighted by share."""
        return sum(m.share * m.closeness for m in self.any_of) / sum(m.share for m in self.any_of)


@dataclass(frozen=True)
class Rewriting:
    """How a demand was understood.

    Attributes:
        demand: the sentence.
        by: what rewrote it: "likeness of texts", the name of a language model, "you"; or "as it stands".
        clauses: all of them must hold; empty when the demand is ranked as it stands.
        answerable: whether the vocabulary has anything like it; None when unknown: nobody checked, or there is no
            pretrained text model to tell.
        nearest: the nearest sentences that can be answered.
        notes: how parts of the demand, such as its horizon and amount, were read or why they were ignored.
    """

    demand: str
    by: str
    clauses: tuple[Clause, ...] = ()
    answerable: bool | None = None
    nearest: tuple[Meant, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """The distinct sentences it scores."""
        return list(dict.fromkeys(meant.sentence for clause in self.clauses for meant in clause.any_of))

    @property
    def expression(self) -> str:
        """The sentences as `--rewrite` takes them."""
        parts = []
        for clause in self.clauses:
            joined = " or ".join(meant.sentence for meant in clause.any_of)
            parts.append(f"not {joined}" if clause.negated else joined)
        return " and ".join(parts)


class Reranker(Protocol):
    """A language model that weighs readings."""

    name: str

    def adjustments(self, demand: str, things: Sequence[str], /) -> np.ndarray:
        """Log odds to add to those of each thing, float64 (n,)."""


class Rewriter:
    """Rewrites demands into the sentences of one vocabulary.

    Args:
        retriever: searches the vocabulary.
        future: how far ahead the model was trained to look.
        currency: the workspace's word for money.
        reranker: a language model that weighs readings; None for likeness alone.
        floor: the least closeness of an answerable demand.
    """

    def __init__(
        self, retriever: Retriever, *, future: timedelta, currency: str, reranker: Reranker | None = None,
        floor: float | None = None,
    ) -> None:  # fmt: skip
        self.retriever, self.reranker = retriever, reranker
        self.future, self.currency, self.floor = future, currency, floor
        self.texts: list[str] = retriever.vocabulary["text"].to_list()
        named = retriever.vocabulary.select("name", "items").iter_rows()
        self.things = [described(name, items) for name, items in named]
        self._by_plain_text = {_plain(text): text for text in self.texts}

    @property
    def by(self) -> str:
        """What rewrites, as reports name it."""
        return BY_LIKENESS if self.reranker is None else self.reranker.name

    def rewrite(self, demand: str) -> Rewriting:
        """Rewrite a demand; a sentence of the vocabulary stays as it is."""
        sentence = self._by_plain_text.get(_plain(demand))
        if sentence is not None:
            meant = (Meant(sentence, 1.0, 1.0),)
            return Rewriting(
                demand, self.by, (Clause(demand, negated=False, any_of=meant),), answerable=True, nearest=meant
            )
        parsed = parse_demand(demand, currency=self.currency)
        notes = tuple(self._notes(parsed))
        if not parsed.parts or not self.texts:
            return Rewriting(demand, AS_IT_STANDS, answerable=False, notes=("it names nothing to look for", *notes))
        clauses = self._clauses(parsed)
        readings = tuple(reading for clause in clauses for reading in (*clause.any_of, *clause.others))
        nearest = tuple(sorted(readings, key=lambda reading: -reading.closeness)[:SHOWN])
        answerable = self._answerable(clauses)
        if answerable and any(clause.closeness < CLOSE for clause in clauses):
            notes = (
                *notes,
                "read loosely: these are the nearest sentences of the vocabulary, but they are not very close",
            )
        if not answerable:
            return Rewriting(demand, AS_IT_STANDS, (), answerable, nearest, notes)
        return Rewriting(demand, self.by, tuple(clauses), answerable, nearest, notes)

    def _answerable(self, clauses: Sequence[Clause]) -> bool | None:
        """Whether each clause is close to something; None when letters cannot tell a synonym from an unrelated word."""
        if isinstance(self.retriever.likeness, LetterLikeness):
            return True if min(clause.any_of[0].closeness for clause in clauses) >= SPELT_ALIKE else None
        return self.floor is None or min(clause.closeness for clause in clauses) >= self.floor

    def _clauses(self, parsed: Parsed) -> list[Clause]:
        wanted = [part for part in parsed.parts if not part.negated]
        unwanted = [part for part in parsed.parts if part.negated]
        phrases = [phrase for part in wanted for phrase in part.phrases]
        whole = [parsed.whole] if parsed.whole is not None and len(wanted) > 1 else []
        readings = self._read([*phrases, *(phrase for part in unwanted for phrase in part.phrases), *whole])
        clauses = self._wanted(parsed, wanted, readings) if wanted else []
        for part in unwanted:
            if part.phrases:
                clauses.append(self._clause(part, [readings[phrase] for phrase in part.phrases], negated=True))
            else:
                common = tuple(Meant(self.texts[i], 1.0, None) for i in self.retriever.commonest(KEPT))
                clauses.append(Clause("anything", negated=True, any_of=common))
        return clauses

    def _wanted(self, parsed: Parsed, parts: Sequence[Part], by_phrase: dict[Phrase, _Reading]) -> list[Clause]:
        """One clause per part; or one for all, if one sentence fits everything that "and" joins."""
        readings = [by_phrase[phrase] for part in parts for phrase in part.phrases]
        if len(parts) > 1:
            together = [by_phrase[parsed.whole], *readings] if parsed.whole in by_phrase else readings
            one = _Reading(
                np.mean([r.log_share for r in together], 0),
                np.max([r.cosine for r in together], 0),
                np.max([r.shared for r in together], 0),
            ).normed()
            best = int(one.log_share.argmax())
            if np.mean([r.log_share[best] - r.log_share.max() for r in readings]) > APART:
                words = parsed.whole.words if parsed.whole is not None else parsed.demand
                return [self._chosen(words, [one], negated=False)]
        return [self._clause(part, [by_phrase[phrase] for phrase in part.phrases], negated=False) for part in parts]

    def _read(self, phrases: Sequence[Phrase]) -> dict[Phrase, _Reading]:
        """Read each phrase: by likeness, then weighed by the language model if there is one."""
        distinct = list(dict.fromkeys(phrases))
        if not distinct:
            return {}
        scores = self.retriever.scores(distinct)
        weighed = max(2, min(RERANKED, RERANKED_IN_ALL // len(distinct)))
        readings = {}
        for i, phrase in enumerate(distinct):
            reading = _Reading(scores.odds[i], scores.cosine[i], scores.shared[i]).normed()
            if self.reranker is not None:
                best = np.argsort(-reading.log_share, kind="stable")[:weighed]
                adjustments = self.reranker.adjustments(phrase.words, [self.things[j] for j in best])
                log_share = reading.log_share.copy()
                log_share[best] += adjustments - adjustments.mean()
                reading = replace(reading, log_share=log_share).normed()
            readings[phrase] = reading
        return readings

    def _clause(self, part: Part, readings: Sequence[_Reading], *, negated: bool) -> Clause:
        return self._chosen(" or ".join(phrase.words for phrase in part.phrases), readings, negated=negated)

    def _chosen(self, words: str, readings: Sequence[_Reading], *, negated: bool) -> Clause:
        """The sentences that the readings of alternatives choose, in the order of the readings."""
        chosen: dict[int, Meant] = {}
        others: dict[int, Meant] = {}
        for sharp in readings:
            reading = replace(sharp, log_share=sharp.log_share / SOFTER).normed()
            best = np.argsort(-reading.log_share, kind="stable")[: KEPT + SHOWN]
            kept = [i for i in best[:KEPT] if reading.log_share[i] >= reading.log_share[best[0]] + np.log(LEAST_SHARE)]
            total = np.exp(reading.log_share[kept]).sum()
            for i in best:
                share = float(np.exp(reading.log_share[i]) / (total if i in kept else 1.0))
                meant = Meant(self.texts[i], share, float(reading.cosine[i]), float(reading.shared[i]))
                into = chosen if i in kept else others
                if i not in into or into[i].share < share:
                    into[i] = meant
        rest = sorted((meant for i, meant in others.items() if i not in chosen), key=lambda meant: -meant.share)
        return Clause(words, negated, tuple(chosen.values()), tuple(rest[:SHOWN]))

    def _notes(self, parsed: Parsed) -> list[str]:
        notes = []
        if any(part.negated and not part.phrases for part in parsed.parts):
            notes.append("read as users who will do none of the most frequent things")
        elif parsed.stops:
            notes.append("stopping is read as not doing it: users who never did it count too")
        if parsed.horizon is not None:
            notes.append(_horizon_note(parsed.horizon.words, parsed.horizon.length, self.future))
        if parsed.amount is not None:
            notes.append(f'the amount ("{parsed.amount.words}") is ignored: users rank by whether, not by how much')
        return notes


@dataclass(frozen=True)
class _Reading:
    """How sure it is that a phrase means each sentence of the vocabulary.

    Attributes:
        log_share: log of the shares, (n,).
        cosine: likeness, (n,).
        shared: the share of the phrase's words that the items contain, (n,).
    """

    log_share: np.ndarray
    cosine: np.ndarray
    shared: np.ndarray

    def normed(self) -> _Reading:
        """The same reading with shares that sum to 1."""
        return replace(self, log_share=self.log_share - np.logaddexp.reduce(self.log_share))


def _plain(sentence: str) -> str:
    return " ".join(sentence.lower().split()).rstrip(".?! ")


def in_words(length: timedelta) -> str:
    """A length of time in words: "9 weeks", "5 days"."""
    days = length / timedelta(days=1)
    number, unit = (days / 7, "week") if days >= 7 and days % 7 == 0 else (days, "day")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _horizon_note(words: str, length: timedelta | None, future: timedelta) -> str:
    trained = f"within {in_words(future)}, as the model was trained"
    if length is None:
        return f'{trained}; "{words}" gives no length of time'
    if abs(length - future) <= future / 10:
        return f'{trained}, which is "{words}"'
    return f'{trained}; "{words}" is {"shorter" if length < future else "longer"}: ranked anyway'


FLOOR = 0.38  # tuned like `retrieval.Weights`: a demand less close to its best reading than this is unanswerable


def write_vocabulary(vocabulary: pl.DataFrame, space: Space, draft: Draft) -> None:
    """Add to a draft of embeddings what `open_rewriter` reads.

    Args:
        vocabulary: the users' vocabulary, see `data/vocabulary.py`.
        space: the model's text space.
        draft: the draft of the embeddings.
    """
    draft.table("vocabulary.parquet", vocabulary)
    if isinstance(space, TextSpace) and _is_pretrained(space) and len(vocabulary):
        draft.tensors("vocabulary.safetensors", build_views(vocabulary, space.raw).tensors())


def open_rewriter(workspace: Workspace, model: TrainedModel, run: Run, *, reranker: Reranker | None = None) -> Rewriter:
    """Load the rewriter of a workspace's users.

    Args:
        workspace: the workspace of the users.
        model: the model that ranks them; its text encoder reads demands.
        run: their embeddings.
        reranker: a language model that weighs readings; None for likeness alone.
    """
    vocabulary = run.table("vocabulary.parquet")
    likeness: VectorLikeness | LetterLikeness
    if run.files("vocabulary.safetensors"):
        likeness = VectorLikeness(Views.from_tensors(run.tensors("vocabulary.safetensors")), _encoder(model.space))
    else:
        likeness = LetterLikeness(vocabulary)
    return Rewriter(
        Retriever(vocabulary, likeness),
        future=parse_duration(model.aligned.manifest.settings["future"]),
        currency=workspace.settings.workspace.currency,
        reranker=reranker,
        floor=FLOOR if isinstance(likeness, VectorLikeness) else None,
    )


def _encoder(space: TextSpace) -> Encode:
    """Encode a few texts by the model itself, which is loaded on first use."""

    def encode(texts: Sequence[str]) -> np.ndarray:
        return space.encoder().few(texts).numpy()

    return encode


def _is_pretrained(space: TextSpace) -> bool:
    return str(space.run.manifest.settings["model"]) != "scratch"
