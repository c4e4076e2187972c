"""How well every kind of sentence ranks the held-out users: things, sets of things, levels, and anything at all.

Unlike the protocol over categories it works on any workspace: what is asked is taken from what happened after
`train_until`, whatever slots the sources have. Beside findcli stand each of its candidates and plain counters, which
see the whole history of the very events that a question is about.

Legend: N held-out users, Q questions, R replicates.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from scipy import sparse

from findcli.data import events
from findcli.data.questions import Question
from findcli.data.splits import held_out_users
from findcli.data.templates import BOUNDED, SLOT, Measure, template_pattern, workspace_templates
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.figures import FEWEST
from findcli.evaluation.benchmark.kind_comparisons import EVERY, OWN, Comparison, compare, with_comparisons
from findcli.metrics import Interval, bootstrap_weights, interval, weighted_auc_ks
from findcli.models.ranker.concepts import WEEK_US, concept_events
from findcli.models.ranker.queries import ANYTHING, LEVEL, THING, UNION
from findcli.scoring.engine import Engine
from findcli.scoring.scores import QueryScorer
from findcli.workspace.durations import parse_duration

DECAYS = (1.0, 0.97, 0.9, 0.8)
MOST = 200  # questions of a kind
COMMONEST = 0.6  # share of users of whom a question that is asked comes true, at most
REPLICATES = 300
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class KindRow:
    """One way of ranking, over the questions of one kind.

    Attributes:
        by: its name.
        kind: of questions.
        auc: mean over questions.
        questions: how many.
    """

    by: str
    kind: str
    auc: Interval
    questions: int


@dataclass(frozen=True)
class Promise:
    """Users expected and users of whom it came true, summed over the questions of one kind."""

    kind: str
    expected: float
    realised: int

    @property
    def ratio(self) -> float:
        """Realised over expected."""
        return self.realised / self.expected if self.expected else float("nan")


@dataclass(frozen=True)
class EveryKind:
    """The report.

    Attributes:
        users: number of held-out users.
        kept: the candidate that ranks as findcli.
        rows: every ranking in every kind.
        comparisons: findcli beside each other ranking, a kind each and their mean.
        promises: of findcli's probabilities.
        table: by, kind, question, users, positives, auc, one row each; and of findcli beside that ranking in that kind
            difference, low, high, p, holm and verdict, as in `Comparison`.
        replicates: of each ranking, the mean over kinds as observed and under every resampling, (1 + R,).
    """

    users: int
    kept: str
    rows: list[KindRow]
    comparisons: list[Comparison]
    promises: list[Promise]
    table: pl.DataFrame
    replicates: dict[str, np.ndarray]


@dataclass(frozen=True)
class Tallies:
    """Users by concepts, sparse (N, n_concepts) each, before or after the test date.

    Attributes:
        times: instants with an event.
        amounts: sums of amounts.
        decayed: by decay, sums of events weighted by age.
        latest: one over one plus the days since the last event.
    """

    times: sparse.csr_matrix
    amounts: sparse.csr_matrix
    decayed: dict[float, sparse.csr_matrix]
    latest: sparse.csr_matrix


class Asked:
    """What is asked of held-out users, and what came true.

    Args:
        engine: the users as of `train_until`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, workspace = engine, engine.workspace
        self.date = workspace.train_until
        held = held_out_users(workspace, engine.users)
        if not held:
            raise FindCLIError("nobody is held out", hint="set held_out_users in [split], such as 5")
        self.rows = np.flatnonzero(engine.users.is_in(list(held)).to_numpy())
        self.users = engine.users.gather(self.rows)
        self.future = parse_duration(workspace.settings.windows.future)
        log = events.build_events(workspace)
        frames = []
        for part in events.parts(log):
            frame = events.read_part(log, part, before=self.date + self.future)
            frames.append(concept_events(workspace, frame.filter(pl.col("user_id").is_in(self.users.implode()))))
        done = pl.concat(frames)
        self.concepts = done["concept"].unique().sort()
        self.before = self._table(done.filter(pl.col("time") < self.date))
        self.lately = self._table(
            done.filter(pl.col("time").is_between(self.date - self.future, self.date, closed="left"))
        )
        self.after = self._table(done.filter(pl.col("time") >= self.date))
        templates = workspace_templates(workspace.settings)
        self._levels = [t for t in templates if t.measure in (*BOUNDED, "none") and t.measure != "distinct"]
        self._named = [t.text for t in templates if t.measure == "any" and len(t.slots) == 1]
        self._anything = {t.text for t in templates if t.measure == "any" and not t.slots}
        self._frame = {word for t in templates for word in _WORD.findall(SLOT.sub(" ", t.text).lower())}

    def _table(self, done: pl.DataFrame) -> Tallies:
        rows = pl.DataFrame({"user_id": self.users}).with_row_index("row")
        columns = pl.DataFrame({"concept": self.concepts}).with_row_index("column")
        age = (pl.lit(self.date) - pl.col("time")).dt.total_microseconds() / WEEK_US
        cells = (
            done.with_columns(age=age)
            .group_by("user_id", "concept")
            .agg(
                times=pl.col("time").n_unique().cast(pl.Float64),
                amount=pl.col("amount").sum(),
                latest=1 / (1 + pl.col("age").min().clip(lower_bound=0) * 7),
                **{f"decayed {decay}": pl.lit(decay).pow(pl.col("age")).sum() for decay in DECAYS},
            )
            .join(rows, on="user_id")
            .join(columns, on="concept")
        )
        places, shape = (cells["row"].to_numpy(), cells["column"].to_numpy()), (len(self.users), len(self.concepts))

        def matrix(name: str) -> sparse.csr_matrix:
            return sparse.csr_matrix((cells[name].to_numpy(), places), shape)

        decayed = {decay: matrix(f"decayed {decay}") for decay in DECAYS}
        return Tallies(matrix("times"), matrix("amount"), decayed, matrix("latest"))

    @cached_property
    def _share(self) -> np.ndarray:
        return np.asarray((self.after.times > 0).mean(0)).ravel()

    def questions(self) -> list[tuple[str, Question]]:
        """The kind and text of every question that enough held-out users answered either way."""
        asked = [*self._things(), *self._sets(), *self._of_anything()]
        kept: dict[str, list[tuple[str, Question]]] = defaultdict(list)
        for kind, question in dict.fromkeys(asked):
            positives = int(self.truth(question).sum())
            least, most = FEWEST, len(self.users) - FEWEST
            if least <= positives <= most and len(kept[kind]) < MOST:
                kept[kind].append((kind, question))
        return [each for kind in (THING, UNION, LEVEL, ANYTHING) for each in kept[kind]]

    def _things(self) -> list[tuple[str, Question]]:
        """Every thing, the most frequent first, and twice, or for more than usual."""
        asked: list[tuple[str, Question]] = []
        for column in np.argsort(-self._share, kind="stable"):
            text = self.concepts[int(column)]
            if text in self._anything or not 0 < self._share[column] <= COMMONEST:
                continue
            asked.append((THING, Question((text,))))
            asked += [(LEVEL, question) for question in self._levels_of(text)]
        return asked

    def _levels_of(self, text: str) -> list[Question]:
        """Levels of one sentence that its templates have; amounts at quantiles of those in the last such window."""
        measures = {t.measure for t in self._levels if _is_level_of(t.single, text)}
        asked = [Question((text,), "count", least) for least in (2.0, 3.0) if "count" in measures]
        if "amount" in measures:
            amounts = self.lately.amounts[:, [self._places[text]]].data
            bounds = np.quantile(amounts[amounts > 0], (0.5, 0.8)) if (amounts > 0).any() else []
            asked += [Question((text,), "amount", float(f"{bound:.2g}")) for bound in bounds]
        return asked

    def _sets(self) -> list[tuple[str, Question]]:
        """Sets of things of one template whose names share a word, the largest first."""
        by_word: dict[tuple[str, str], list[str]] = defaultdict(list)
        for text in self.concepts:
            template = next((single for single in self._named if _is_level_of(single, text)), "")
            for word in set(_WORD.findall(text.lower())) - self._frame if template else ():
                by_word[template, word].append(text)
        sets = sorted((names for names in by_word.values() if len(names) > 1), key=lambda names: (-len(names), names))
        return [(UNION, Question(tuple(names))) for names in sets]

    def _of_anything(self) -> list[tuple[str, Question]]:
        asked: list[tuple[str, Question]] = []
        for text in sorted(self._anything & set(self.concepts)):
            measures: tuple[Measure, ...] = ("any", "none")
            asked += [(ANYTHING, Question((text,), measure)) for measure in measures]
            asked += [(LEVEL, question) for question in self._levels_of(text)]
        return asked

    @cached_property
    def _places(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.concepts)}

    def _columns(self, question: Question) -> list[int]:
        return [self._places[text] for text in question.sentences]

    def truth(self, question: Question) -> np.ndarray:
        """Whether it came true of each held-out user in the outcome window, bool (N,)."""
        table = self.after.amounts if question.measure == "amount" else self.after.times
        total = np.asarray(table[:, self._columns(question)].sum(1)).ravel()
        reached = total > question.least if question.measure == "amount" else total >= question.least
        return ~reached if question.measure == "none" else reached

    def counters(self, questions: Sequence[Question]) -> dict[str, np.ndarray]:
        """The scores of plain counters, (N, Q) each."""
        tables = {f"count, {decay:g} a week": table for decay, table in self.before.decayed.items()}
        tables |= {"sum of amounts": self.before.amounts}
        scores = {name: self._summed(table, questions) for name, table in tables.items()}
        latest = [self.before.latest[:, self._columns(q)].max(1).toarray().ravel() for q in questions]
        scores["recency"] = np.stack(latest, 1)
        anything = [i for i, text in enumerate(self.concepts) if text in self._anything] or list(
            range(len(self.concepts))
        )
        active = np.asarray(self.before.decayed[0.9][:, anything].sum(1)).ravel()
        scores["activity"] = np.repeat(active[:, None], len(questions), 1)
        sign = np.array([-1 if question.measure == "none" else 1 for question in questions])
        return {name: sign * each for name, each in scores.items()}

    def _summed(self, table: sparse.csr_matrix, questions: Sequence[Question]) -> np.ndarray:
        return np.stack([np.asarray(table[:, self._columns(q)].sum(1)).ravel() for q in questions], 1)


def _is_level_of(single: str, text: str) -> bool:
    return bool(single) and template_pattern(single).fullmatch(text) is not None


def rank_every_kind(engine: Engine) -> EveryKind:
    """Rank the held-out users by questions of every kind.

    Args:
        engine: of the users as of `train_until`.

    Raises:
        FindCLIError: nobody is held out, or no question came true of enough of them.
    """
    asked = Asked(engine)
    questions = asked.questions()
    if not questions:
        hint = "hold out more users, or set an earlier train_until"
        raise FindCLIError(f"no sentence came true of {FEWEST} held-out users and untrue of {FEWEST}", hint=hint)
    kinds, plain = np.array([kind for kind, _ in questions]), [question for _, question in questions]
    truth = np.stack([asked.truth(question) for question in plain], 1)
    scored = engine.scorer.score(plain)
    scores = {OWN: scored.scores[asked.rows]}
    if isinstance(engine.scorer, QueryScorer):
        scores |= {f"its {name}": each[asked.rows] for name, each in engine.scorer.by_candidate(plain).items()}
    scores |= asked.counters(plain)
    weights = bootstrap_weights(len(truth), REPLICATES)
    aucs = {name: _aucs(each, truth, weights) for name, each in scores.items()}  # (1 + R, Q) each
    table = pl.concat([
        pl.DataFrame({
            "by": name, "kind": kinds, "question": [_words(question) for question in plain], "users": len(truth),
            "positives": truth.sum(0), "auc": each[0],
        })
        for name, each in aucs.items()
    ])  # fmt: skip
    means = _means(aucs, kinds)
    comparisons = compare(means)
    likely = scored.probabilities[asked.rows]
    kept = engine.scorer.model.ranker.name if isinstance(engine.scorer, QueryScorer) else "vector"
    return EveryKind(
        len(truth), kept,
        [
            KindRow(name, kind, interval(each), int((kinds == kind).sum()))
            for (name, kind), each in means.items() if kind != EVERY
        ],
        comparisons, _promises(likely, truth, kinds), with_comparisons(table, comparisons),
        {name: means[name, EVERY] for name in aucs},
    )  # fmt: skip


def _aucs(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.stack([weighted_auc_ks(scores[:, i], truth[:, i], weights)[0] for i in range(truth.shape[1])], 1)


def _means(aucs: Mapping[str, np.ndarray], kinds: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """The mean over the questions of each kind, questions resampled too, and over kinds: (1 + R,) each."""
    rng, means = np.random.default_rng(0), {}
    present = [kind for kind in (THING, UNION, LEVEL, ANYTHING) if (kinds == kind).any()]
    for kind in present:
        columns = np.flatnonzero(kinds == kind)
        drawn = rng.integers(len(columns), size=(REPLICATES, len(columns)))
        drawn = np.concatenate([np.arange(len(columns))[None], drawn])  # (1 + R, q)
        for name, each in aucs.items():
            means[name, kind] = _mean(np.take_along_axis(each[:, columns], drawn, 1))
    for name in aucs:
        means[name, EVERY] = np.mean([means[name, kind] for kind in present], 0)
    return means


def _mean(aucs: np.ndarray) -> np.ndarray:
    """Row means of (1 + R, q) without NaN, which is a resampling that left no positive or no negative."""
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.nan_to_num(aucs).sum(1) / (~np.isnan(aucs)).sum(1)
    return mean


def _promises(likely: np.ndarray, truth: np.ndarray, kinds: np.ndarray) -> list[Promise]:
    """Expected and realised users by kind, of the questions that have probabilities."""
    known = ~np.isnan(likely).any(0)
    promises = []
    for kind in (THING, UNION, LEVEL, ANYTHING, EVERY):
        columns = known & ((kinds == kind) | (kind == EVERY))
        if columns.any():
            promises.append(Promise(kind, float(likely[:, columns].sum()), int(truth[:, columns].sum())))
    return promises


def _words(question: Question) -> str:
    more = f" and {len(question.sentences) - 1} others" if len(question.sentences) > 1 else ""
    level = "" if question.measure == "any" else f" ({question.measure} {question.least:g})"
    return f"{question.sentences[0]}{more}{level}"
