"""The scoring engine: a trained model and the users of one folder of embeddings, loaded once and used many times.

`target`, `evaluate`, few-shot prompts, benchmarks and notebooks score through it. Each part is loaded on first use:
reading a demand needs no users, and scoring a concept's own sentence needs no text model.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from findcli.data.events import build_events
from findcli.data.questions import QuestionParser
from findcli.data.templates import workspace_templates
from findcli.demands.rewriter import AS_IT_STANDS, Rewriter, Rewriting, open_rewriter
from findcli.errors import FindCLIError
from findcli.models.trained import TrainedModel
from findcli.scoring.as_read import AUTO, OFF, asked, combined, language_model, read_by_hand
from findcli.scoring.embed import embed
from findcli.scoring.population import Population, describe_users, open_population
from findcli.scoring.scores import (
    QueryScorer,
    QuerySentences,
    Scored,
    Scorer,
    SentenceSide,
    VectorScorer,
    VectorSentences,
)
from findcli.scoring.tower_scores import QuestionSentences, TowerScorer
from findcli.workspace.folder import Workspace, to_utc
from findcli.workspace.runs import Run, open_run, read_manifest

KEPT = 2  # engines that stay loaded: one workspace and, beside it, one of another date or model


def open_sentences(model: TrainedModel) -> SentenceSide:
    """The sentence side of a model's own scorer."""
    if model.scores_by_tower:
        return QuestionSentences(model)
    return QuerySentences(model) if model.scorer == QueryScorer.name else VectorSentences(model)


def open_scorer(model: TrainedModel, population: Population, *, calibrated: bool = True) -> Scorer:
    """A model's own scorer.

    Args:
        model: the model.
        population: the users to score.
        calibrated: whether its odds are calibrated for these users; not for users of another workspace.
    """
    if population.kept is not None:
        return TowerScorer(model, population, population.kept, calibrated=calibrated)
    if population.snapshot is None:
        return VectorScorer(model, population)
    return QueryScorer(model, population, population.snapshot, calibrated=calibrated)


class Engine:
    """Scores the users of a population.

    Args:
        workspace: the workspace of the users.
        model: the model that scores them.
        as_of: their histories end before this instant.
        run: their embeddings; None if the users were described for this engine alone.
        population: the users, if there is no run.
    """

    def __init__(
        self,
        workspace: Workspace,
        model: TrainedModel,
        as_of: datetime,
        *,
        run: Run | None = None,
        population: Population | None = None,
    ) -> None:
        self.workspace, self.model, self.as_of = workspace, model, as_of
        self._run, self._population = run, population

    @property
    def run(self) -> Run:
        """The embeddings.

        Raises:
            ValueError: the users were described for this engine alone.
        """
        if self._run is None:
            raise ValueError("these users are not in a run folder")
        return self._run

    def among(self, users: np.ndarray) -> Engine:
        """An engine that holds some of the users alone, by row; the others are not scored at all."""
        run = self._run
        return Engine(self.workspace, self.model, self.as_of, run=run, population=self.population.rows(users))

    @property
    def reads(self) -> bool:
        """Whether there is a vocabulary to read demands in."""
        return self._run is not None

    @cached_property
    def users(self) -> pl.Series:
        """Ids, ascending, in the order of every score."""
        return self.run.table("users.parquet")["user_id"] if self._population is None else self._population.users

    @cached_property
    def population(self) -> Population:
        """The users, with what scoring reads of them."""
        return open_population(self.run) if self._population is None else self._population

    @cached_property
    def scorer(self) -> Scorer:
        """The model's own scorer; odds of another workspace's model are not calibrated for these users."""
        calibrated = self.model.workspace.folder == self.workspace.folder
        return open_scorer(self.model, self.population, calibrated=calibrated)

    @cached_property
    def vector_scorer(self) -> VectorScorer:
        """The scorer by FIND's single vector, whatever the model's own scorer is."""
        return self.scorer if isinstance(self.scorer, VectorScorer) else VectorScorer(self.model, self.population)

    @cached_property
    def rewriter(self) -> Rewriter:
        """The rewriter that reads demands in the users' vocabulary."""
        return open_rewriter(self.workspace, self.model, self.run, reranker=language_model(self.workspace))

    def read(self, demands: Sequence[str], rewrite: str = AUTO) -> list[Rewriting]:
        """Read demands.

        Args:
            demands: Q sentences.
            rewrite: "auto", "off" to take them as they stand, or the sentences to read a single demand as.

        Raises:
            FindCLIError: sentences are given for several demands, or cannot be parsed.
        """
        if rewrite == OFF:
            return [Rewriting(demand, AS_IT_STANDS) for demand in demands]
        if rewrite == AUTO:
            return [self.rewriter.rewrite(demand) for demand in demands]
        if len(demands) > 1:
            hint = "for a file of demands, use --rewrite auto or --rewrite off"
            raise FindCLIError(f"one rewriting cannot stand for {len(demands)} demands", hint=hint)
        vocabulary = set(self.run.table("vocabulary.parquet")["text"])
        return [read_by_hand(demands[0], rewrite, vocabulary, workspace_templates(self.workspace.settings))]

    @cached_property
    def parser(self) -> QuestionParser:
        """Parses the workspace's sentences as questions."""
        return QuestionParser(workspace_templates(self.workspace.settings))

    def score(self, sentences: Sequence[str]) -> Scored:
        """Score sentences as they stand."""
        return self.scorer.score([self.parser.parse(sentence) for sentence in sentences])

    def score_read(self, rewritings: Sequence[Rewriting]) -> Scored:
        """Score demands as read; those that stand as they are, by their own words."""
        questions = list(dict.fromkeys(question for r in rewritings for question in asked(r)))
        return combined(self.scorer.score(questions), questions, rewritings, unit=self.scorer.unit)


def open_engine(
    workspace: Workspace, *, as_of: datetime | None = None, model: Workspace | None = None, device: str = "auto"
) -> Engine:
    """The engine of a workspace's users; the same object while model, embeddings and settings stay the same.

    Args:
        workspace: the workspace of the users.
        as_of: the date of the embeddings, which are made if missing or out of date; default: the model's newest.
        model: the workspace whose trained model scores; default: `workspace`.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: no model is trained, or no user is embedded and no date is given.
    """
    trained = model or workspace
    aligned = open_run(trained.run("aligned"), "aligned")
    run = find_embeddings(workspace, aligned, as_of, model=model, device=device)
    return _opened(_Key(workspace), _Key(trained), _digests(trained), run.folder, run.manifest.digest(), device)


def describe_engine(
    workspace: Workspace,
    *,
    as_of: datetime,
    model: Workspace | None = None,
    without_sources: Sequence[str] = (),
    masked: Sequence[str] = (),
    device: str = "auto",
) -> Engine:
    """An engine of users described for this call alone, with some of their data left out; nothing is written.

    Args:
        workspace: the workspace of the users.
        as_of: their histories end before this instant.
        model: the workspace whose trained model scores; default: `workspace`.
        without_sources: sources whose events are left out; their users stay.
        masked: modalities to mask, as if no user had them; the model stays the same.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: no model is trained, or no user has an event before `as_of`.
    """
    trained = open_model(model or workspace, device=device)
    log, instant = build_events(workspace), to_utc(as_of)
    population = describe_users(workspace, trained, log, instant, without_sources=without_sources, masked=masked)
    return Engine(workspace, trained, instant, population=population)


def open_model(workspace: Workspace, *, device: str = "auto") -> TrainedModel:
    """A workspace's trained model; the same object while its runs and settings stay the same.

    Raises:
        FindCLIError: no model is trained.
    """
    return _opened_model(_Key(workspace), _digests(workspace), device)


def _digests(trained: Workspace) -> tuple[str, ...]:
    return tuple(open_run(trained.run(name), name).manifest.digest() for name in ("aligned", "text"))


class _Key:
    """A workspace as a cache key: equal if folder and settings are."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self._text = workspace, f"{workspace.folder} {workspace.settings!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=KEPT)
def _opened_model(trained: _Key, _of: tuple[str, ...], device: str) -> TrainedModel:
    return TrainedModel(trained.workspace, device=device)


@lru_cache(maxsize=KEPT)
def _opened(
    workspace: _Key, trained: _Key, of_model: tuple[str, ...], folder: Path, _of_users: str, device: str
) -> Engine:
    run = open_run(folder, "embeddings")
    as_of = datetime.fromisoformat(run.manifest.settings["as_of"])
    return Engine(workspace.workspace, _opened_model(trained, of_model, device), as_of, run=run)


def find_embeddings(
    workspace: Workspace, aligned: Run, as_of: datetime | None, *, model: Workspace | None = None, device: str = "auto"
) -> Run:
    """The embeddings as of an instant, made if missing or out of date; without an instant, the model's newest.

    Raises:
        FindCLIError: there are none and no date is given.
    """
    if as_of is not None:
        return embed(workspace, as_of=to_utc(as_of), model=model, device=device)
    digest = aligned.manifest.digest()
    runs = []
    for folder in (workspace.runs / "embeddings").glob("[0-9]*"):
        manifest = read_manifest(folder)
        if manifest is not None and manifest.inputs.get("aligned") == digest:
            runs.append((manifest.settings["as_of"], folder))
    if not runs:
        command = "findcli embed" if model is None else f"findcli embed --model {model.folder}"
        raise FindCLIError("no user is embedded by the current model", hint=f"embed users with: {command}")
    return open_run(max(runs)[1], "embeddings")
