"""Demands as they were read: the sentences behind them, and one score out of the scores of several sentences.

Probabilities are taken as independent given the user: any is 1 - prod(1 - p), all is prod p, not is 1 - p. A sentence
of which it is not sure that it is meant counts by its share: 1 - prod(1 - share p). Cosines of FIND's single vector are
no probabilities: any is their largest, all their smallest, not the negative.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from findcli.demands.expressions import parse_rewriting
from findcli.demands.rewriter import Meant, Rewriting
from findcli.models.tower import Unit
from findcli.scoring.scores import Nearest, Scored
from findcli.workspace.folder import Workspace

if TYPE_CHECKING:
    from findcli.demands.language_model import LanguageModel


AUTO, OFF = "auto", "off"
NONE, TUNED = "none", "tuned"


def read_by_hand(demand: str, sentences: str, vocabulary: Collection[str]) -> Rewriting:
    """A demand read as the sentences that stand for it, with a note for each that the vocabulary does not have.

    Raises:
        FindCLIError: the sentences cannot be read.
    """
    rewriting = parse_rewriting(demand, sentences)
    notes = (
        f'"{text}" is no sentence of the vocabulary: it is ranked by those it is like, without a probability'
        for text in rewriting.sentences
        if text not in vocabulary
    )
    return replace(rewriting, notes=(*rewriting.notes, *notes))


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


def combined(scored: Scored, sentences: Sequence[str], rewritings: Sequence[Rewriting], *, unit: Unit) -> Scored:
    """The scores of demands from those of sentences.

    Args:
        scored: N users for S sentences.
        sentences: the S.
        rewritings: of Q demands, over these sentences.
        unit: what the scores are.
    """
    column = {text: i for i, text in enumerate(sentences)}
    likely = np.where(np.isnan(scored.probabilities), expit(scored.scores.astype(np.float64)), scored.probabilities)
    demands = Scored(
        np.empty((len(scored.scores), len(rewritings)), np.float32),
        np.full((len(scored.scores), len(rewritings)), np.nan),
        [],
    )
    for i, rewriting in enumerate(rewritings):
        alone = [column[text] for text in rewriting.sentences or [rewriting.demand]]
        if _is_one_sentence(rewriting):
            demands.scores[:, i], demands.probabilities[:, i] = (
                scored.scores[:, alone[0]],
                scored.probabilities[:, alone[0]],
            )
        elif unit == "cosine":
            demands.scores[:, i] = combine_cosines(scored.scores, _clauses(rewriting, column))
        else:
            odds = combine_probabilities(likely, _clauses(rewriting, column))
            demands.scores[:, i] = odds
            if not np.isnan(scored.probabilities[:, alone]).any():
                demands.probabilities[:, i] = expit(odds)
        demands.nearest.append(_read_as(rewriting, scored.nearest[alone[0]]))
    return demands


def _is_one_sentence(rewriting: Rewriting) -> bool:
    clauses = rewriting.clauses
    return not clauses or (len(clauses) == 1 and len(clauses[0].any_of) == 1 and not clauses[0].negated)


def _clauses(rewriting: Rewriting, column: dict[str, int]) -> Clauses:
    return [(c.negated, [(column[meant.sentence], meant.share) for meant in c.any_of]) for c in rewriting.clauses]


def _read_as(rewriting: Rewriting, own: Nearest) -> Nearest:
    """The sentences that a demand was read as, with their likeness."""
    meant: list[Meant] = [each for clause in rewriting.clauses for each in clause.any_of]
    return [(each.sentence, each.cosine) for each in meant] or own


SMALLEST = 1e-12
Clauses = Sequence[tuple[bool, Sequence[tuple[int, float]]]]


def combine_probabilities(probabilities: np.ndarray, clauses: Clauses) -> np.ndarray:
    """The log odds that every clause holds, float64 (N,); NaN where a sentence's probability is.

    Args:
        probabilities: of N users for S sentences, (N, S).
        clauses: for each whether it is negated, and its sentences as columns with their shares.
    """
    log_all = np.zeros(len(probabilities))
    for negated, sentences in clauses:
        columns, shares = [column for column, _ in sentences], np.array([share for _, share in sentences])
        p = np.clip(probabilities[:, columns].astype(np.float64), SMALLEST, 1 - SMALLEST)
        log_none = np.log1p(-p * shares).sum(1)
        log_all += log_none if negated else np.log(-np.expm1(log_none))
    odds: np.ndarray = log_all - np.log(-np.expm1(np.minimum(log_all, -SMALLEST)))
    return odds


def combine_cosines(cosines: np.ndarray, clauses: Clauses) -> np.ndarray:
    """The same of cosines, (N, S) -> (N,)."""
    found = np.full(len(cosines), np.inf)
    for negated, sentences in clauses:
        best = cosines[:, [column for column, _ in sentences]].max(1)
        found = np.minimum(found, -best if negated else best)
    return found
