"""`findcli few-shot`: what a few seed users add to a demand, compared with rivals that have the same seeds.

As in FIND's Table 3, 5 positive seeds and 5 hard negatives are drawn from a task's users and left out of the
evaluation, many times over. Prevalence is natural. Accuracy, precision and recall are for selecting as many users as
there are positives, as a marketer who knows the base rate would; AUC, average precision and lift in the best tenth need
no such policy. Intervals are 95 %, by bootstrap over the evaluated users and over the draws.

The prompt learns from the positive seeds, the hard negatives and random users of unknown label. It is compared with
prompts from the same positive seeds without hard negatives, with mined ones, and with negatives of any kind.

Hard negatives are those that the task marks. A task that marks none takes the negatives among the tenth of users that
the sentence ranks highest, as feedback from a campaign would reveal them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from scipy import sparse

from findcli.audiences.prompts.descent import PromptTuner
from findcli.audiences.prompts.seeds import LOOKALIKE_SHARE, Seeds, mine_hard_negatives
from findcli.data import events
from findcli.data.people import groups_of
from findcli.data.tasks import find_task, read_labels, refuse_forbidden_columns
from findcli.errors import FindCLIError
from findcli.evaluation.probe import STORED, vector_kinds
from findcli.evaluation.rivals import from_seeds
from findcli.evaluation.rivals.one4all import One4all, u_mlp
from findcli.evaluation.rivals.probe_registry import rival_vectors, user_inputs
from findcli.evaluation.zero_shot import DEMAND, VECTOR, task_engine
from findcli.metrics import Interval, grouped_weights, interval, resampled_means, weighted_auc_ks, weighted_selection
from findcli.progress import Progress, no_progress
from findcli.scoring.scores import QueryScorer, Scorer
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Task

DRAWS, SEEDS, REPLICATES = 20, 5, 100
PROMPT, ORDINARY = "prompt", "prompt, ordinary negatives"
MINED, WITHOUT = "prompt, mined hard negatives", "prompt, without hard negatives"
VECTOR_PROMPT = "prompt on the single vector"
FIGURES = ("auc", "average_precision", "lift", "accuracy", "precision", "recall", "hard_auc")
Figures = dict[str, np.ndarray]


@dataclass(frozen=True)
class Draw:
    """The seeds of one draw, as rows of the embedded users.

    Attributes:
        positives: positive seeds.
        hard: hard negatives.
        ordinary: negatives of any kind.
    """

    positives: np.ndarray
    hard: np.ndarray
    ordinary: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """All seeds, which the evaluation leaves out."""
        return np.concatenate([self.positives, self.hard, self.ordinary])


@dataclass(frozen=True)
class FewShotRow:
    """The figures of one way of scoring, mean over draws.

    Attributes:
        by: what scores.
        figures: by the names of `FIGURES`; `hard_auc` is NaN without hard negatives.
        beside: the prompt's figures minus these, by the same names; empty for the prompt itself.
    """

    by: str
    figures: dict[str, Interval]
    beside: dict[str, Interval]


@dataclass(frozen=True)
class FewShot:
    """A task's figures, or their mean over tasks.

    Attributes:
        task: its name, or "average".
        title: its readable name.
        demand: its sentence.
        users: number of evaluated users.
        positives: number of positives among them.
        hard_negatives: number of hard negatives among them.
        marked: whether the task marks its hard negatives.
        draws: number of draws.
        seeds: of each label, per draw.
        rows: one row per way of scoring.
    """

    task: str
    title: str
    demand: str
    users: int
    positives: int
    hard_negatives: int
    marked: bool
    draws: int
    seeds: int
    rows: list[FewShotRow]


@dataclass(frozen=True)
class _Case:
    """A task's users and what scores them; rows index the embedded users."""

    name: str
    task: Task
    rows: np.ndarray
    people: np.ndarray
    truth: np.ndarray
    hard: np.ndarray
    marked: bool
    tensors: Mapping[str, np.ndarray]
    scorers: Mapping[str, Scorer]
    draws: Sequence[Draw]
    one4all: np.ndarray | None = None


def few_shot(
    workspace: Workspace,
    names: Sequence[str],
    *,
    model: Workspace | None = None,
    draws: int = DRAWS,
    seeds: int = SEEDS,
    one4all: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[list[FewShot], pl.DataFrame]:
    """Tune prompts on drawn seeds, and compare them with the sentence and with rivals that have the same seeds.

    Args:
        workspace: the workspace of the tasks and users.
        names: the tasks, such as ["d1"].
        model: the workspace whose trained model is used; default: `workspace`.
        draws: number of draws of seeds.
        seeds: positive seeds per draw, and as many negatives.
        one4all: train One4all too, which takes minutes, and fit its head (U-MLP) to the seeds.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each task.

    Returns:
        The figures of each task, and their average if there are several; and a table with those of every draw.

    Raises:
        FindCLIError: there is no such task, its labels cannot be used, or no model is trained.
    """
    results, tables, replicates = [], [], []
    for i, name in enumerate(names, 1):
        case = _case(workspace, model or workspace, name, draws=draws, seeds=seeds, one4all=one4all, device=device)
        scores = _scores(case, workspace)
        measured = {by: _measure(case, each) for by, each in scores.items()}
        replicates.append(measured)
        results.append(_few_shot(case, seeds, measured))
        tables.append(_table(case, measured))
        (progress or no_progress)(i, len(names), {})
    if len(names) > 1:
        results.append(_average(results, replicates))
    return results, pl.concat(tables)


def _case(
    workspace: Workspace, model: Workspace, name: str, *, draws: int, seeds: int, one4all: bool, device: str
) -> _Case:
    task = find_task(workspace, name)
    refuse_forbidden_columns(model, name, task)
    labels = read_labels(workspace, name, task)
    engine = task_engine(workspace, model, task, device=device)
    users, tensors = engine.users, engine.population.tensors
    scorers: dict[str, Scorer] = {VECTOR: engine.vector_scorer}
    if engine.scorer is not engine.vector_scorer:
        scorers = {DEMAND: engine.scorer} | scorers
    labelled = pl.DataFrame({"user_id": users}).with_row_index("row").join(labels, on="user_id").sort("row")
    rows, truth = labelled["row"].to_numpy().astype(np.int64), labelled["label"].to_numpy()
    marked = "hard_negative" in labelled.columns
    hard = labelled["hard_negative"].to_numpy() & ~truth if marked else ~truth & _looks_like(task, scorers, rows)
    rng = np.random.default_rng(_seed(workspace.settings.workspace.seed, name))
    pools = truth, hard, ~truth
    if not all(pool.any() for pool in pools):
        message = f"task {name!r} has {truth.sum()} positives and {hard.sum()} hard negatives among its embedded users"
        raise FindCLIError(message, hint="seeds are drawn from both; findcli check compares users and labels")
    drawn = [
        Draw(
            *(
                np.sort(rng.choice(rows[pool], min(seeds, max(1, int(pool.sum()) // 2)), replace=False))
                for pool in pools
            )
        )
        for _ in range(draws)
    ]
    pretrained = _one4all(workspace, task, users, device=device) if one4all else None
    people = groups_of(workspace, labelled["user_id"]).rank("dense").to_numpy()
    return _Case(name, task, rows, people, truth, hard, marked, tensors, scorers, drawn, pretrained)


def _one4all(workspace: Workspace, task: Task, users: pl.Series, *, device: str) -> np.ndarray:
    """One4all's frozen vectors of users as of a task's date, (N, D), read from disk if they are there."""
    log = events.build_events(workspace)
    inputs = user_inputs(workspace, log, task.as_of, users, without_sources=task.without_sources, device=device)
    folder = workspace.runs / "benchmark" / "vectors"
    described = rival_vectors(One4all(), inputs, folder, seconds=np.inf, digest=inputs.digest())
    if described.vectors is None:
        raise FindCLIError(
            f"the rival {described.name} has not finished: {described.note}", hint="leave it out of --rivals"
        )
    return described.vectors


def _looks_like(task: Task, scorers: Mapping[str, Scorer], rows: np.ndarray) -> np.ndarray:
    """Whether each user is in the tenth that the sentence ranks highest, bool (n,)."""
    scores = _sentence_scores(next(iter(scorers.values())), task.demand)[rows]
    highest: np.ndarray = scores >= np.quantile(scores, 1 - LOOKALIKE_SHARE)
    return highest


def _sentence_scores(scorer: Scorer, sentence: str) -> np.ndarray:
    """The scores of all users for a sentence: (N,)."""
    query = _sentence_query(scorer, sentence)
    scores: np.ndarray = scorer.moved(query, query[None], gain=1.0)[:, 0]
    return scores


def _sentence_query(scorer: Scorer, sentence: str) -> np.ndarray:
    """A sentence's e^q, that of a prompt at step 0: (D,)."""
    sentences = scorer.sentences
    tokens = sentences.encoder.soft_tokens(sentence)[1]
    query: np.ndarray = (
        sentences.query(sentences.encoder.embed_prompts(sentence, tokens[None])).detach().cpu().numpy()[0]
    )
    return query


def _seed(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:few-shot:{name}".encode(), digest_size=4).digest())


def _scores(case: _Case, workspace: Workspace) -> dict[str, np.ndarray]:
    """The scores of all users in each draw, by each way of scoring: (N, draws)."""
    settings, seed = workspace.settings.prompt, workspace.settings.workspace.seed
    seeded, users = np.unique(np.concatenate([draw.rows for draw in case.draws])), len(case.tensors["embeddings"])
    scores: dict[str, np.ndarray] = {}
    main = next(iter(case.scorers))
    for name, scorer in case.scorers.items():
        tuner = PromptTuner(
            scorer,
            case.task.demand,
            users=users,
            without=seeded,
            settings=settings,
            seed=seed,
        )
        sentence = tuner.score(tuner.query[None])[:, 0]
        scores[name] = np.repeat(sentence[:, None], len(case.draws), axis=1)
        for by, seeds in _prompts(case, sentence, every=name == main).items():
            label = by if name == main else VECTOR_PROMPT
            scores[label] = tuner.rank(tuner.tune(seeds))
    return scores | _rivals(case, case.scorers[main])


def _prompts(case: _Case, sentence: np.ndarray, *, every: bool) -> dict[str, list[Seeds]]:
    """The seeds that each kind of prompt learns from."""
    with_hard = {PROMPT: [Seeds(draw.positives, draw.hard) for draw in case.draws]}
    if not every:
        return with_hard
    vectors, none = case.tensors["embeddings"], np.zeros(0, np.int64)
    mined = partial(mine_hard_negatives, sentence, vectors)
    return with_hard | {
        ORDINARY: [Seeds(draw.positives, draw.ordinary) for draw in case.draws],
        WITHOUT: [Seeds(draw.positives, none) for draw in case.draws],
        MINED: [
            Seeds(draw.positives, mined(draw.positives, most=len(draw.positives)), mined=True) for draw in case.draws
        ],
    }


def _rivals(case: _Case, scorer: Scorer) -> dict[str, np.ndarray]:
    """The scores of rivals that learn from the same seeds."""
    kinds = vector_kinds(case.tensors)
    scores: dict[str, np.ndarray] = {}
    fits: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
        "logistic regression": from_seeds.regressed,
        "nearest prototype": from_seeds.nearest_prototype,
    }
    for kind, words in (("embeddings", "embeddings"), (STORED, "all stored")):
        vectors = from_seeds.standardised(kinds[kind])
        for by, fit in fits.items():
            scores[f"{by}, {words}"] = np.stack([fit(vectors, draw.positives, draw.hard) for draw in case.draws], 1)
            scores[f"{by}, {words}, ordinary negatives"] = np.stack(
                [fit(vectors, draw.positives, draw.ordinary) for draw in case.draws], 1
            )
    if case.one4all is not None:
        vectors = from_seeds.standardised(case.one4all)
        for words, kind in (("", "hard"), (", ordinary negatives", "ordinary")):
            scores[f"U-MLP, One4all{words}"] = np.stack(
                [_u_mlp(vectors, draw.positives, getattr(draw, kind)) for draw in case.draws], 1
            )
    if isinstance(scorer, QueryScorer):
        scores |= _rules(case, scorer)
    return scores


def _u_mlp(vectors: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """One4all's perceptron fitted to the seeds: the log odds of all users, (N,)."""
    rows = np.concatenate([positives, negatives])
    return u_mlp(vectors[rows], np.arange(len(rows)) < len(positives)).scores(vectors)


def _rules(case: _Case, scorer: QueryScorer) -> dict[str, np.ndarray]:
    """The scores of rules over concepts, from the demand alone and with the seeds."""
    snapshot, query = scorer.snapshot, _sentence_query(scorer, case.task.demand)
    levels: sparse.csr_matrix = snapshot.habits.log("decay 1.0")
    rule = partial(from_seeds.by_rule, levels, snapshot.habits.activity[:, 0], snapshot.concepts.vectors @ query)
    none = np.zeros(0, np.int64)
    plain = rule(none, none)
    return {
        "rule of the demand": np.repeat(plain[:, None], len(case.draws), axis=1),
        "rule of the demand and the seeds": np.stack([rule(draw.positives, draw.hard) for draw in case.draws], 1),
    }


def _measure(case: _Case, scores: np.ndarray) -> Figures:
    """The figures of every draw, by the names of `FIGURES`: (draws, 1 + REPLICATES), as observed first."""
    weights = grouped_weights(case.people.tolist(), REPLICATES)
    figures: dict[str, list[np.ndarray]] = {name: [] for name in FIGURES}
    for i, draw in enumerate(case.draws):
        kept = ~np.isin(case.people, case.people[np.isin(case.rows, draw.rows)])
        kept_scores, truth, kept_weights = scores[case.rows[kept], i], case.truth[kept], weights[:, kept]
        figures["auc"].append(weighted_auc_ks(kept_scores, truth, kept_weights)[0])
        selection = weighted_selection(kept_scores, truth, kept_weights)
        for name in ("average_precision", "lift", "accuracy", "precision", "recall"):
            figures[name].append(getattr(selection, name))
        close = truth | case.hard[kept]
        figures["hard_auc"].append(weighted_auc_ks(kept_scores[close], truth[close], kept_weights[:, close])[0])
    return {name: np.stack(values) for name, values in figures.items()}


def _mean_over_draws(draws: np.ndarray) -> Interval:
    """The mean over draws, with an interval by bootstrap over draws and users: (draws, 1 + REPLICATES)."""
    picked = np.random.default_rng(1).integers(0, len(draws), (len(draws), REPLICATES))
    return interval(resampled_means(draws, picked))


def _rows(measured: Mapping[str, Figures]) -> list[FewShotRow]:
    prompt = measured[PROMPT]
    return [
        FewShotRow(
            by,
            {name: _mean_over_draws(values) for name, values in figures.items()},
            {} if figures is prompt else {name: _mean_over_draws(prompt[name] - figures[name]) for name in FIGURES},
        )
        for by, figures in measured.items()
    ]


def _few_shot(case: _Case, seeds: int, measured: Mapping[str, Figures]) -> FewShot:
    return FewShot(
        case.name, case.task.title or case.name, case.task.demand, len(case.rows), int(case.truth.sum()),
        int(case.hard.sum()), case.marked, len(case.draws), seeds, _rows(measured),
    )  # fmt: skip


def _average(results: Sequence[FewShot], measured: Sequence[Mapping[str, Figures]]) -> FewShot:
    """The mean over tasks, draw by draw."""
    shared = [by for by in measured[0] if all(by in other for other in measured)]
    mixed = {by: {name: np.mean([each[by][name] for each in measured], axis=0) for name in FIGURES} for by in shared}
    return FewShot(
        "average", f"average of {len(results)} tasks", "", sum(each.users for each in results),
        sum(each.positives for each in results), sum(each.hard_negatives for each in results),
        all(each.marked for each in results), results[0].draws, results[0].seeds, _rows(mixed),
    )  # fmt: skip


def _table(case: _Case, measured: Mapping[str, Figures]) -> pl.DataFrame:
    frames = []
    for by, figures in measured.items():
        values = {name: figures[name][:, 0] for name in FIGURES}
        named = {"task": case.name, "by": by}
        frames.append(pl.DataFrame({"draw": range(len(case.draws))} | values).select(
            *(pl.lit(value).alias(key) for key, value in named.items()), pl.all()
        ))  # fmt: skip
    return pl.concat(frames)
