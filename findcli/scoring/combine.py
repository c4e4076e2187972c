"""One score of several sentences: any of them, all of them, and none of what must not hold.

Probabilities are taken as independent given the user: any is 1 - prod(1 - p), all is prod p, not is 1 - p. A sentence
of which it is not sure that it is meant counts by its share: 1 - prod(1 - share p). Cosines of FIND's single vector are
no probabilities: any is their largest, all their smallest, not the negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
