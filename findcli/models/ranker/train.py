"""Trains query-aware scoring, a part of `findcli align`: co-occurrence, ranker and calibration.

It learns from training users, at every cutoff, whether each sentence came true; the sentences are those that a single
event can make true. The last cutoff is kept for validation users, on whom nothing was fitted: they calibrate the odds.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from findcli.data import events
from findcli.metrics import weighted_auc_ks
from findcli.models.ranker.co_occurrence import CoOccurrence, choose_concepts, fit_co_occurrence
from findcli.models.ranker.concepts import Habits, best_supported, concept_events, join_habits, met_as_of
from findcli.models.ranker.query_aware import (
    CO_LEVEL,
    FEATURES,
    Concepts,
    CoOccurrenceFeatures,
    Query,
    Ranker,
    co_occurrence_features,
    columns_of,
    pick_concepts,
    query_features,
    score,
    translate,
)
from findcli.models.text.space import TextSpace
from findcli.models.weights import new_module, save_module
from findcli.progress import Progress
from findcli.training.examples import TrainingData
from findcli.training.loop import fit, step_seed
from findcli.training.losses import ranking_loss
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run

RARE, COMMON = 0.005, 0.8  # a sentence is learned from at a cutoff if its share of users lies between these


@dataclass(frozen=True)
class Moment:
    """Training users as of one cutoff.

    Attributes:
        cutoff: the instant.
        habits: of the users with a pair at this cutoff, one row per pair.
        pairs: their rows in the pairs table, int (n,).
        trains: whether each is a training user; the others validate, bool (n,).
        concepts: the concepts, with base rates of the training users.
        co_features: the users' co-occurrence features.
        learned: the co-occurrence model of the training users.
        query: the Q training sentences as weights over concepts.
        chances: probability that a step draws each sentence, (Q,).
    """

    cutoff: datetime
    habits: Habits
    pairs: np.ndarray
    trains: np.ndarray
    concepts: Concepts
    co_features: CoOccurrenceFeatures
    learned: CoOccurrence
    query: Query
    chances: np.ndarray


class RankerTraining:
    """One training of the ranker.

    Args:
        workspace: gives settings and templates.
        log: the event log; only its training side is read.
        data: the opened pairs.
        space: the space of texts.
    """

    def __init__(self, workspace: Workspace, log: Run, data: TrainingData, space: TextSpace) -> None:
        self.workspace, self.log, self.data = workspace, log, data
        self.settings, self.seed = workspace.settings.ranker, workspace.settings.workspace.seed
        self.history: timedelta = parse_duration(workspace.settings.windows.history)
        users = data.users.filter(pl.col("split") == "train")["user_id"]
        self.texts = self._vocabulary(users)
        self.vectors = space.vectors(self.texts.to_list())
        sentences = data.run.table("sentences.parquet").with_row_index("sentence")
        self.sentences = sentences.join(
            pl.DataFrame({"text": self.texts}), on="text", how="semi", maintain_order="left"
        )
        rows = {text: row for row, text in enumerate(self.texts)}
        self.sentence_vectors = self.vectors[[rows[text] for text in self.sentences["text"]]]

    def run(self, draft: Draft, checkpoints: Path, progress: Progress | None) -> None:
        """Train and fill the draft: `concepts.parquet`, `concepts.safetensors`, `ranker.*`, `calibration.json`."""
        if self.sentences.is_empty():  # no training event makes a sentence true, so FIND's vector must score
            return
        past: list[sparse.csr_matrix] = []
        moments = [self._moment(cutoff, past) for cutoff in self.data.pairs["cutoff"].unique().sort()]
        columns, learned = self._at_the_end(past)
        draft.table("concepts.parquet", pl.DataFrame({"text": self.texts}))
        draft.tensors("concepts.safetensors", learned.tensors() | {"known": columns, "vectors": self.vectors[columns]})
        calibrating = moments.pop() if len(moments) > 1 else moments[-1]
        made_of = {"features": len(FEATURES), "width": self.settings.width}
        ranker = new_module(Ranker, made_of, seed=self.seed)
        examples = torch.cat([self._examples(moment) for moment in moments])
        ranker.set_scale(examples, without=columns_of(self.settings.without))
        history = fit(
            lambda step: self._loss(ranker, moments, step), {"ranker": ranker}, steps=self.settings.steps,
            lr=self.settings.lr, weight_decay=self.settings.weight_decay, warmup=self.settings.warmup,
            clip=self.settings.clip, seed=self.seed, checkpoint_dir=checkpoints,
            checkpoint_every=self.settings.checkpoint_every, progress=progress,
        )  # fmt: skip
        draft.table("ranker_history.parquet", history.table())
        save_module(draft, "ranker", ranker, made_of)
        self._calibrate(draft, ranker, calibrating)

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
            habits.append(met_as_of(recent, ids[-1], cutoff, self.history).habits(self.texts))
        return pl.concat(ids), join_habits(habits)

    def _at_the_end(self, past: list[sparse.csr_matrix]) -> tuple[np.ndarray, CoOccurrence]:
        """`_co_occurrence` of the training users as of `train_until`."""
        users = self.data.users.filter(pl.col("split") == "train")["user_id"]
        return self._co_occurrence(self._habits(users, self.workspace.train_until)[1], past)

    def _co_occurrence(self, habits: Habits, past: list[sparse.csr_matrix]) -> tuple[np.ndarray, CoOccurrence]:
        """Fit a co-occurrence model: its concepts' columns (M,), and the model. Appends the habits to the past."""
        past.append(habits.levels[CO_LEVEL])
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
        pairs = self.data.pairs.filter(pl.col("cutoff") == cutoff)
        pairs = pairs.with_columns(user_id=self.data.users["user_id"].gather(pairs["user"]))
        ids, habits = self._habits(pairs["user_id"], cutoff)
        rows = pl.DataFrame({"user_id": ids}).join(pairs, on="user_id", maintain_order="left")
        trains = (rows["split"] == "train").to_numpy()
        training = habits.rows(np.flatnonzero(trains))
        columns, learned = self._co_occurrence(training, past)
        ever, late = training.shares()
        concepts = Concepts(self.vectors, ever, late, translate(self.vectors, self.vectors[columns]))
        numbers = rows["pair"].to_numpy()
        share = self.data.truth.dense(numbers[trains], self.sentences["sentence"].to_numpy()).mean(0)
        chance = np.sqrt(share) * ((share >= RARE) & (share <= COMMON))
        chance = chance if chance.any() else np.ones_like(chance)
        return Moment(
            cutoff, habits, numbers, trains, concepts, co_occurrence_features(habits, concepts, learned), learned,
            pick_concepts(self.sentence_vectors, concepts), chance / chance.sum(),
        )  # fmt: skip

    def _draw(self, moment: Moment, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Features (B, S, F) and truth (B, S) of random training users and sentences."""
        trains = np.flatnonzero(moment.trains)
        users = np.sort(rng.choice(trains, min(self.settings.batch_size, len(trains)), replace=False))
        drawable = min(self.settings.sentences, int((moment.chances > 0).sum()))
        chosen = np.sort(rng.choice(len(moment.chances), drawable, replace=False, p=moment.chances))
        query = some(moment.query, chosen)
        features = query_features(moment.habits.rows(users), moment.co_features.rows(users), query, moment.learned)
        true = self.data.truth.dense(moment.pairs[users], self.sentences["sentence"].to_numpy()[chosen])
        return torch.from_numpy(features), torch.from_numpy(true)

    def _examples(self, moment: Moment) -> Tensor:
        features, _ = self._draw(moment, np.random.default_rng(self.seed))
        return features.flatten(0, 1)

    def _loss(self, ranker: Ranker, moments: Sequence[Moment], step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step_seed(self.seed, step))
        features, true = self._draw(moments[int(rng.integers(len(moments)))], rng)
        odds = ranker(features)  # (B, S)
        return {
            "ranking": self.settings.ranking_weight * ranking_loss(odds, true),
            "truth": torch.nn.functional.binary_cross_entropy_with_logits(odds, true.float()),
        }

    def _calibrate(self, draft: Draft, ranker: Ranker, moment: Moment) -> None:
        """Calibrate the log odds on the validation users at one cutoff, and measure how well they are ranked."""
        rows = np.flatnonzero(~moment.trains)
        drawable = np.flatnonzero(moment.chances)
        query = some(moment.query, drawable)
        odds = score(moment.habits.rows(rows), moment.co_features.rows(rows), query, moment.learned, ranker)
        true = self.data.truth.dense(moment.pairs[rows], self.sentences["sentence"].to_numpy()[drawable])
        ranked = [i for i in range(len(drawable)) if 5 <= true[:, i].sum() <= len(rows) - 5]
        if ranked:
            each = np.ones((1, len(rows)))
            aucs = [weighted_auc_ks(odds[:, i], true[:, i], each)[0][0] for i in ranked]
            draft.metrics["ranker_auc"] = float(np.mean(aucs))
        if len(np.unique(true)) < 2:
            return
        line = LogisticRegression(C=np.inf).fit(odds.reshape(-1, 1), true.ravel())
        draft.json("calibration.json", {"slope": float(line.coef_[0, 0]), "intercept": float(line.intercept_[0])})


def some(query: Query, chosen: np.ndarray) -> Query:
    """Some of a query's demands, by column."""
    return Query(
        query.sharp[:, chosen], query.wide[:, chosen], query.translated[:, chosen], query.base[:, chosen],
        query.nearest[chosen],
    )  # fmt: skip
