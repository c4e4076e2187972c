"""`findcli ablate`: what each part of findcli is worth.

Tested in tests/evaluation/test_ablations.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import (
    Device,
    Draws,
    DryRun,
    Json,
    Quiet,
    SeedUsers,
    TaskName,
    Threads,
    VariantNames,
    WorkspaceDir,
)
from findcli.cli.stage import print_plan, settle_threads
from findcli.cli.tables import signed_with_bounds, task_line, with_bounds

if TYPE_CHECKING:
    from findcli.evaluation.ablations import Ablation
    from findcli.metrics import Interval

FIGURES = {
    "auc": "AUC", "average_precision": "AP", "lift": "lift", "accuracy": "accuracy", "precision": "precision",
    "recall": "recall",
}  # fmt: skip
INTERVALS = ("AUC, 95 %", "AP, 95 %")  # the others are in --json, so that a narrow terminal crops no figure

WithPrompts = Annotated[bool, typer.Option("--few-shot", help="Tune prompts on drawn seed users with each form, too.")]


def ablate(
    dataset: TaskName = "all",
    variants: VariantNames = "all",
    with_prompts: WithPrompts = False,
    draws: Draws = 20,
    seeds: SeedUsers = 5,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train findcli without one of its parts, or with one changed, and measure what that costs each task's ranking.

    Every form is trained once, in run folders of its own. Prints its figures and, with 95 % intervals, how far they lie
    from those of the form that it lacks or changes one thing of, such as find-without-table beside find. --dry-run
    shows what is still to be trained.

    Example: findcli ablate --variants find,find-without-table --dry-run
    """
    from dataclasses import asdict
    from functools import partial

    from findcli.data.tasks import task_names
    from findcli.evaluation import ablations
    from findcli.evaluation.variants import chosen_variants, plan_variants
    from findcli.workspace.folder import load_workspace

    chosen = chosen_variants(variants)
    settle_threads(threads)
    workspace = load_workspace(folder)
    names = task_names(workspace, dataset)
    if dry_run:
        print_plan([(one.name, f"{one.says}: {why}") for one, why in plan_variants(workspace, chosen)], as_json=as_json)
        return
    results = ablations.ablate(
        workspace, names, chosen, draws=draws if with_prompts else 0, seeds=seeds, device=device or "auto",
        progress_for=partial(console.progress, quiet=quiet),
    )  # fmt: skip
    if as_json:
        console.print_json([asdict(result) for result in results])
        return
    for result in results:
        _print(result)


def _print(result: Ablation) -> None:
    """Print a task's forms, and how far each lies from the form that it lacks or changes one thing of."""
    console.print_line(task_line(result) + (f'\n"{result.demand}"' if result.demand else ""))
    rows = [[form.by, *(form.figures[name].value for name in FIGURES)] for form in result.forms]
    console.print_table(["ranked by", *FIGURES.values()], rows)
    for whole in dict.fromkeys(form.beside for form in result.forms if form.beside):
        parts = [form for form in result.forms if form.beside == whole]
        differences = [[form.by, *map(signed_with_bounds, _shown(form.less))] for form in parts]
        console.print_table([f"less {whole}", *INTERVALS], differences)
    tuned = [[form.by, *map(with_bounds, _shown(form.prompt))] for form in result.forms if form.prompt]
    if tuned:
        console.print_table(["prompts tuned on", *INTERVALS], tuned)


def _shown(figures: dict[str, Interval]) -> list[Interval]:
    return [figures["auc"], figures["average_precision"]]
