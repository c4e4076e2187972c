"""Rewrite a demand: sentences of the vocabulary, how they combine, and what of the demand was not understood.

A rewriter knows the vocabulary of the users to rank, which `embed` writes beside their vectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from findcli.data.questions import Question, QuestionParser
from findcli.data.templates import Measure, Template, workspace_templates
from findcli.demands.clauses import Context, ParsedDemand
from findcli.demands.grammar import Phrase, parse_demand
from findcli.demands.languages import MULTILINGUAL, foreign_language, without_frame
from findcli.demands.meanings import ANYTHING, SHOWN, Meanings, Reranker
from findcli.demands.reading import AS_IT_STANDS as AS_IT_STANDS
from findcli.demands.reading import BY_LIKENESS as BY_LIKENESS
from findcli.demands.reading import BY_YOU as BY_YOU
from findcli.demands.reading import Clause as Clause
from findcli.demands.reading import Meant as Meant
from findcli.demands.reading import Past as Past
from findcli.demands.reading import Rewriting as Rewriting
from findcli.demands.retrieval import Encode, LetterLikeness, Retriever, VectorLikeness, Views, build_views
from findcli.models.text.space import Space, TextSpace
from findcli.models.trained import TrainedModel
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run


class Rewriter:
    """Rewrites demands into the sentences of one vocabulary.

    Args:
        retriever: searches the vocabulary.
        future: how far ahead the model was trained to look.
        currency: the workspace's word for money.
        reranker: a language model that weighs readings; None for likeness alone.
        floor: the least closeness of an answerable demand.
        templates: of the workspace; they say which levels there are, and how they are written.
        bounds: the highest amount and count of anything that the model was trained on, for "good customers".
        as_of: the date that periods of the past are relative to.
        multilingual: whether the text model knows other languages than English.
        subject: the workspace's word for its users.
        pieces: its word for what is bought, if it names nothing in particular; see `grammar.parse_demand`.
    """

    def __init__(
        self, retriever: Retriever, *, future: timedelta, currency: str, reranker: Reranker | None = None,
        floor: float | None = None, templates: Sequence[Template] = (), bounds: Mapping[Measure, float] | None = None,
        as_of: datetime | None = None, multilingual: bool = False, subject: str = "user", pieces: str = "",
    ) -> None:  # fmt: skip
        self.retriever, self.future, self.multilingual = retriever, future, multilingual
        self.subject, self.pieces = subject, pieces
        self.meanings = Meanings(retriever, reranker)
        by = BY_LIKENESS if reranker is None else reranker.name
        self.context = Context(self.meanings, by, future, currency, floor, templates, dict(bounds or {}), as_of)
        self.texts = self.meanings.texts
        self._parser = QuestionParser(templates)
        self._by_plain_text = {_plain(text): text for text in self.texts}

    def rewrite(self, demand: str) -> Rewriting:
        """Rewrite a demand; a sentence of the vocabulary stays as it is."""
        question = self._parser.parse(f"{_plain_case(demand)}.")
        sentence = self._by_plain_text.get(_plain(demand)) or self._by_plain_text.get(_plain(question.sentences[0]))
        if sentence is not None:
            meant = (Meant(sentence, 1.0, 1.0),)
            level = Question((sentence,)) if self._by_plain_text.get(_plain(demand)) else question
            clause = self.context.leveled(Clause(demand, negated=False, any_of=meant), level.measure, level.least)
            return Rewriting(demand, self.context.by, (clause,), answerable=True, nearest=meant)
        language = foreign_language(demand, self.meanings.words)
        if language is not None:
            return self._foreign(demand, language)
        parsed = parse_demand(demand, currency=self.context.currency, subject=self.subject, pieces=self.pieces)
        return ParsedDemand(self.context, parsed).rewriting()

    def _foreign(self, demand: str, language: str) -> Rewriting:
        """Read a demand of another language by the words of names, or by likeness where the text model knows it."""
        content = " ".join(without_frame(demand, language)) or demand
        phrase = Phrase(content if not self.multilingual else demand, content, content)
        note = f"it reads as {language}, whose grammar is not parsed: only what it names is looked for"
        meanings = self.meanings
        everything = set(map(int, np.flatnonzero(~meanings.is_anything)))
        named = meanings.names.search(phrase, everything).rows
        if not named and not self.multilingual:
            why = (
                f"it reads as {language}, and the text model of this workspace knows English alone: write it in English"
            )
            return self.context.refused(demand, f"{why}, or name a multilingual model under [text]")
        readings = meanings.read([phrase])
        if phrase not in readings:
            return self.context.refused(demand, "the vocabulary has no names to look for")
        chosen = meanings.choose(phrase, readings[phrase])
        clause = self.context.leveled(
            Clause(demand, negated=False, any_of=chosen.any_of, others=chosen.others), "any", 1.0
        )
        if self.context.floor is not None and clause.closeness < self.context.floor:
            return self.context.refused(demand, "", (note,), chosen.any_of[:SHOWN])
        return Rewriting(demand, self.context.by, (clause,), True, chosen.any_of[:SHOWN], (note,))


def _plain(sentence: str) -> str:
    return " ".join(sentence.lower().split()).rstrip(".?! ")


def _plain_case(sentence: str) -> str:
    """A sentence without its end and with its first letter as templates have it."""
    plain = " ".join(sentence.split()).rstrip(".?! ")
    return plain[:1].upper() + plain[1:]


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
    templates = workspace_templates(workspace.settings)
    return Rewriter(
        Retriever(vocabulary, likeness),
        future=parse_duration(model.aligned.manifest.settings["future"]),
        currency=workspace.settings.workspace.currency,
        reranker=reranker,
        floor=FLOOR if isinstance(likeness, VectorLikeness) else None,
        templates=templates,
        bounds=highest_bounds(model.aligned.table("sentences.parquet")["text"], templates),
        as_of=datetime.fromisoformat(run.manifest.settings["as_of"]),
        multilingual=_is_multilingual(model.space),
        subject=workspace.settings.workspace.subject,
        pieces=_pieces(workspace, vocabulary),
    )


def _pieces(workspace: Workspace, vocabulary: pl.DataFrame) -> str:
    """The name of the column of pieces, where no sentence is of anything in particular."""
    if not vocabulary["text"].str.ends_with(ANYTHING).all():
        return ""
    return next((source.quantity for source in workspace.settings.sources if source.quantity), "")


def highest_bounds(sentences: Iterable[str], templates: Sequence[Template]) -> dict[Measure, float]:
    """The highest amount and count of anything that sentences ask for.

    Args:
        sentences: those that a model was trained on.
        templates: of the workspace.
    """
    parser, bounds = QuestionParser(templates), dict[Measure, float]()
    for sentence in sentences:
        question = parser.parse(sentence)
        if question.measure in ("amount", "count") and question.sentences[0].endswith(ANYTHING):
            bounds[question.measure] = max(question.least, bounds.get(question.measure, 0.0))
    return bounds


def _is_multilingual(space: TextSpace) -> bool:
    """Whether a text model knows many languages, by the size of its vocabulary; one that was made here does not."""
    path = space.run.folder / "model" / "config.json"
    if not path.is_file() or not _is_pretrained(space):
        return False
    return int(json.loads(path.read_text(encoding="utf-8")).get("vocab_size", 0)) >= MULTILINGUAL


def _encoder(space: TextSpace) -> Encode:
    """Encode a few texts by the model itself, which is loaded on first use."""
    return space.few


def _is_pretrained(space: TextSpace) -> bool:
    return str(space.run.manifest.settings["model"]) != "scratch"
