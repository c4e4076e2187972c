"""Scores of users for demands as they were understood: sentences scored once each, then combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from findcli.demands.expressions import parse_rewriting
from findcli.demands.open import open_rewriter
from findcli.demands.rewriter import AS_IT_STANDS, Meant, Rewriting
from findcli.errors import FindCLIError
from findcli.scoring.combine import Clauses, combine_cosines, combine_probabilities
from findcli.scoring.embed import scores_by_query
from findcli.scoring.scores import Scored, score_demands
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run

if TYPE_CHECKING:
    from findcli.demands.language_model import LanguageModel

AUTO, OFF = "auto", "off"
NONE, TUNED = "none", "tuned"


def rewrite_demands(
    workspace: Workspace, trained: Workspace, run: Run, demands: Sequence[str], rewrite: str, *, device: str = "auto"
) -> list[Rewriting]:
    """How demands are understood.

    Args:
        workspace: whose users.
        trained: the workspace whose model ranks them.
        run: the embeddings.
        demands: Q sentences.
        rewrite: "auto", "off" to take them as they stand, or the sentences that stand for the one demand.
        device: where texts are encoded.

    Raises:
        FindCLIError: sentences are given for several demands, or cannot be read.
    """
    if rewrite == OFF:
        return [Rewriting(demand, AS_IT_STANDS) for demand in demands]
    if rewrite != AUTO:
        if len(demands) > 1:
            hint = "leave it at auto, or turn it off, for a file of demands"
            raise FindCLIError(f"one rewriting is given for {len(demands)} demands", hint=hint)
        return [_with_strangers(parse_rewriting(demands[0], rewrite), run)]
    rewriter = open_rewriter(workspace, trained, run, device=device, reranker=language_model(workspace))
    return [rewriter.rewrite(demand) for demand in demands]


def _with_strangers(rewriting: Rewriting, run: Run) -> Rewriting:
    """The same, with a note for each sentence that the vocabulary does not have."""
    known = set(run.table("vocabulary.parquet")["text"])
    told = (
        f'"{text}" is no sentence of the vocabulary: it is ranked by those it is like, without a probability'
        for text in rewriting.sentences
        if text not in known
    )
    return replace(rewriting, notes=(*rewriting.notes, *told))


def language_model(workspace: Workspace) -> LanguageModel | None:
    """The language model that [rewriter] names; None where demands are read by likeness alone.

    Raises:
        FindCLIError: it cannot be loaded.
    """
    settings = workspace.settings.rewriter
    if settings.model == NONE:
        return None
    if settings.model == TUNED:
        from findcli.demands.tune import load_tuned

        return load_tuned(workspace, weight=settings.weight)
    from findcli.demands.language_model import LanguageModel
    from findcli.models.text.pretrained import load_language_model

    model, tokenizer = load_language_model(settings.model, relative_to=workspace.folder)
    return LanguageModel(settings.model, model, tokenizer, weight=settings.weight)


def score_rewritings(
    workspace: Workspace, trained: Workspace, run: Run, rewritings: Sequence[Rewriting], *, device: str = "auto"
) -> Scored:
    """Score demands as they were understood; those that stand as they are by their own words.

    Args:
        workspace: whose users.
        trained: the workspace whose model scores.
        run: the embeddings.
        rewritings: of Q demands.
        device: "auto", "cpu", "cuda" or "mps".
    """
    asked = dict.fromkeys(text for r in rewritings for text in (r.sentences or [r.demand]))
    scored = score_demands(workspace, trained, run, list(asked), device=device)
    return combined(scored, list(asked), rewritings, by_query=scores_by_query(trained))


def combined(scored: Scored, sentences: Sequence[str], rewritings: Sequence[Rewriting], *, by_query: bool) -> Scored:
    """The scores of demands from those of sentences.

    Args:
        scored: N users for S sentences.
        sentences: the S.
        rewritings: of Q demands, over these sentences.
        by_query: whether scores are log odds; cosines otherwise.
    """
    column = {text: i for i, text in enumerate(sentences)}
    likely = np.where(np.isnan(scored.probabilities), expit(scored.scores.astype(np.float64)), scored.probabilities)
    found = Scored(
        np.empty((len(scored.scores), len(rewritings)), np.float32),
        np.full((len(scored.scores), len(rewritings)), np.nan),
        [],
    )
    for i, rewriting in enumerate(rewritings):
        alone = [column[text] for text in rewriting.sentences or [rewriting.demand]]
        if _is_one_sentence(rewriting):
            found.scores[:, i], found.probabilities[:, i] = (
                scored.scores[:, alone[0]],
                scored.probabilities[:, alone[0]],
            )
        elif not by_query:
            found.scores[:, i] = combine_cosines(scored.scores, _clauses(rewriting, column))
        else:
            odds = combine_probabilities(likely, _clauses(rewriting, column))
            found.scores[:, i] = odds
            if not np.isnan(scored.probabilities[:, alone]).any():
                found.probabilities[:, i] = expit(odds)
        found.nearest.append(_read_as(rewriting, scored.nearest[alone[0]]))
    return found


def _is_one_sentence(rewriting: Rewriting) -> bool:
    clauses = rewriting.clauses
    return not clauses or (len(clauses) == 1 and len(clauses[0].any_of) == 1 and not clauses[0].negated)


def _clauses(rewriting: Rewriting, column: dict[str, int]) -> Clauses:
    return [(c.negated, [(column[meant.sentence], meant.share) for meant in c.any_of]) for c in rewriting.clauses]


def _read_as(rewriting: Rewriting, own: list[tuple[str, float | None]]) -> list[tuple[str, float | None]]:
    """The sentences that a demand was read as, with their likeness."""
    meant: list[Meant] = [each for clause in rewriting.clauses for each in clause.any_of]
    return [(each.sentence, each.cosine) for each in meant] or own
