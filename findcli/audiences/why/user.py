"""Why one user is in an audience: the fewest events without which he would not be, and what his score is made of.

Events are deleted one by one, each time the one that costs most, and the history is recomputed as if it had never
happened; so two purchases of which either would do are both named. What a score is made of are exact Shapley values of
the groups of features that the ranker reads, against the mean user.

Legend: E events, K versions of a history, Q questions, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from math import comb

import numpy as np
import torch
from torch import Tensor

from findcli.audiences.target import Audience
from findcli.audiences.why.deletion import History, open_histories, query_scorer
from findcli.data.questions import Question
from findcli.demands.reading import Rewriting
from findcli.errors import FindCLIError
from findcli.models.ranker.concepts import ACTIVITY, COUNTS, Habits
from findcli.models.ranker.features import FEATURES, OF_SCOPE, RHYTHM, user_features
from findcli.scoring.as_read import asked, combined
from findcli.scoring.engine import Engine
from findcli.scoring.scores import QueryScorer, Scored

BATCH = 50  # versions of a history that are scored at once
CONSIDERED = 50  # events that are tried again after each deletion, those that cost most by themselves
LATEST = 500  # events that are tried at all
MOST = 10  # events that are named
ABOUT = 0.5  # weight of a concept in a demand from which its events are what it is about
PARTS = {
    "how often": (*COUNTS, "in window", "level", "level in window", "reaches"),
    "when": RHYTHM,
    "similar things": ("alike",),
    "things that go with it": ("co-occurrence", "factors"),
    "everything of this kind": tuple(f"family's {name}" for name in (*OF_SCOPE, *RHYTHM)),
    "activity as a whole": tuple(f"user's {name}" for name in ACTIVITY),
}  # what a score is made of, as a marketer may read it; the other features are those of the question, alike for all


@dataclass(frozen=True)
class Event:
    """An event that a user's place rests on.

    Attributes:
        time: when it happened.
        sentence: what it made true, as near to the demand as can be.
        times: how many equal ones there were at that instant.
        score: the user's score without it and all those named before it.
    """

    time: datetime
    sentence: str
    times: int
    score: float


@dataclass(frozen=True)
class Reasons:
    """Why a user is in an audience.

    Attributes:
        user: the id.
        score: his score.
        bar: the score of the last user in the audience.
        events: the events named, those that cost most first.
        out: whether he would not be in the audience without them.
        shares: what his score is made of: by part, log odds above those of the mean user.
    """

    user: object
    score: float
    bar: float
    events: tuple[Event, ...]
    out: bool
    shares: dict[str, float]


class Explainer:
    """Explains users of one population by one demand as read.

    Args:
        engine: of the population.
        rewriting: the demand as read.

    Raises:
        FindCLIError: the model scores by FIND's single vector.
    """

    def __init__(self, engine: Engine, rewriting: Rewriting) -> None:
        self.engine, self.rewriting = engine, rewriting
        self.scorer: QueryScorer = query_scorer(engine)
        self.questions: list[Question] = list(dict.fromkeys(asked(rewriting)))
        self._weights = self.scorer.weights_of_concepts(self.questions)  # (n_concepts,)
        self._texts = self.scorer.snapshot.texts.to_list()
        self._rows = {text: row for row, text in enumerate(self._texts)}

    def explain(self, users: Sequence[object], bar: float) -> list[Reasons]:
        """Explain some users, in their order.

        Args:
            users: ids of users in the audience.
            bar: the score of the last user in it.

        Raises:
            FindCLIError: a user is not embedded, or the events changed since he was.
        """
        return [self._reasons(history, bar) for history in open_histories(self.engine, users)]

    def scores_without(self, history: History, deleted: Sequence[Sequence[int]]) -> np.ndarray:
        """The scores of K versions of a history, each without some events: (K,)."""
        parts = [deleted[start : start + BATCH] for start in range(0, len(deleted), BATCH)]
        return np.concatenate([np.empty(0), *(self._scores(history.without(part)) for part in parts)])

    def smallest_set(self, history: History, bar: float, *, most: int = MOST) -> tuple[list[int], list[float]]:
        """A few events whose deletion takes a user below a bar, and the score after each.

        Three orders are tried: greedily, the event that costs most each time; the latest first; and the latest of those
        that the demand is about, since of two late events either may do. The one that is below the bar first is taken,
        and what it does not need is left in.

        Args:
            history: of the user.
            bar: he is below it where his score is.
            most: how many events to delete at most.
        """
        late = list(range(max(0, len(history) - LATEST), len(history)))
        about = [event for event in late if self._weight(history.happened["concepts"][event]) >= ABOUT]
        orders = [self._greedy(history, late, bar, most), late[::-1][:most], about[::-1][:most]]
        prefixes = [order[: n + 1] for order in orders for n in range(len(order))]
        scores = self.scores_without(history, prefixes)
        if not len(scores):
            return [], []
        below = [len(prefix) if score < bar else most + 1 for prefix, score in zip(prefixes, scores, strict=True)]
        chosen = prefixes[min(range(len(prefixes)), key=lambda i: (below[i], scores[i]))]
        chosen = self._needed(history, chosen, bar)
        return chosen, self.scores_without(history, [chosen[: n + 1] for n in range(len(chosen))]).tolist()

    def _greedy(self, history: History, events: Sequence[int], bar: float, most: int) -> list[int]:
        """The events that cost most, each given those before it, until the user is below the bar."""
        if not events:
            return []
        alone = self.scores_without(history, [[event] for event in events])
        candidates = [events[i] for i in np.argsort(alone, kind="stable")[:CONSIDERED]]
        gone, score = [candidates.pop(0)], float(alone.min())
        while candidates and len(gone) < most and score >= bar:
            after = self.scores_without(history, [[*gone, event] for event in candidates])
            score = float(after.min())
            gone.append(candidates.pop(int(after.argmin())))
        return gone

    def _needed(self, history: History, gone: list[int], bar: float) -> list[int]:
        """The events of a set that takes a user below the bar without which it would not."""
        while len(gone) > 1:
            fewer = [[other for other in gone if other != event] for event in gone]
            scores = self.scores_without(history, fewer)
            if scores.min() >= bar:
                break
            gone = fewer[int(scores.argmin())]
        return gone

    def _weight(self, concepts: Sequence[str]) -> float:
        """How much the demand is about an event."""
        return max((float(self._weights[self._rows[text]]) for text in concepts if text in self._rows), default=0.0)

    def _reasons(self, history: History, bar: float) -> Reasons:
        score = float(self.scores_without(history, [[]])[0])
        stored = self.engine.score_read([self.rewriting]).scores[self._row(history.user), 0]
        if not np.isclose(score, stored, rtol=1e-3, atol=1e-3):
            hint = "bring them up to date with findcli embed"
            raise FindCLIError("events changed since users were embedded: reasons cannot be recomputed", hint=hint)
        gone, scores = self.smallest_set(history, bar)
        sentences = [self._nearest(history.happened["concepts"][event]) for event in gone]
        rows = history.happened.select("time", "times").rows()
        named = tuple(
            Event(rows[event][0], sentence, rows[event][1], after)
            for event, sentence, after in zip(gone, sentences, scores, strict=True)
        )
        return Reasons(history.user, score, bar, named, bool(scores) and scores[-1] < bar, self._shares(history))

    def _row(self, user: object) -> int:
        return int((self.engine.users == user).arg_max() or 0)

    def _nearest(self, concepts: Sequence[str]) -> str:
        """The sentence of an event that the demand is about most; else the rarest, which says most of it."""
        ever = self.scorer.snapshot.concepts.ever
        known = [text for text in concepts if text in self._rows]

        def order(text: str) -> tuple[float, float]:
            row = self._rows[text]
            return (-float(self._weights[row]), float(ever[row]))

        return min(known, key=order) if known else concepts[0]

    def _scores(self, habits: Habits) -> np.ndarray:
        users = user_features(habits, self.scorer.snapshot.concepts, self.scorer.model.co_occurrence)
        return self._as_read(self.scorer.score_histories(self.questions, users))

    def _as_read(self, scored: Scored) -> np.ndarray:
        whole = combined(scored, self.questions, [self.rewriting], unit=self.scorer.unit)
        return whole.scores[:, 0].astype(np.float64)

    def _shares(self, history: History) -> dict[str, float]:
        """Shapley values of the parts: log odds that each adds to those of the mean user."""
        habits = history.without([[]])
        users = user_features(habits, self.scorer.snapshot.concepts, self.scorer.model.co_occurrence)
        features, mean = self.scorer.features(self.questions, users)[0], self.scorer.mean_features(self.questions)
        coalitions = [each for n in range(len(PARTS) + 1) for each in combinations(PARTS, n)]
        versions = torch.stack([_from_both(features, mean, coalition) for coalition in coalitions])  # (2^P, Q, F)
        repeated = habits.rows(np.zeros(len(coalitions), np.int64))
        scores = self._as_read(self.scorer.score_features(self.questions, versions, repeated))
        value = {frozenset(each): float(score) for each, score in zip(coalitions, scores, strict=True)}
        return {part: _shapley(part, value) for part in PARTS}


def explain_audience(
    engine: Engine, audience: Audience, users: Sequence[str] | None = None, *, examples: int = 3
) -> list[Reasons]:
    """Explain users of an audience.

    Args:
        engine: that ranked it.
        audience: the answer to one demand.
        users: ids as typed; None: the best few.
        examples: how many those are.

    Raises:
        FindCLIError: a user is not in it, or it was ranked by a learned prompt or by FIND's single vector.
    """
    if audience.rewriting is None:
        raise FindCLIError("an audience that a learned prompt ranks has no reasons", hint="ask by a demand")
    selected = audience.selected
    if not len(selected):
        return []
    by_text = {str(user): user for user in selected["user_id"]}
    for user in users or ():
        if user not in by_text:
            hint = "select more users, such as with --top-percent, or name one who is in it"
            raise FindCLIError(f"user {user} is not in this audience of {len(selected):,}", hint=hint)
    chosen = [by_text[user] for user in users] if users else selected["user_id"].head(examples).to_list()
    return Explainer(engine, audience.rewriting).explain(chosen, float(selected["score"][-1]))


def _from_both(features: Tensor, mean: Tensor, parts: Sequence[str]) -> Tensor:
    """The mean user's features with some parts of one user's: (Q, F)."""
    mixed = mean.clone()
    columns = [FEATURES.index(name) for part in parts for name in PARTS[part]]
    mixed[:, columns] = features[:, columns]
    return mixed


def _shapley(part: str, value: dict[frozenset[str], float]) -> float:
    """The mean of what a part adds, over every order in which parts can come (Shapley 1953)."""
    n = len(PARTS)
    return sum(
        (value[others | {part}] - score) / (n * comb(n - 1, len(others)))
        for others, score in value.items()
        if part not in others
    )
