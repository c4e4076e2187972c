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
    from collections.abc import Sequence

    from findcli.evaluation.ablations import Ablation
    from findcli.evaluation.sources_together import Together
    from findcli.evaluation.variants import Variant
    from findcli.metrics import Interval
    from findcli.workspace.folder import Workspace

FIGURES = {
    "auc": "AUC", "average_precision": "AP", "lift": "lift", "accuracy": "accuracy", "precision": "precision",
    "recall": "recall",
}  # fmt: skip
INTERVALS = ("AUC, 95 %", "AP, 95 %")  # the others are in --json, so that a narrow terminal crops no figure

WithProbes = Annotated[
    bool, typer.Option("--probe", help="Probe each form's fused vector beside its best source and all side by side.")
]
Folds = Annotated[
    int | None, typer.Option("--folds", min=2, help="Cross-validate the probes in so many folds, instead of ten draws.")
]
WithPrompts = Annotated[bool, typer.Option("--few-shot", help="Tune prompts on drawn seed users with each form, too.")]


def ablate(
    dataset: TaskName = "all",
    variants: VariantNames = "all",
    with_prompts: WithPrompts = False,
    draws: Draws = 20,
    seeds: SeedUsers = 5,
    with_probes: WithProbes = False,
    folds: Folds = None,
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
    probes = _probed(workspace, names, chosen, folds=folds, device=device or "auto") if with_probes else []
    if as_json:
        plain = [asdict(result) for result in results]
        console.print_json({"tasks": plain, "probes": [asdict(row) for row in probes]} if with_probes else plain)
        return
    for result in results:
        _print(result)
    if probes:
        _print_probes(probes)


def _probed(
    workspace: Workspace, names: Sequence[str], variants: Sequence[Variant], *, folds: int | None, device: str
) -> list[Together]:
    from findcli.evaluation.probe import measure_tasks
    from findcli.evaluation.sources_together import together
    from findcli.evaluation.variants import OWN

    forms = {OWN: workspace} | {variant.name: variant.of(workspace) for variant in variants}
    return together([(by, measure_tasks(form, names, folds=folds, device=device)) for by, form in forms.items()])


def _print_probes(rows: Sequence[Together]) -> None:
    """Print what fusing is worth to the probe, mean over tasks."""
    shown = [[row.by, with_bounds(row.fused), f"{row.source} {row.best_source.value:.3f}", row.side_by_side.value,
              row.stored.value] for row in rows]  # fmt: skip
    console.print_table(["probed", "fused, 95 %", "best source", "side by side", "all stored"], shown)
    less = [
        [row.by, *map(signed_with_bounds, (row.less_source, row.less_side_by_side, row.less_first))] for row in rows
    ]
    console.print_table(["fused less", "best source", "side by side", rows[0].by], less)


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
