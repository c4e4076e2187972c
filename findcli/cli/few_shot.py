"""`findcli few-shot`: what a few seed users add to a task's demand sentence.

Tested in tests/evaluation/test_few_shot.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Device, Draws, Json, Model, Output, Quiet, SeedUsers, TaskName, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.cli.tables import signed_with_bounds, task_line

if TYPE_CHECKING:
    from findcli.evaluation.few_shot import FewShot

FewShotRivals = Annotated[
    str, typer.Option("--rivals", metavar="NAMES", help="one4all: train that rival too, for some minutes; or none.")
]


def few_shot(
    dataset: TaskName = "all",
    model: Model = None,
    draws: Draws = 20,
    seeds: SeedUsers = 5,
    rivals: FewShotRivals = "none",
    output: Output = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tune prompts on a few seed users of each task, beside the demand sentence and rivals with the same seeds.

    Seeds are drawn from the task's users many times over and left out of the evaluation. Prints the mean over draws of
    AUC, average precision (AP), lift, accuracy, precision and recall, and how far the prompt lies above each other way
    of scoring, with 95 % intervals.

    Example: findcli few-shot --dataset d1 --draws 50 --output figures.parquet
    """
    from dataclasses import asdict

    from findcli.audiences.export import write_audience
    from findcli.data.tasks import task_names
    from findcli.evaluation import few_shot as evaluation
    from findcli.evaluation.name_selection import chosen_names
    from findcli.workspace.folder import load_workspace

    chosen = chosen_names(rivals, ["one4all"], what="rival with seeds")
    ranking.require_parquet(output)
    settle_threads(threads)
    workspace = load_workspace(folder)
    names = task_names(workspace, dataset)
    trained = None if model is None else load_workspace(model)
    with console.progress("few-shot", quiet=quiet) as progress:
        results, table = evaluation.few_shot(
            workspace, names, model=trained, draws=draws, seeds=seeds, one4all="one4all" in chosen,
            device=device or "auto", progress=progress,
        )  # fmt: skip
    if output is not None:
        write_audience(table, output)
    if as_json:
        console.print_json([asdict(result) for result in results])
        return
    for result in results:
        _print(result)
    console.print_line("accuracy, precision, recall: as many users selected as there are positives; natural prevalence")
    if output is not None:
        console.print_line(f"wrote {len(table):,} rows to {console.shown(output)}")


def _print(result: FewShot) -> None:
    """Print a task's figures, and how far the prompt is above each other way of scoring."""
    marked = "marked" if result.marked else "the sentence's best tenth"
    seeds = f"{result.draws} draws of {result.seeds} + {result.seeds} seeds"
    console.print_line(task_line(result, f", {result.hard_negatives:,} hard negatives ({marked}); {seeds}"))
    names = ["auc", "average_precision", "lift", "accuracy", "precision", "recall", "hard_auc"]
    heads = ["mean over draws", "AUC", "AP", "lift", "accuracy", "precision", "recall", "hard"]
    console.print_table(heads, [[row.by, *(row.figures[name].value for name in names)] for row in result.rows])
    differences = [
        [row.by, *(signed_with_bounds(row.beside[name]) for name in ("auc", "average_precision"))]
        for row in result.rows if row.beside
    ]  # fmt: skip
    console.print_table(["the prompt less", "AUC, 95 %", "AP, 95 %"], differences)
