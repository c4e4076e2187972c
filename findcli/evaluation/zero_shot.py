"""`findcli evaluate`: how well a task's demand alone, without labels, ranks its users (zero-shot, FIND Eq 2).

What the demand itself says of people and of the past ("customers from France who bought tea in October and will ...")
says who is ranked, as it does in `findcli target`: the task's other users are left out of every ranking. Where a task
names true probabilities nobody is, since these are of all its users, and the conditions are reported alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score

from findcli.audiences.conditions import Among, Passed
from findcli.audiences.read import Understood, read
from findcli.data import events
from findcli.data.histories import search_sources
from findcli.data.people import groups_of
from findcli.data.questions import Question
from findcli.data.tasks import find_task, read_labels, refuse_forbidden_columns
from findcli.errors import FindCLIError
from findcli.evaluation.probe import POSSIBLE
from findcli.evaluation.probe_protocol import REPLICATES
from findcli.metrics import Interval, bootstrap_weights, grouped_weights, interval, r_precision, weighted_auc_ks
from findcli.progress import Progress, no_progress
from findcli.scoring.engine import Engine, describe_engine, open_engine, open_model
from findcli.scoring.population import embed_users
from findcli.scoring.user_vectors import Embedder
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Task

DEMAND, VECTOR, UNTRAINED = "the demand", "single vector", "single vector, untrained"
REWRITTEN = "the demand, rewritten"
OF_FIND = ("sequence", "tabular", "search")
MODALITIES = (*OF_FIND, "next_event")


@dataclass(frozen=True)
class RankingFigures:
    """The figures of one way of scoring a task's users.

    Attributes:
        by: name of the way of scoring.
        auc: area under the ROC curve.
        ks: Kolmogorov-Smirnov statistic.
        precision: share of positives among the P best users, P being the number of positives.
        average_precision: area under the precision-recall curve.
        hard_auc: AUC of the positives against the hard negatives alone; None if none are marked.
    """

    by: str
    auc: Interval
    ks: Interval
    precision: float
    average_precision: float
    hard_auc: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A task's rankings at natural prevalence: by its demand, by each paraphrase, and by the true probability if known.

    Attributes:
        task: its name.
        title: its readable name.
        demand: its sentence.
        paraphrases: the demand in other words.
        users: number of users with a label and a history.
        positives: number of positives among them.
        hard_negatives: number of hard negatives among them; None if they are not marked.
        rankings: one per way of scoring.
        conditions: the outcome of each that the demand itself writes, over all users.
        applied: whether users who do not pass them are left out.
        labelled: number of users with a label and a history, whether they pass or not.
    """

    task: str
    title: str
    demand: str
    paraphrases: tuple[str, ...]
    users: int
    positives: int
    hard_negatives: int | None
    rankings: list[RankingFigures]
    conditions: tuple[Passed, ...]
    applied: bool
    labelled: int

    @property
    def ceiling(self) -> RankingFigures | None:
        """The ranking by the true probability, the best possible, if a simulator knows it."""
        return next((ranking for ranking in self.rankings if ranking.by == POSSIBLE), None)


def evaluate(
    workspace: Workspace,
    names: Sequence[str],
    *,
    model: Workspace | None = None,
    untrained: bool = False,
    without: Sequence[str] = (),
    device: str = "auto",
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Rank each task's users by its demand sentence and by each paraphrase of it, as of the task's date.

    Args:
        workspace: the workspace of the tasks and users.
        names: the tasks, such as ["d1"].
        model: the workspace whose trained model ranks; default: `workspace`.
        untrained: add the ranking by the same model before its alignment with sentences.
        without: modalities ("sequence", "tabular", "search") that are masked when users are embedded; the model is
            not trained again.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each task.

    Raises:
        FindCLIError: there is no such task, its labels cannot be used, no model is trained, no source is left that its
            ranker could read, or those whom the demand is about all have one label.
    """
    trained = model or workspace
    tasks = {name: find_task(workspace, name) for name in names}
    for name, task in tasks.items():
        refuse_forbidden_columns(trained, name, task)
        _require_sources(workspace, trained, name, task, without, device=device)
    labels = {name: read_labels(workspace, name, task) for name, task in tasks.items()}
    results = []
    for name, task in tasks.items():
        engine = task_engine(workspace, trained, task, without=without, device=device)
        understood = read(engine, [task.demand])[0] if engine.reads else None
        scores = _scores(engine, task, understood)
        if untrained:
            scores = scores.join(_untrained(engine, task), on="user_id")
        results.append(_evaluation(name, labels[name], scores, engine, understood))
        (progress or no_progress)(len(results), len(tasks), {})
    return results


def require_modalities(names: Sequence[str]) -> None:
    """Refuse names that are not modalities.

    Raises:
        FindCLIError: a name is not one of `MODALITIES`, or all that FIND has are named; what behaviour tokens alone are
            worth, the tower "panther" tells.
    """
    for name in names:
        if name not in MODALITIES:
            raise FindCLIError(f"{name!r} is not a modality", hint=f"mask one or two of: {', '.join(MODALITIES)}")
    if set(names) >= set(OF_FIND):
        raise FindCLIError("nothing is left when every modality is masked", hint="mask one or two of them")


def _require_sources(
    workspace: Workspace, trained: Workspace, name: str, task: Task, without: Sequence[str], *, device: str
) -> None:
    """Refuse a task that leaves a ranker, which reads events alone, without any source.

    Raises:
        FindCLIError: every source is left out by the task or feeds a masked modality, or no model is trained.
    """
    searches = search_sources(workspace)
    modality = {s.name: "search" if s.name in searches else "sequence" for s in workspace.settings.sources}
    left = [source for source in modality if source not in task.without_sources and modality[source] not in without]
    if left or open_model(trained, device=device).scorer == "vector":
        return
    masked = f", with {' and '.join(without)} masked" if without else ""
    hint = 'rank by the single vector: set scorer = "vector" under [align], then findcli run'
    hint = f"mask tabular instead, or {hint}" if without else hint
    raise FindCLIError(f"task {name!r} leaves no source to rank by{masked}", hint=hint)


def task_engine(
    workspace: Workspace, model: Workspace, task: Task, *, without: Sequence[str] = (), device: str = "auto"
) -> Engine:
    """The engine that scores the users as of a task's date.

    Args:
        workspace: the workspace of the users.
        model: the workspace whose trained model scores them.
        task: gives the date, and the sources to leave out.
        without: modalities that are masked, as if no user had them.
        device: "auto", "cpu", "cuda" or "mps".
    """
    if not task.without_sources and not without:
        return open_engine(workspace, as_of=task.as_of, model=model, device=device)
    return describe_engine(
        workspace, as_of=task.as_of, model=model, without_sources=task.without_sources, masked=without, device=device
    )


def _scores(engine: Engine, task: Task, understood: Understood | None) -> pl.DataFrame:
    """Every user's scores: for the demand, for each paraphrase, for the demand as understood, and by single vector.

    The single vector is added if the model scores in another way. If sources are left out there is no vocabulary to
    understand the demand with. Columns: user_id, and one per ranking.
    """
    rewritten: dict[str, np.ndarray] = {}
    if understood is not None:
        as_read = engine.score_read([understood.rewriting]).scores
        rewritten = {REWRITTEN: as_read[:, 0].astype(np.float64)}
    words = [task.demand, *task.paraphrases]
    scores = engine.score(words).scores  # (N, S)
    names = [DEMAND, *(f"paraphrase {i}" for i in range(1, len(words)))]
    columns = {by: scores[:, i].astype(np.float64) for i, by in enumerate(names)} | rewritten
    if engine.scorer is not engine.vector_scorer:
        columns[VECTOR] = engine.vector_scorer.score([Question((task.demand,))]).scores[:, 0].astype(np.float64)
    return pl.DataFrame({"user_id": engine.users} | columns)


def _untrained(engine: Engine, task: Task) -> pl.DataFrame:
    """The cosine with the demand of the same model before its alignment with sentences: user_id, UNTRAINED."""
    model = engine.model
    embedder = replace(Embedder.of(model), tower=model.load_tower(trained=False))
    sentences = model.load_sentences(trained=False)
    log = events.build_events(engine.workspace)
    users, vectors = embed_users(engine.workspace, embedder, log, task.as_of, without_sources=task.without_sources)
    cosine = vectors["embeddings"] @ sentences.vectors([task.demand]).numpy()[0]
    return pl.DataFrame({"user_id": users, UNTRAINED: cosine.astype(np.float64)})


def _evaluation(
    name: str, labels: pl.DataFrame, scores: pl.DataFrame, engine: Engine, understood: Understood | None
) -> Evaluation:
    workspace, task = engine.workspace, find_task(engine.workspace, name)
    conditions, passing = _conditions(engine, understood)
    every = labels.join(scores, on="user_id", how="inner").sort("user_id")
    rows = every if task.truth is not None else every.filter(pl.col("user_id").is_in(passing.implode()))
    if conditions and rows["label"].n_unique() < 2:
        written = "; ".join(condition.expression for condition in conditions)
        hint = f"correct the demand of [tasks.{name}], or give labels of users whom it is about"
        raise FindCLIError(
            f"task {name!r}: its demand is about users who pass {written}, and the {len(rows)} of {len(every)} with a "
            "label who do are all alike", hint=hint,
        )  # fmt: skip
    columns = {by: by for by in scores.columns if by != "user_id"}
    columns |= {POSSIBLE: "truth"} if "truth" in labels.columns else {}
    label = rows["label"].to_numpy()
    weights = grouped_weights(groups_of(workspace, rows["user_id"]).to_list(), REPLICATES)
    hard = rows["hard_negative"].to_numpy() & ~label if "hard_negative" in rows.columns else None
    return Evaluation(
        task=name,
        title=task.title or name,
        demand=task.demand,
        paraphrases=task.paraphrases,
        users=len(rows),
        positives=int(label.sum()),
        hard_negatives=None if hard is None else int(hard.sum()),
        rankings=[rank_quality(by, rows[column].to_numpy(), label, hard, weights) for by, column in columns.items()],
        conditions=conditions,
        applied=bool(conditions) and task.truth is None,
        labelled=len(every),
    )


def _conditions(engine: Engine, understood: Understood | None) -> tuple[tuple[Passed, ...], pl.Series]:
    """What a demand says of people and of the past, and the ids of the users who pass all of it."""
    if understood is None:
        return (), engine.users
    everyone = np.ones(len(engine.users), bool)
    conditions, kept = Among(engine.workspace, engine.users, engine.as_of).conditions(understood, everyone)
    return conditions, engine.users.filter(pl.Series(kept))


def rank_quality(
    by: str, scores: np.ndarray, truth: np.ndarray, hard: np.ndarray | None = None, weights: np.ndarray | None = None
) -> RankingFigures:
    """Measure one ranking, with intervals by bootstrap over users.

    Args:
        by: name of the way of scoring.
        scores: (N,).
        truth: bool (N,), with both labels.
        hard: which negatives are hard, bool (N,), if that is known.
        weights: how often each user counts, the first row all ones, (1 + R, N); default: users drawn one by one.
    """
    counts = bootstrap_weights(len(truth), REPLICATES) if weights is None else weights
    auc, ks = weighted_auc_ks(scores, truth, counts)
    return RankingFigures(
        by,
        interval(auc),
        interval(ks),
        r_precision(scores, truth),
        float(average_precision_score(truth, scores)),
        None if hard is None or not hard.any() else float(roc_auc_score(truth[truth | hard], scores[truth | hard])),
    )


def averages(results: Sequence[Evaluation]) -> list[tuple[str, float]]:
    """The mean AUC over tasks of each ranking that all tasks have."""
    first, *others = [{ranking.by: ranking.auc.value for ranking in result.rankings} for result in results]
    shared = [by for by in first if all(by in other for other in others)]
    return [(by, float(np.mean([first[by], *(other[by] for other in others)]))) for by in shared]
