"""What histories say about questions: the features of users and questions that every ranker reads.

A question's weights over concepts turn a user's sums into statistics, linearly: how often, how recently and how much he
did what it is about, what similar things he did, and what co-occurrence adds. `features_of` reads them on scales that
networks and trees share, beside his activity as a whole, that of the question's family (its scope), and the question's
rates. No feature names a concept, so what was never trained on is scored by the same rule.

Legend: N users, Q questions, S statistics, F features, P scopes, R factors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.concepts import ACTIVITY, COUNTS, FORGOTTEN, POWER, SUMS, Habits
from findcli.models.ranker.queries import LEVELS, OF_LEVEL, Concepts, Query, Tangent

WIDE_SUM, CO_SUM = "decay 0.9", "decay 0.95"
STATISTICS = (*SUMS, "alike", "co-occurrence", "factors")
OF_SCOPE = ("decay 0.95", "decay 0.7", "decay 0.4")
RHYTHM = ("weeks", "recency", "gap", "overdue", "tenure")
FEATURES = (
    *COUNTS,
    *RHYTHM,
    "in window",
    "level",
    "level in window",
    "reaches",
    "alike",
    "co-occurrence",
    "factors",
    *(f"user's {name}" for name in ACTIVITY),
    *(f"family's {name}" for name in (*OF_SCOPE, *RHYTHM)),
    "rate ever",
    "rate lately",
    *(f"asks for {measure}" for measure in LEVELS[1:]),
    "least",
)
GROUPS = {
    "kernel": ("alike",),
    "co-occurrence": ("co-occurrence",),
    "factors": ("factors",),
    "activity": tuple(f"user's {name}" for name in ACTIVITY),
    "family": tuple(f"family's {name}" for name in (*OF_SCOPE, *RHYTHM)),
    "rhythm": ("gap", "overdue", "tenure"),
    "base-rates": ("rate ever", "rate lately"),
}  # the groups that [ranker] without can leave out, with their features
_SUM = {name: i for i, name in enumerate(SUMS)}


@dataclass(frozen=True)
class UserFeatures:
    """What of N users does not depend on the question.

    Attributes:
        habits: their habits.
        log_wide: log(1 + their decayed counts), for the similar concepts, sparse (N, n_concepts).
        co_levels: the levels of the co-occurrence model's concepts, in units of their spread, sparse (N, M).
        factors: their co-occurrence factors, float32 (N, R).
        of_scopes: their sums in each scope, float32 (N, P, len(SUMS)).
        scopes: the scopes' columns among the concepts, int (P,).
    """

    habits: Habits
    log_wide: sparse.csr_matrix
    co_levels: sparse.csr_matrix
    factors: np.ndarray
    of_scopes: np.ndarray
    scopes: np.ndarray

    def rows(self, users: np.ndarray | slice) -> UserFeatures:
        """The features of some users, by row."""
        return UserFeatures(
            self.habits.rows(users), self.log_wide[users], self.co_levels[users], self.factors[users],
            self.of_scopes[users], self.scopes,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.factors)


def user_features(
    habits: Habits, concepts: Concepts, learned: CoOccurrence, *, factors: np.ndarray | None = None
) -> UserFeatures:
    """Compute what of users does not depend on the question.

    Args:
        habits: of N users.
        concepts: the columns of the habits.
        learned: the co-occurrence model.
        factors: the users' co-occurrence factors, (N, R), if they were computed before.
    """
    levels = habits.log(CO_SUM) @ concepts.translation  # (N, M)
    scopes = np.unique(concepts.scopes[concepts.scopes >= 0])
    of_scopes = [habits.sums[name][:, scopes].toarray() for name in SUMS]
    return UserFeatures(
        habits, habits.log(WIDE_SUM), learned.scale(levels),
        learned.user_factors(levels) if factors is None else factors,
        np.stack(of_scopes, axis=-1).astype(np.float32), scopes,
    )  # fmt: skip


def columns_of(groups: Iterable[str]) -> list[int]:
    """The feature columns of some of `GROUPS`."""
    return [FEATURES.index(name) for group in groups for name in GROUPS[group]]


def statistics_of(users: UserFeatures, query: Query | Tangent, learned: CoOccurrence) -> np.ndarray:
    """The statistics of N users and Q questions, which are linear in the questions' weights: float32 (N, Q, S)."""
    adds = learned.weights @ (query.translated * learned.spread[:, None])  # (M, Q)
    per_pair = [
        *_sums_about(users.habits, query.about),
        users.log_wide @ query.wide,
        users.co_levels @ adds,
        users.factors @ (learned.factors.T @ query.translated),
    ]
    statistics = np.empty((*per_pair[0].shape, len(STATISTICS)), np.float32)
    for i, each in enumerate(per_pair):
        statistics[:, :, i] = each
    return statistics


def _sums_about(habits: Habits, about: sparse.csc_matrix | np.ndarray) -> list[np.ndarray]:
    """The sums of what Q questions are about, (N, Q) each, in the order of `SUMS`.

    Most questions are about few concepts: what is stored of others is left out first, for all sums at once, since all
    have one pattern.
    """
    pattern = habits.sums[SUMS[0]]
    stored = np.count_nonzero(about, 1) if isinstance(about, np.ndarray) else about.getnnz(1)  # (n_concepts,)
    asked = np.asarray(stored) > 0
    kept = np.flatnonzero(asked[pattern.indices])
    indices, ends = pattern.indices[kept], np.searchsorted(kept, pattern.indptr)
    few = (sparse.csr_matrix((habits.sums[name].data[kept], indices, ends), pattern.shape) for name in SUMS)
    return [_dense(each @ about) for each in few]


def _dense(matrix: sparse.csr_matrix | np.ndarray) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())


def features_of(statistics: Tensor, rates: Tensor, users: UserFeatures, query: Query) -> Tensor:
    """The features of N users and Q questions, in the order of `FEATURES`.

    Args:
        statistics: (N, Q, S).
        rates: (2, Q) or, with a row a user, (2, N, Q).
        users: N users.
        query: Q questions.

    Returns:
        (N, Q, F), differentiable in the first two.
    """
    sums = statistics[..., : len(SUMS)]
    least = torch.from_numpy(query.least).to(statistics.dtype)  # (Q,)
    activity = torch.from_numpy(users.habits.activity).to(statistics.dtype)
    decayed, lately = (_level(sums, activity, query, i) / least for i in (0, 1))  # (N, Q)
    own = [
        *(sums[..., _SUM[name]].log1p() for name in COUNTS),
        *_rhythm(sums),
        sums[..., _SUM["window"]].log1p(),
        decayed.log1p(),
        lately.log1p(),
        lately.clamp(max=1),
        *statistics[..., len(SUMS) :].unbind(-1),
    ]
    shape = own[0].shape
    levels = torch.from_numpy(query.levels)
    asked = [(levels == i).to(statistics.dtype) for i in range(1, len(LEVELS))]
    counted = torch.where(levels == LEVELS.index("amount"), torch.zeros_like(least), least.log())
    of_query = [*rates.clamp(1e-3, 1 - 1e-3).logit().unbind(0), *asked, counted]
    return torch.stack(
        [
            *own,
            *(column[:, None].expand(shape) for column in activity.unbind(1)),
            *_of_scope(users, query, statistics.dtype).unbind(-1),
            *(column.expand(shape) for column in of_query),
        ],
        dim=-1,
    )


def _level(sums: Tensor, activity: Tensor, query: Query, i: int) -> Tensor:
    """How much there was of what each question measures, decayed (0) or in the last window (1): (N, Q)."""
    value = sums[..., _SUM[OF_LEVEL["any"][i]]]
    levels = torch.from_numpy(query.levels)
    for level, measure in enumerate(LEVELS[1:], 1):
        if measure == "distinct":
            other = activity[:, -1:].expm1().expand(value.shape)
        else:
            other = sums[..., _SUM[OF_LEVEL[measure][i]]]
        value = torch.where(levels == level, other, value)
    return value.clamp(min=0)


def _rhythm(sums: Tensor) -> list[Tensor]:
    """In the order of `RHYTHM`: logs of weeks with an event, of how recent the last is, of the mean gap in days between
    them, of days since the last over that gap, and of days since the first; zeros without an event.
    """  # noqa: D205
    weeks, latest, first = (sums[..., _SUM[name]] for name in ("weeks", "latest", "first"))
    met = latest > 0
    tiny = 1e-12
    recency = (latest.clamp(min=tiny).log() / POWER).clamp(min=0)
    last_days = ((FORGOTTEN + 1) * (-recency).exp() - 1).clamp(min=0)
    first_days = (first.clamp(min=1).pow(1 / POWER) - 1).clamp(min=0)
    repeated = met & (weeks >= 2)
    gap = ((first_days - last_days).clamp(min=0) / (weeks - 1).clamp(min=1)).log1p()
    overdue = last_days.log1p() - gap
    zero = torch.zeros_like(weeks)
    return [
        weeks.clamp(min=0).log1p(),
        torch.where(met, recency, zero),
        torch.where(repeated, gap, zero),
        torch.where(repeated, overdue, zero),
        torch.where(met, first_days.log1p(), zero),
    ]


def _of_scope(users: UserFeatures, query: Query, dtype: torch.dtype) -> Tensor:
    """The features of the users' activity in each question's family, zeros where it has none: (N, Q, 8)."""
    width = len(OF_SCOPE) + len(RHYTHM)
    if not len(users.scopes):
        return torch.zeros(len(users), len(query), width, dtype=dtype)
    sums = torch.from_numpy(users.of_scopes).to(dtype)  # (N, P, len(SUMS))
    read = torch.stack([*(sums[..., _SUM[name]].log1p() for name in OF_SCOPE), *_rhythm(sums)], dim=-1)  # (N, P, 8)
    places = np.searchsorted(users.scopes, query.scopes).clip(0, len(users.scopes) - 1)
    known = torch.from_numpy(users.scopes[places] == query.scopes)
    return torch.where(known[:, None], read[:, torch.from_numpy(places)], torch.zeros((), dtype=dtype))


def query_features(users: UserFeatures, query: Query, learned: CoOccurrence) -> Tensor:
    """What the histories of N users say about Q questions: float32 (N, Q, F)."""
    statistics = torch.from_numpy(statistics_of(users, query, learned))
    return features_of(statistics, torch.from_numpy(query.rates), users, query)
