"""`findcli ablate`: what each part is worth to the zero-shot ranking of tasks, as in FIND's Table 5.

Each form is trained in run folders of its own, under `runs/benchmark/variants/NAME`, and ranks each task's users by the
task's demand, as worded. It is compared with the form that it lacks or changes one thing of; the difference has a 95 %
interval by bootstrap over users, with the same resampled users for every form and task. The interval does not cover
what another training seed would change.

Accuracy, precision and recall are for selecting as many users as there are positives, at natural prevalence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from findcli.data.people import groups_of
from findcli.data.tasks import find_task, read_labels, refuse_forbidden_columns
from findcli.evaluation.few_shot import PROMPT, FewShot, few_shot
from findcli.evaluation.probe_protocol import REPLICATES
from findcli.evaluation.variants import OWN, Variant, require_stages, train_variant
from findcli.evaluation.zero_shot import task_engine
from findcli.metrics import Bootstrap, Interval, interval, weighted_auc_ks, weighted_selection
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Task

AVERAGE = "average"
FIGURES = ("auc", "average_precision", "lift", "accuracy", "precision", "recall")
Figures = dict[str, np.ndarray]


@dataclass(frozen=True)
class Form:
    """The figures of one form of findcli.

    Attributes:
        by: its name.
        says: what differs, in a few words.
        beside: the form that it is compared with; "" if there is none.
        figures: its figures, by the names of `FIGURES`.
        less: its figures minus those of `beside`, by the same names.
        prompt: figures of prompts tuned on it, mean over draws, if requested.
    """

    by: str
    says: str
    beside: str
    figures: dict[str, Interval]
    less: dict[str, Interval] = field(default_factory=dict)
    prompt: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Ablation:
    """A task's forms, or their mean over tasks.

    Attributes:
        task: its name, or "average".
        title: its readable name.
        demand: its sentence.
        users: number of evaluated users.
        positives: number of positives among them.
        forms: the workspace's own model first.
    """

    task: str
    title: str
    demand: str
    users: int
    positives: int
    forms: list[Form]


@dataclass(frozen=True)
class _Case:
    """A task's labelled users with a history: ids, ascending, and who is positive."""

    name: str
    task: Task
    users: pl.Series
    truth: np.ndarray


def ablate(
    workspace: Workspace,
    names: Sequence[str],
    variants: Sequence[Variant],
    *,
    draws: int = 0,
    seeds: int = 5,
    device: str = "auto",
    progress: Progress | None = None,
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> list[Ablation]:
    """Train the forms of findcli that are not up to date, and rank each task's users by its demand with each.

    Args:
        workspace: the workspace of the tasks and users; variants share its stages before the alignment.
        names: the tasks, such as ["d1"].
        variants: forms to compare with the workspace's own model.
        draws: number of draws of seeds that prompts are tuned on, with each form; 0 tunes none.
        seeds: positive seeds per draw, and as many negatives.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each form.
        progress_for: makes, of a form's and a stage's name, the context whose progress its training reports to.

    Returns:
        The figures of each task, and their average if there are several.

    Raises:
        FindCLIError: there is no such task, its labels cannot be used, or the workspace is not trained.
    """
    require_stages(workspace)
    for name in names:
        refuse_forbidden_columns(workspace, name, find_task(workspace, name))
        read_labels(workspace, name, find_task(workspace, name))
    scores: dict[str, list[pl.DataFrame]] = {}
    prompts: dict[str, list[FewShot]] = {}
    for i, variant in enumerate((None, *variants), 1):
        form, by = workspace, OWN
        if variant is not None:
            form, by = train_variant(workspace, variant, device=device, progress_for=progress_for)[0], variant.name
        scores[by] = [_demand_scores(form, find_task(workspace, name), device=device) for name in names]
        prompts[by] = few_shot(form, names, draws=draws, seeds=seeds, device=device)[0] if draws else []
        (progress or no_progress)(i, len(variants) + 1, {})
    return _measured(workspace, names, variants, scores, prompts)


def _demand_scores(form: Workspace, task: Task, *, device: str) -> pl.DataFrame:
    """Every user's score for a task's demand, as worded: user_id, score."""
    engine = task_engine(form, form, task, device=device)
    scores = engine.score([task.demand]).scores[:, 0]
    return pl.DataFrame({"user_id": engine.users, "score": scores.astype(np.float64)})


def _measured(
    workspace: Workspace, names: Sequence[str], variants: Sequence[Variant], scores: Mapping[str, list[pl.DataFrame]],
    prompts: Mapping[str, list[FewShot]],
) -> list[Ablation]:  # fmt: skip
    cases = [_case(workspace, name, scores[OWN][i]) for i, name in enumerate(names)]
    everybody = groups_of(workspace, pl.concat([case.users for case in cases]).unique().sort())
    bootstrap = Bootstrap(everybody.unique(maintain_order=True).to_list(), REPLICATES)
    weights = [bootstrap.weights(groups_of(workspace, case.users).to_list()) for case in cases]
    measured: list[dict[str, Figures]] = [
        {by: _figures(case, of_tasks[i], weights[i]) for by, of_tasks in scores.items()} for i, case in enumerate(cases)
    ]
    results = [
        Ablation(
            case.name, case.task.title or case.name, case.task.demand, len(case.users), int(case.truth.sum()),
            _forms(variants, figures, {by: tuned[i] for by, tuned in prompts.items() if tuned}),
        )
        for i, (case, figures) in enumerate(zip(cases, measured, strict=True))
    ]  # fmt: skip
    if len(names) > 1:
        mean = {
            by: {key: np.mean([figures[by][key] for figures in measured], axis=0) for key in FIGURES} for by in scores
        }
        users, positives = sum(one.users for one in results), sum(one.positives for one in results)
        forms = _forms(variants, mean, {by: tuned[-1] for by, tuned in prompts.items() if tuned})
        results.append(Ablation(AVERAGE, f"average of {len(names)} tasks", "", users, positives, forms))
    return results


def _case(workspace: Workspace, name: str, scores: pl.DataFrame) -> _Case:
    task = find_task(workspace, name)
    rows = read_labels(workspace, name, task).join(scores, on="user_id", how="inner").sort("user_id")
    return _Case(name, task, rows["user_id"], rows["label"].to_numpy())


def _figures(case: _Case, scores: pl.DataFrame, weights: np.ndarray) -> Figures:
    """Figures by the names of `FIGURES`, (1 + REPLICATES,) each."""
    of_case = pl.DataFrame({"user_id": case.users}).join(scores, on="user_id", how="left", maintain_order="left")
    values = of_case["score"].to_numpy()
    selection = weighted_selection(values, case.truth, weights)
    auc = weighted_auc_ks(values, case.truth, weights)[0]
    return {"auc": auc} | {name: getattr(selection, name) for name in FIGURES[1:]}


def _forms(variants: Sequence[Variant], measured: Mapping[str, Figures], prompts: Mapping[str, FewShot]) -> list[Form]:
    by_name = {variant.name: variant for variant in variants}
    forms = []
    for by, figures in measured.items():
        whole = by_name[by].whole if by in by_name else ""
        beside = whole if whole in measured else OWN if by in by_name else ""
        less = {} if not beside else {name: interval(figures[name] - measured[beside][name]) for name in FIGURES}
        tuned = next((row.figures for row in prompts[by].rows if row.by == PROMPT), {}) if by in prompts else {}
        says = by_name[by].says if by in by_name else "the workspace's own model"
        forms.append(Form(by, says, beside, {name: interval(figures[name]) for name in FIGURES}, less, tuned))
    return forms
