"""Demands as read: the questions behind them, and one score from the scores of several.

A broad demand is one question about a set of sentences, answered from the history of the set. Of several questions
probabilities are taken as independent given the user: any is 1 - prod(1 - p), all is prod p, not is 1 - p. A sentence
that is only likely to be meant counts by its share: 1 - prod(1 - share p). Cosines of FIND's single vector are not
probabilities: any is their maximum, all their minimum, not the negative.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from findcli.data.questions import Question
from findcli.data.templates import Template
from findcli.demands.reading import parse_rewriting
from findcli.demands.rewriter import Meant, Rewriting
from findcli.models.tower import Unit
from findcli.scoring.scores import Nearest, Scored
from findcli.workspace.folder import Workspace

if TYPE_CHECKING:
    from findcli.demands.language_model import LanguageModel


AUTO, OFF = "auto", "off"
NONE, TUNED = "none", "tuned"


def read_by_hand(
    demand: str, sentences: str, vocabulary: Collection[str], templates: Sequence[Template] = ()
) -> Rewriting:
    """Read a demand as the sentences that the user wrote for it, with a note on each that is not in the vocabulary.

    Args:
        demand: the demand.
        sentences: of single events or of levels, joined by or, and, and not.
        vocabulary: the sentences of single events that are known.
        templates: of the workspace, for its levels.

    Raises:
        FindCLIError: the sentences cannot be parsed.
    """
    rewriting = parse_rewriting(demand, sentences, templates)
    notes = (
        f'"{text}" is not in the vocabulary: it is ranked by similar sentences, without a probability'
        for text in rewriting.sentences
        if text not in vocabulary
    )
    return replace(rewriting, notes=(*rewriting.notes, *notes))


def language_model(workspace: Workspace) -> LanguageModel | None:
    """Load the language model that [rewriter] names; None if demands are read by likeness alone.

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


def asked(rewriting: Rewriting) -> list[Question]:
    """The questions of a demand as read; of one that stands as it is, its own words."""
    return [question for clause in rewriting.clauses for question, _ in clause.questions] or [
        Question((rewriting.demand,))
    ]


def combined(scored: Scored, questions: Sequence[Question], rewritings: Sequence[Rewriting], *, unit: Unit) -> Scored:
    """Combine the scores of sentences into those of demands.

    Args:
        scored: N users for S questions.
        questions: the S questions.
        rewritings: the readings of Q demands, over these questions.
        unit: the unit of the scores.
    """
    column = {question: i for i, question in enumerate(questions)}
    likely = np.where(np.isnan(scored.probabilities), expit(scored.scores.astype(np.float64)), scored.probabilities)
    demands = Scored(
        np.empty((len(scored.scores), len(rewritings)), np.float32),
        np.full((len(scored.scores), len(rewritings)), np.nan),
        [],
    )
    kinds = []
    for i, rewriting in enumerate(rewritings):
        columns = [column[question] for question in asked(rewriting)]
        if is_one_question(rewriting):
            demands.scores[:, i], demands.probabilities[:, i] = (
                scored.scores[:, columns[0]],
                scored.probabilities[:, columns[0]],
            )
        elif unit == "cosine":
            demands.scores[:, i] = combine_cosines(scored.scores, _clauses(rewriting, column))
        else:
            odds = combine_probabilities(likely, _clauses(rewriting, column))
            demands.scores[:, i] = odds
            if not np.isnan(scored.probabilities[:, columns]).any():
                demands.probabilities[:, i] = expit(odds)
        demands.nearest.append(_read_as(rewriting, scored.nearest[columns[0]]))
        kinds.append(scored.kinds[columns[0]] if scored.kinds and is_one_question(rewriting) else "")
    return replace(demands, kinds=tuple(kinds))


def is_one_question(rewriting: Rewriting) -> bool:
    """Whether a demand is one question, of a sentence or a set, so that its numbers were measured."""
    clauses = rewriting.clauses
    return not clauses or (len(clauses) == 1 and len(clauses[0].questions) == 1 and not clauses[0].negated)


def _clauses(rewriting: Rewriting, column: dict[Question, int]) -> Clauses:
    return [(c.negated, [(column[question], share) for question, share in c.questions]) for c in rewriting.clauses]


def _read_as(rewriting: Rewriting, nearest: Nearest) -> Nearest:
    """The sentences that a demand was read as, with their cosine; the nearest ones if it stands as it is."""
    meant: list[Meant] = [each for clause in rewriting.clauses for each in clause.any_of]
    return [(each.sentence, each.cosine) for each in meant] or nearest


SMALLEST = 1e-12
Clauses = Sequence[tuple[bool, Sequence[tuple[int, float]]]]


def combine_probabilities(probabilities: np.ndarray, clauses: Clauses) -> np.ndarray:
    """The log odds that every clause holds, float64 (N,); NaN where the probability of a sentence is NaN.

    Args:
        probabilities: N users for S sentences, (N, S).
        clauses: for each, whether it is negated, and the columns of its sentences with their shares.
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
    """The cosine that every clause reaches, (N, S) -> (N,); clauses as for `combine_probabilities`."""
    lowest = np.full(len(cosines), np.inf)
    for negated, sentences in clauses:
        best = cosines[:, [column for column, _ in sentences]].max(1)
        lowest = np.minimum(lowest, -best if negated else best)
    return lowest
