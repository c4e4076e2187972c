"""`findcli evaluate`: how well a task's demand alone ranks its users, without labels (zero-shot, FIND Eq 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from sklearn.metrics import average_precision_score

from findcli import artifacts, events
from findcli.embeddings import Embedder, embed, embed_users, scores_by_query
from findcli.linear_probe import POSSIBLE, REPLICATES, find_task, read_labels, refuse_forbidden_columns
from findcli.metrics import Interval, percentile_interval, r_precision, weighted_auc_ks
from findcli.progress import Progress, no_progress
from findcli.scoring import load_sentence_encoder, score_by_query, score_by_vector
from findcli.settings import Task
from findcli.snapshots import read_snapshot, take_snapshot
from findcli.user_model import load_user_encoder
from findcli.workspace import Workspace


@dataclass(frozen=True)
class Ranking:
    """How well one way of scoring ranks a task's users.

    Attributes:
        by: what scores them.
        auc: area under the ROC curve.
        ks: Kolmogorov-Smirnov statistic.
        precision: among as many of the best as there are positives.
        average_precision: area under the precision-recall curve.
    """

    by: str
    auc: Interval
    ks: Interval
    precision: float
    average_precision: float


@dataclass(frozen=True)
class Evaluation:
    """A task's rankings, at natural prevalence."""

    task: str
    title: str
    demand: str
    users: int
    positives: int
    rankings: list[Ranking]


def evaluate(
    workspace: Workspace,
    names: Sequence[str],
    *,
    model: Workspace | None = None,
    untrained: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Rank each task's users by its demand sentence, as of the task's date.

    Args:
        workspace: whose tasks and users.
        names: the tasks, such as ["d1"].
        model: the workspace whose trained model ranks; the same when not given.
        untrained: add the ranking of the same model before its alignment with sentences.
        device: "auto", "cpu", "cuda" or "mps".
        progress: told after each task.

    Raises:
        FindCLIError: there is no such task, its labels cannot be used, or no model is trained.
    """
    found = []
    for i, name in enumerate(names, 1):
        task = find_task(workspace, name)
        refuse_forbidden_columns(model or workspace, name, task)
        labels = read_labels(workspace, name, task)
        scores = _scores(workspace, model or workspace, task, device=device)
        if untrained:
            scores["single vector, untrained"] = _untrained(workspace, model or workspace, task, device=device)
        found.append(_evaluation(name, task, labels, scores))
        (progress or no_progress)(i, len(names), {})
    return found


def _scores(workspace: Workspace, model: Workspace, task: Task, *, device: str) -> dict[str, pl.DataFrame]:
    """Every user's score for the demand, by each way the model has: user_id, score; the default way comes first."""
    aligned = artifacts.open_run(model.run("aligned"), "aligned")
    by_query = scores_by_query(model)
    if task.without_sources:
        log = events.build_events(workspace)
        embedder = Embedder.load(model, device=device)
        users, tensors = embed_users(workspace, embedder, log, task.as_of, without_sources=task.without_sources)
        left_out = task.without_sources
        snapshot = (
            take_snapshot(workspace, model, log, task.as_of, users, device=device, without_sources=left_out)
            if by_query
            else None
        )
    else:
        run = embed(workspace, as_of=task.as_of, model=model, device=device)
        users, tensors = run.table("users.parquet")["user_id"], run.tensors("users.safetensors")
        snapshot = read_snapshot(run) if by_query else None
    found = {}
    if snapshot is not None:
        found["the demand"] = score_by_query(model, snapshot, [task.demand], device=device).scores
    found["single vector"] = score_by_vector(aligned, tensors["embeddings"], [task.demand], device=device).scores
    return {by: _table(users, scores[:, 0]) for by, scores in found.items()}


def _untrained(workspace: Workspace, model: Workspace, task: Task, *, device: str) -> pl.DataFrame:
    """The cosine with the demand of the same model before its alignment with sentences: user_id, score."""
    aligned = artifacts.open_run(model.run("aligned"), "aligned")
    embedder = Embedder.load(model, device=device)
    embedder = replace(embedder, encoder=load_user_encoder(aligned, trained=False).to(embedder.device))
    sentences = load_sentence_encoder(aligned, device=device)
    torch.manual_seed(aligned.manifest.seed)
    sentences.project.reset_parameters()
    log = events.build_events(workspace)
    users, found = embed_users(workspace, embedder, log, task.as_of, without_sources=task.without_sources)
    return _table(users, found["embeddings"] @ sentences.vectors([task.demand]).numpy()[0])


def _table(users: pl.Series, scores: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"user_id": users, "score": scores.astype(np.float64)})


def _evaluation(name: str, task: Task, labels: pl.DataFrame, scores: dict[str, pl.DataFrame]) -> Evaluation:
    rankings = []
    for by, table in scores.items():
        rows = labels.join(table, on="user_id", how="inner").sort("user_id")
        rankings.append(rank_quality(by, rows["score"].to_numpy(), rows["label"].to_numpy()))
    if "truth" in labels.columns:
        rankings.append(rank_quality(POSSIBLE, rows["truth"].to_numpy(), rows["label"].to_numpy()))
    return Evaluation(name, task.title or name, task.demand, len(rows), int(rows["label"].sum()), rankings)


def rank_quality(by: str, scores: np.ndarray, truth: np.ndarray) -> Ranking:
    """Measure one ranking, with intervals by bootstrap over users.

    Args:
        by: what scores.
        scores: (N,).
        truth: bool (N,), both labels among them.
    """
    resampled = np.random.default_rng(0).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), REPLICATES)
    auc, ks = weighted_auc_ks(scores, truth, np.vstack([np.ones(len(truth)), resampled]))
    return Ranking(
        by,
        percentile_interval(float(auc[0]), auc[1:]),
        percentile_interval(float(ks[0]), ks[1:]),
        r_precision(scores, truth),
        float(average_precision_score(truth, scores)),
    )
