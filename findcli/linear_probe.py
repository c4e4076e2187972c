"""`findcli probe`: what frozen user vectors are worth to a linear model (FIND section 1.9, Table 4).

The protocol: standardise, logistic regression with L2 (C = 0.01), fitted on one fifth of the task's users and
evaluated on the rest, stratified, ten draws; intervals by bootstrap over users. Where a simulator knows each label's
true probability, what that reaches on the same users and draws is the most that any model can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from findcli import events, sources
from findcli.artifacts import Run
from findcli.embeddings import Embedder, embed, embed_users
from findcli.errors import FindCLIError
from findcli.metrics import Interval, percentile_interval, r_precision, weighted_auc_ks
from findcli.profiles import profile_columns
from findcli.progress import Progress, no_progress
from findcli.settings import Task
from findcli.untrained import untrained_vectors
from findcli.workspace import Workspace

DRAWS, FIT_SHARE, STRENGTH = 10, 0.2, 0.01
FEWEST = 10
REPLICATES = 200
CONCATENATED, STORED = "modalities side by side", "all that is stored"
POSSIBLE = "the best possible"


@dataclass(frozen=True)
class ProbeRow:
    """What one kind of vector is worth.

    Attributes:
        vectors: which vectors, such as "embeddings" or "sequence".
        width: their width.
        auc: area under the ROC curve, mean over draws.
        ks: Kolmogorov-Smirnov statistic, mean over draws.
        precision: share of positives among as many top users as there are positives, mean over draws.
    """

    vectors: str
    width: int
    auc: Interval
    ks: Interval
    precision: float


@dataclass(frozen=True)
class Ceiling:
    """The same figures of the true probability: the most that is possible."""

    auc: float
    ks: float
    precision: float


@dataclass(frozen=True)
class ProbeResult:
    """A task's figures, a row a kind of vector, and what is possible where that is known."""

    task: str
    title: str
    demand: str
    users: int
    positives: int
    rows: list[ProbeRow]
    ceiling: Ceiling | None = None


def probe(workspace: Workspace, name: str, *, untrained: bool = False, device: str = "auto") -> ProbeResult:
    """Fit and evaluate the linear probe of one task; see `probe_tasks`."""
    return probe_tasks(workspace, [name], untrained=untrained, device=device)[0]


def probe_tasks(
    workspace: Workspace,
    names: Sequence[str],
    *,
    untrained: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[ProbeResult]:
    """Fit and evaluate the linear probe of several tasks; users are embedded once a date.

    Args:
        workspace: whose tasks and model.
        names: the tasks, such as ["d1"].
        untrained: add rows for each encoder of stage 1 by itself, beside its own untrained self.
        device: "auto", "cpu", "cuda" or "mps".
        progress: told after each task.

    Raises:
        FindCLIError: there is no such task, its table cannot be used, or inputs that it may not use were trained on.
    """
    tasks = {name: find_task(workspace, name) for name in names}
    for name, task in tasks.items():
        refuse_forbidden_columns(workspace, name, task)
    labels = {name: read_labels(workspace, name, task) for name, task in tasks.items()}
    log = events.build_events(workspace)
    vectors_of = cache(partial(_vectors, workspace, log, untrained=untrained, device=device))
    results = []
    for name, task in tasks.items():
        users, kinds = vectors_of(task.as_of, task.without_sources)
        results.append(_evaluate(name, task, labels[name], users, kinds))
        (progress or no_progress)(len(results), len(tasks), {})
    return results


def _vectors(
    workspace: Workspace, log: Run, as_of: datetime, without_sources: tuple[str, ...], *, untrained: bool, device: str
) -> tuple[pl.Series, dict[str, np.ndarray]]:
    if without_sources:
        embedder = Embedder.load(workspace, device=device)
        users, found = embed_users(workspace, embedder, log, as_of, without_sources=without_sources)
    else:
        run = embed(workspace, as_of=as_of, device=device)
        users, found = run.table("users.parquet")["user_id"], run.tensors("users.safetensors")
    return users, vector_kinds(found) | (untrained_vectors(workspace, log, as_of, device=device) if untrained else {})


def _evaluate(
    name: str, task: Task, labels: pl.DataFrame, users: pl.Series, kinds: Mapping[str, np.ndarray]
) -> ProbeResult:
    rows = labels.join(pl.DataFrame({"user_id": users}).with_row_index("row"), on="user_id", how="inner").sort(
        "user_id"
    )
    index, truth = rows["row"].to_numpy(), rows["label"].to_numpy()
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        hint = f"at least {FEWEST} of each must have an event before {task.as_of:%Y-%m-%d}; findcli check compares them"
        raise FindCLIError(
            f"task {name!r}: {truth.sum()} positive and {(~truth).sum()} negative users are too few for ten draws",
            hint=hint,
        )
    figures = [linear_probe(kind, vectors[index], truth) for kind, vectors in kinds.items()]
    possible = ceiling(rows["truth"].to_numpy(), truth) if "truth" in rows.columns else None
    return ProbeResult(name, task.title or name, task.demand, len(truth), int(truth.sum()), figures, possible)


def linear_probe(kind: str, vectors: np.ndarray, truth: np.ndarray) -> ProbeRow:
    """The protocol on one set of vectors.

    Args:
        kind: what the vectors are called.
        vectors: (N, D), users in ascending id.
        truth: bool (N,).
    """
    rng = np.random.default_rng(0)
    weights = np.vstack(
        [np.ones(len(truth)), rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), REPLICATES)]
    )
    figures, precisions = [], []
    for fitted, evaluated in _draws(truth):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
        scores = model.fit(vectors[fitted], truth[fitted]).decision_function(vectors[evaluated])
        figures.append(weighted_auc_ks(scores, truth[evaluated], weights[:, evaluated]))
        precisions.append(r_precision(scores, truth[evaluated]))
    auc, ks = (percentile_interval(float(found[0]), found[1:]) for found in np.mean(figures, axis=0))
    return ProbeRow(kind, vectors.shape[1], auc, ks, float(np.mean(precisions)))


def ceiling(probabilities: np.ndarray, truth: np.ndarray) -> Ceiling:
    """What the true probabilities reach on the users that the probe evaluates.

    Args:
        probabilities: (N,), users in ascending id.
        truth: bool (N,).
    """
    figures = []
    for _, evaluated in _draws(truth):
        scores, labels = probabilities[evaluated], truth[evaluated]
        auc, ks = weighted_auc_ks(scores, labels, np.ones((1, len(labels))))
        figures.append((auc[0], ks[0], r_precision(scores, labels)))
    return Ceiling(*(float(mean) for mean in np.mean(figures, axis=0)))


def _draws(truth: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows to fit and those to evaluate, of each draw."""
    return StratifiedShuffleSplit(DRAWS, train_size=FIT_SHARE, random_state=0).split(truth, truth)  # type: ignore[no-any-return]


def task_names(workspace: Workspace, wanted: str) -> list[str]:
    """The tasks that a name stands for: itself, or every one for "all".

    Raises:
        FindCLIError: all are wanted and there is none.
    """
    if wanted != "all":
        return [wanted]
    if not workspace.settings.tasks:
        raise FindCLIError("this workspace has no task", hint="add one as [tasks.NAME] in findcli.toml")
    return list(workspace.settings.tasks)


def find_task(workspace: Workspace, name: str) -> Task:
    """The task of a name.

    Raises:
        FindCLIError: there is none; it names those there are.
    """
    tasks = workspace.settings.tasks
    if name not in tasks:
        known = ", ".join(tasks) or "none"
        raise FindCLIError(
            f"there is no task {name!r} in this workspace", hint=f"its tasks are: {known}; [tasks.NAME] adds one"
        )
    return tasks[name]


def refuse_forbidden_columns(workspace: Workspace, name: str, task: Task) -> None:
    """Refuse a task whose forbidden profile columns are inputs of the model.

    Raises:
        FindCLIError: one of them is.
    """
    inputs = {column.name for column in profile_columns(workspace.settings.profile)}
    used = [column for column in task.without_columns if column in inputs]
    if used:
        hint = "take the column out of [profile] and train again with: findcli run"
        raise FindCLIError(
            f"task {name!r} may not use the profile column {used[0]!r}, and the model was trained on it", hint=hint
        )


def read_labels(workspace: Workspace, name: str, task: Task) -> pl.DataFrame:
    """A task's users and labels: user_id, label (Boolean), and truth and hard_negative (Boolean) where they are known.

    Raises:
        FindCLIError: the table lacks a column, a label is neither 0 nor 1 or has no users, a user stands twice, or a
            true probability or the mark of a hard negative is none.
    """
    what = f"the labels of task {name!r}"
    path = workspace.path(task.path)
    with sources.reading(what, [path]):
        frame = sources.scan_table([path], what=what).collect()
    wanted = (task.user, task.label, task.truth, task.hard_negative)
    missing = [column for column in wanted if column is not None and column not in frame.columns]
    if missing:
        hint = f"its columns are: {', '.join(frame.columns)}; correct [tasks.{name}] in findcli.toml"
        raise FindCLIError(f"{what} ({path}) have no column {', '.join(missing)}", hint=hint)
    user_type = next(iter(sources.user_types(workspace).values()))
    truth = [] if task.truth is None else [pl.col(task.truth).cast(pl.Float64, strict=False).alias("truth")]
    hard = [] if task.hard_negative is None else [pl.col(task.hard_negative).alias("hard_negative")]
    labels = frame.select(
        pl.col(task.user).cast(user_type, strict=False).alias("user_id"),
        pl.col(task.label).alias("label"),
        *truth,
        *hard,
    )
    if strange := labels["user_id"].null_count():
        hint = "are the ids text here and numbers there, or missing? Write them as the sources do"
        raise FindCLIError(
            f"{what}: {strange} of {len(labels)} rows have no user id of the sources' kind ({user_type})", hint=hint
        )
    values = set(labels["label"].unique())
    if not values <= {0, 1}:
        hint = "write 1 or true for a positive, 0 or false for a negative; leave out users without a label"
        raise FindCLIError(f"{what} hold {sorted(map(str, values))[:5]}, not 0 and 1", hint=hint)
    if labels["user_id"].is_duplicated().any():
        twice = labels.filter(pl.col("user_id").is_duplicated())["user_id"][0]
        raise FindCLIError(f"{what} name user {twice} more than once", hint="keep one row a user")
    if truth and not labels["truth"].is_between(0, 1).fill_null(value=False).all():
        hint = f"correct truth in [tasks.{name}]"
        raise FindCLIError(f"{what}: column {task.truth!r} holds other than probabilities", hint=hint)
    if hard and not set(labels["hard_negative"].unique()) <= {0, 1}:
        hint = "write 1 or true for a hard negative, 0 or false for everybody else"
        raise FindCLIError(f"{what}: column {task.hard_negative!r} holds other than 0 and 1", hint=hint)
    labels = labels.with_columns(pl.col("label", *(["hard_negative"] if hard else [])).cast(pl.Boolean))
    if labels["label"].n_unique() < 2:
        one = "positives" if not labels["label"].any() else "negatives"
        raise FindCLIError(f"{what} have no {one} among {len(labels)} users", hint="a task needs users of both labels")
    return labels


def vector_kinds(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sets of vectors that are probed: the fused one, each modality's, and all of them side by side."""
    named = sorted((name for name in found if not name.startswith("has_")), key=lambda name: name != "embeddings")
    kinds = {name: found[name] for name in named}
    whole = np.concatenate([found[name].reshape(len(vectors), -1) for name, vectors in found.items()], axis=1)
    modalities = [vectors for name, vectors in kinds.items() if f"has_{name}" in found]
    return kinds | {CONCATENATED: np.concatenate(modalities, axis=1), STORED: whole}


def averages(results: Sequence[ProbeResult]) -> list[tuple[str, float, float]]:
    """The mean AUC and KS over tasks of each kind of vector that all of them have, and of the true probabilities."""
    first, *others = [{row.vectors: row for row in result.rows} for result in results]
    shared = [kind for kind in first if all(kind in other for other in others)]
    rows = {kind: [first[kind], *(other[kind] for other in others)] for kind in shared}
    means = [
        (kind, float(np.mean([r.auc.value for r in found])), float(np.mean([r.ks.value for r in found])))
        for kind, found in rows.items()
    ]
    possible = [(c.auc, c.ks) for result in results if (c := result.ceiling) is not None]
    if len(possible) == len(results):
        auc, ks = np.mean(possible, axis=0)
        means.append((POSSIBLE, float(auc), float(ks)))
    return means
