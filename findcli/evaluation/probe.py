"""`findcli probe`: what frozen user vectors are worth to a linear model (FIND section 1.9, Table 4).

If a simulator knows each label's true probability, its figures on the same users and draws are the best possible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial

import numpy as np
import polars as pl

from findcli.data import events
from findcli.data.people import groups_of, is_grouped
from findcli.data.tasks import find_task, read_labels, refuse_forbidden_columns
from findcli.errors import FindCLIError
from findcli.evaluation.probe_protocol import REPLICATES, Ceiling, ProbeRow, ceiling, probe_draws, probe_vectors
from findcli.evaluation.rivals.probe_inputs import Head, Representation
from findcli.evaluation.rivals.probe_registry import SECONDS, rival_vectors, user_inputs
from findcli.evaluation.untrained import untrained_vectors
from findcli.metrics import Bootstrap
from findcli.models.user_summary import COUNTED
from findcli.progress import Progress, no_progress
from findcli.scoring.engine import describe_engine, open_engine
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run
from findcli.workspace.settings import Task

FEWEST = 10
CONCATENATED, STORED, LEARNED = "modalities side by side", "all that is stored", "all that was learned"
POSSIBLE = "the best possible"


@dataclass(frozen=True)
class ProbeResult:
    """A task's figures, one row per kind of vector, and the best possible if that is known."""

    task: str
    title: str
    demand: str
    users: int
    positives: int
    rows: list[ProbeRow]
    ceiling: Ceiling | None = None


@dataclass(frozen=True)
class ProbedTask:
    """A task's figures, with the replicates that differences and averages are computed from.

    Attributes:
        result: the figures.
        replicates: the AUC of each kind of vector, as observed and in each resampling of the users, (1 + R,).
        notes: the rivals that did not finish, and why.
    """

    result: ProbeResult
    replicates: dict[str, np.ndarray]
    notes: list[str]


@dataclass(frozen=True)
class Kind:
    """One kind of vector.

    Attributes:
        vectors: one row per user, (n_users, D).
        head: the model that is fitted to them.
        rival: whether it is a rival's.
        seconds: the time that a rival took.
    """

    vectors: np.ndarray
    head: Head = "linear"
    rival: bool = False
    seconds: float = 0.0


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
    """Fit and evaluate the linear probe of several tasks; see `measure_tasks`."""
    tasks = measure_tasks(workspace, names, untrained=untrained, device=device, progress=progress)
    return [one.result for one in tasks]


def measure_tasks(
    workspace: Workspace,
    names: Sequence[str],
    *,
    rivals: Sequence[Representation] = (),
    seconds: float = SECONDS,
    untrained: bool = False,
    folds: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[ProbedTask]:
    """Fit and evaluate the linear probe of several tasks; users are embedded once per date.

    Args:
        workspace: the workspace of the tasks and the model.
        names: the tasks, such as ["d1"].
        rivals: rivals to probe on the same users and draws as the workspace's own vectors.
        seconds: the time limit of a rival on one date.
        untrained: add rows for each encoder of stage 1 alone, pre-trained and untrained.
        folds: fit all folds but one and evaluate that one, in turn; default: the ten draws of the protocol.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each task.

    Raises:
        FindCLIError: there is no such task, its table cannot be used, or the model was trained on inputs that a
            task forbids.
    """
    tasks = {name: find_task(workspace, name) for name in names}
    for name, task in tasks.items():
        refuse_forbidden_columns(workspace, name, task)
    labels = {name: read_labels(workspace, name, task) for name, task in tasks.items()}
    log = events.build_events(workspace)
    read = cache(
        partial(_read_kinds, workspace, log, rivals=rivals, seconds=seconds, untrained=untrained, device=device)
    )
    everybody = pl.concat([frame["user_id"] for frame in labels.values()]).unique().sort()
    people = pl.DataFrame({"user_id": everybody, "person": groups_of(workspace, everybody)})
    bootstrap = Bootstrap(people["person"].unique(maintain_order=True).to_list(), REPLICATES)
    grouped = is_grouped(workspace)
    results = []
    for name, task in tasks.items():
        users, kinds, notes = read(task.as_of, task.without_sources)
        of_task = labels[name].join(people, on="user_id")
        result, replicates = _evaluate(name, task, of_task, users, kinds, bootstrap, grouped=grouped, folds=folds)
        results.append(ProbedTask(result, replicates, notes))
        (progress or no_progress)(len(results), len(tasks), {})
    return results


def _read_kinds(
    workspace: Workspace,
    log: Run,
    as_of: datetime,
    without_sources: tuple[str, ...],
    *,
    rivals: Sequence[Representation],
    seconds: float,
    untrained: bool,
    device: str,
) -> tuple[pl.Series, dict[str, Kind], list[str]]:
    """Users as of a date, their vectors of every kind, and notes on rivals that did not finish."""
    if without_sources:
        engine = describe_engine(workspace, as_of=as_of, without_sources=without_sources, device=device)
    else:
        engine = open_engine(workspace, as_of=as_of, device=device)
    users, tensors = engine.users, engine.population.tensors
    plain = vector_kinds(tensors) | (untrained_vectors(engine, log) if untrained else {})
    kinds, notes = {name: Kind(vectors) for name, vectors in plain.items()}, []
    if rivals:
        inputs = user_inputs(workspace, log, as_of, users, without_sources=without_sources, device=device)
        folder, digest = workspace.runs / "benchmark" / "vectors", inputs.digest()
        for rival in rivals:
            one = rival_vectors(rival, inputs, folder, seconds=seconds, digest=digest)
            if one.vectors is None:
                notes.append(f"{one.name}: {one.note}")
            else:
                kinds[one.name] = Kind(one.vectors, one.head, rival=True, seconds=one.seconds)
    return users, kinds, notes


def _evaluate(
    name: str,
    task: Task,
    labels: pl.DataFrame,
    users: pl.Series,
    kinds: Mapping[str, Kind],
    bootstrap: Bootstrap,
    *,
    grouped: bool,
    folds: int | None,
) -> tuple[ProbeResult, dict[str, np.ndarray]]:
    embedded = pl.DataFrame({"user_id": users}).with_row_index("row")
    rows = labels.join(embedded, on="user_id", how="inner").sort("user_id")
    index, truth = rows["row"].to_numpy(), rows["label"].to_numpy()
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        hint = f"at least {FEWEST} of each must have an event before {task.as_of:%Y-%m-%d}; findcli check compares them"
        raise FindCLIError(
            f"task {name!r}: {truth.sum()} positive and {(~truth).sum()} negative users are too few for ten draws",
            hint=hint,
        )
    weights = bootstrap.weights(rows["person"].to_list())  # (1 + R, N)
    draws = list(probe_draws(truth, rows["person"] if grouped else None, folds=folds))
    figures, replicates = [], {}
    for kind, described in kinds.items():
        row, replicates[kind] = probe_vectors(
            kind, described.vectors[index], truth, head=described.head, weights=weights, draws=draws
        )
        figures.append(replace(row, rival=described.rival, seconds=described.seconds))
    possible = ceiling(rows["truth"].to_numpy(), truth, draws) if "truth" in rows.columns else None
    result = ProbeResult(name, task.title or name, task.demand, len(truth), int(truth.sum()), figures, possible)
    return result, replicates


def vector_kinds(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sets of vectors that are probed.

    Each tensor alone, the fused one first; the modalities concatenated; the part of the summary that was learned; and
    the whole summary, which `models/user_summary.py` describes.
    """
    summary = tensors["summary"]
    raw = [name for name in tensors if name != "summary" and not name.startswith("has_")]
    named = sorted(raw, key=lambda name: name != "embeddings")
    modalities = [tensors[name] for name in named if f"has_{name}" in tensors]
    counted = sum(tensors[name].shape[1] for name in COUNTED if name in tensors)
    return {name: tensors[name] for name in named} | {
        CONCATENATED: np.concatenate(modalities, axis=1),
        LEARNED: summary[:, counted:],
        STORED: summary,
    }


def averages(results: Sequence[ProbeResult]) -> list[tuple[str, float, float]]:
    """The mean AUC and KS over tasks of each kind of vector that all of them have, and of the true probabilities."""
    first, *others = [{row.vectors: row for row in result.rows} for result in results]
    shared = [kind for kind in first if all(kind in other for other in others)]
    rows = {kind: [first[kind], *(other[kind] for other in others)] for kind in shared}
    means = [
        (kind, float(np.mean([r.auc.value for r in of_kind])), float(np.mean([r.ks.value for r in of_kind])))
        for kind, of_kind in rows.items()
    ]
    possible = [(c.auc, c.ks) for result in results if (c := result.ceiling) is not None]
    if len(possible) == len(results):
        auc, ks = np.mean(possible, axis=0)
        means.append((POSSIBLE, float(auc), float(ks)))
    return means
