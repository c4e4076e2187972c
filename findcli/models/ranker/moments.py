"""Training users as of each cutoff, and what a ranker is shown of them.

Legend: B users, S lessons, Q lessons in all, F features, E examples.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import torch
from scipy import sparse
from torch import Tensor

from findcli.data import events
from findcli.data.splits import bucket
from findcli.data.templates import workspace_templates
from findcli.models.ranker.choice import Trial
from findcli.models.ranker.co_occurrence import CoOccurrence, choose_concepts, fit_co_occurrence
from findcli.models.ranker.concepts import Habits, best_supported, concept_events, join_habits, met_as_of
from findcli.models.ranker.features import CO_SUM, UserFeatures, query_features, user_features
from findcli.models.ranker.lessons import DRAWN, write_lessons
from findcli.models.ranker.odds import Odds, score
from findcli.models.ranker.queries import Concepts, rates_of, translate, weigh
from findcli.models.ranker.reliability import Tried
from findcli.models.ranker.scopes import scopes_of
from findcli.models.text.space import TextSpace
from findcli.training.examples import TrainingData
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

RARE, COMMON = 0.005, 0.8  # a lesson is learned from at a cutoff if its share of users lies between these
EXAMPLES = 300_000  # that trees and counts learn from, at most


@dataclass(frozen=True)
class Moment:
    """Training users as of one cutoff.

    Attributes:
        cutoff: the instant.
        users: what is read of the users with a pair at this cutoff, one row per pair.
        pairs: their rows in the pairs table, int (n,).
        trains: whether each is a training user; the others validate, bool (n,).
        concepts: the concepts, with base rates of the training users.
        learned: the co-occurrence model of the training users.
        rates: of the Q lessons, among training users, float32 (2, Q).
        chances: probability that a step draws each lesson, (Q,).
    """

    cutoff: datetime
    users: UserFeatures
    pairs: np.ndarray
    trains: np.ndarray
    concepts: Concepts
    learned: CoOccurrence
    rates: np.ndarray
    chances: np.ndarray


def _first_users(users: pl.DataFrame, workspace: Workspace) -> pl.DataFrame:
    """The users that teach: all of them or, if [ranker] sets a number, so many in the order of a hash."""
    most = workspace.settings.ranker.users
    if not most or most >= len(users):
        return users
    salt = workspace.settings.split.salt
    order = [bucket("taught", user, salt=salt, buckets=2**32) for user in users["user_id"]]
    return users.with_columns(pl.Series("order", order)).sort("order").head(most).sort("user").drop("order")


class World:
    """A workspace as a ranker learns from it.

    Args:
        workspace: gives settings and templates.
        log: the event log; only its training side is read.
        data: the opened pairs.
        space: the space of texts.

    Attributes:
        texts: the concepts.
        vectors: their unit vectors, (n_concepts, D).
        lessons: what is learned.
        moments: training users as of every cutoff, in order.
        known: columns of the co-occurrence model's concepts as of `train_until`.
        learned: that model.
    """

    def __init__(self, workspace: Workspace, log: Run, data: TrainingData, space: TextSpace) -> None:
        self.workspace, self.log, self.data = workspace, log, data
        self.settings, self.seed = workspace.settings.ranker, workspace.settings.workspace.seed
        self.history: timedelta = parse_duration(workspace.settings.ranker.history)
        self.future: timedelta = parse_duration(workspace.settings.windows.future)
        self.users = _first_users(data.users.with_row_index("user"), workspace)
        self.texts = self._vocabulary(self.users.filter(pl.col("split") == "train")["user_id"])
        self.vectors = space.vectors(self.texts.to_list())
        self.scopes = scopes_of(workspace.settings, self.texts)
        self.lessons = write_lessons(
            data.run.table("sentences.parquet")["text"], workspace_templates(workspace.settings),
            {text: row for row, text in enumerate(self.texts)}, self.vectors, seed=self.seed,
        )  # fmt: skip
        past: list[sparse.csr_matrix] = []
        self.pairs = data.pairs.filter(pl.col("user").is_in(self.users["user"].implode()))
        cutoffs = self.pairs["cutoff"].unique().sort() if len(self.lessons) else ()
        self.moments = [self._moment(cutoff, past) for cutoff in cutoffs]
        if self.moments:
            self.known, self.learned = self._at_the_end(past)

    @classmethod
    def open(cls, workspace: Workspace, *, device: str) -> World:
        """Open a workspace's runs and read them.

        Raises:
            FindCLIError: its pairs or texts are missing.
        """
        log, pairs, text = (open_run(workspace.run(name), name) for name in ("events", "pairs", "text"))
        return cls(workspace, log, TrainingData(pairs), TextSpace(text, device=device))

    def _vocabulary(self, users: pl.Series) -> pl.Series:
        """The concepts that most training users met before `train_until`, sorted."""
        counts = []
        for part in events.parts(self.log):
            log = events.read_part(self.log, part).filter(pl.col("user_id").is_in(users.implode()))
            met = concept_events(self.workspace, log).select("user_id", "concept").unique()
            counts.append(met.group_by("concept").agg(users=pl.len()))
        return best_supported(counts, most=self.settings.vocabulary)

    def _habits(self, users: pl.Series, cutoff: datetime) -> tuple[pl.Series, Habits]:
        """The users' ids, in order of partition and id, and their habits in this order."""
        ids, habits = [], []
        for part in events.parts(self.log):
            log = events.read_part(self.log, part).filter(
                pl.col("user_id").is_in(users.implode()), pl.col("time") < cutoff
            )
            ids.append(log["user_id"].unique().sort())
            recent = concept_events(self.workspace, log.filter(pl.col("time") >= cutoff - self.history))
            met = met_as_of(recent, ids[-1], cutoff, self.history, future=self.future)
            habits.append(met.habits(self.texts))
        return pl.concat(ids), join_habits(habits)

    def _at_the_end(self, past: list[sparse.csr_matrix]) -> tuple[np.ndarray, CoOccurrence]:
        """`_co_occurrence` of the training users as of `train_until`."""
        users = self.users.filter(pl.col("split") == "train")["user_id"]
        return self._co_occurrence(self._habits(users, self.workspace.train_until)[1], past)

    def _co_occurrence(self, habits: Habits, past: list[sparse.csr_matrix]) -> tuple[np.ndarray, CoOccurrence]:
        """Fit a co-occurrence model: its concepts' columns (M,), and the model. Appends the habits to the past."""
        past.append(habits.log(CO_SUM))
        columns = choose_concepts(past[-1], most=self.settings.co_occurrence)
        settings = self.settings
        return columns, fit_co_occurrence(
            [levels[:, columns] for levels in past], ridge=settings.ridge, factors=settings.factors, seed=self.seed
        )

    def _moment(self, cutoff: datetime, past: list[sparse.csr_matrix]) -> Moment:
        """Read users as of one cutoff.

        Args:
            cutoff: the instant.
            past: training users' levels as of earlier cutoffs; this cutoff's are appended.
        """
        pairs = self.pairs.filter(pl.col("cutoff") == cutoff)
        pairs = pairs.with_columns(user_id=self.data.users["user_id"].gather(pairs["user"]))
        ids, habits = self._habits(pairs["user_id"], cutoff)
        rows = pl.DataFrame({"user_id": ids}).join(pairs, on="user_id", maintain_order="left")
        trains = (rows["split"] == "train").to_numpy()
        training = habits.rows(np.flatnonzero(trains))
        columns, learned = self._co_occurrence(training, past)
        translation = translate(self.vectors, self.vectors[columns])
        concepts = Concepts(self.vectors, *training.shares(), translation, self.scopes)
        numbers = rows["pair"].to_numpy()
        return Moment(
            cutoff, user_features(habits, concepts, learned), numbers, trains, concepts, learned,
            rates_of(self.lessons.picks, concepts, training), self._chances(numbers[trains]),
        )  # fmt: skip

    def _chances(self, pairs: np.ndarray) -> np.ndarray:
        """The probability that a step draws each lesson, by its kind and its share of pairs, (Q,)."""
        every = np.arange(len(self.lessons))
        share = np.concatenate([
            self.lessons.true(self.data.truth, pairs, block).mean(0)
            for block in np.array_split(every, max(1, len(every) // 1000))
        ])  # fmt: skip
        chance = np.sqrt(share) * ((share >= RARE) & (share <= COMMON))
        chance = chance if chance.any() else np.ones_like(chance)
        for kind, weight in DRAWN.items():
            total = chance[self.lessons.kinds == kind].sum()
            if total:
                chance[self.lessons.kinds == kind] *= weight / total
        scaled: np.ndarray = chance / chance.sum()
        return scaled

    def draw(self, moment: Moment, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Features (B, S, F) and truth (B, S) of random training users and lessons."""
        trains = np.flatnonzero(moment.trains)
        users = np.sort(rng.choice(trains, min(self.settings.batch_size, len(trains)), replace=False))
        drawable = min(self.settings.sentences, int((moment.chances > 0).sum()))
        chosen = np.sort(rng.choice(len(moment.chances), drawable, replace=False, p=moment.chances))
        query = weigh(self.lessons.some(chosen), moment.concepts, rates=moment.rates[:, chosen])
        features = query_features(moment.users.rows(users), query, moment.learned)
        return features, torch.from_numpy(self.lessons.true(self.data.truth, moment.pairs[users], chosen))

    def examples(self, moments: Sequence[Moment]) -> tuple[Tensor, Tensor]:
        """Features (E, F) and truth (E,) of random users and lessons of every moment."""
        rng, features, true = np.random.default_rng(self.seed), [], []
        most = EXAMPLES // len(moments)
        for moment in moments:
            drawn = 0
            while drawn < most:
                x, y = self.draw(moment, rng)
                features.append(x.flatten(0, 1))
                true.append(y.flatten())
                drawn += len(true[-1])
                if drawn >= len(moment.pairs) * len(self.lessons):
                    break  # a small world would only repeat itself
        return torch.cat(features), torch.cat(true)

    def trial(self, moment: Moment) -> Trial:
        """Validation users at one cutoff, and a fair number of lessons of each kind."""
        rows, lessons = np.flatnonzero(~moment.trains), self._fair(moment, most=Trial.MOST)
        query = weigh(self.lessons.some(lessons), moment.concepts, rates=moment.rates[:, lessons])
        features = query_features(moment.users.rows(rows), query, moment.learned)
        true = self.lessons.true(self.data.truth, moment.pairs[rows], lessons)
        return Trial(features, true, self.lessons.kinds[lessons])

    def tried(self, moment: Moment, odds: Odds) -> Tried:
        """What a ranker says of validation users at one cutoff, about a fair number of lessons of each kind."""
        rows = np.flatnonzero(~moment.trains)[: Tried.MOST_USERS]
        lessons = self._fair(moment, most=Tried.MOST)
        query = weigh(self.lessons.some(lessons), moment.concepts, rates=moment.rates[:, lessons])
        scores = score(moment.users.rows(rows), query, moment.learned, odds)
        true = self.lessons.true(self.data.truth, moment.pairs[rows], lessons)
        return Tried(scores, true, self.lessons.kinds[lessons])

    def _fair(self, moment: Moment, *, most: int) -> np.ndarray:
        """At most so many lessons of each kind."""
        rng, chosen = np.random.default_rng(self.seed), []
        for kind in DRAWN:
            drawable = np.flatnonzero((moment.chances > 0) & (self.lessons.kinds == kind))
            chosen.append(np.sort(rng.permutation(drawable)[:most]))
        return np.concatenate(chosen)
