"""`findcli probe`: what the users' vectors are worth to a linear model.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Device, Json, Output, Quiet, RivalNames, RivalSeconds, TaskName, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.cli.tables import task_line

if TYPE_CHECKING:
    from findcli.evaluation.probe import ProbeResult

Untrained = Annotated[bool, typer.Option("--untrained", help="Add each encoder by itself, pre-trained and untrained.")]

Folds = Annotated[
    int | None, typer.Option("--folds", min=2, help="Cross-validate in so many folds instead of fitting a fifth.")
]


def probe(
    dataset: TaskName,
    untrained: Untrained = False,
    rivals: RivalNames = "none",
    rival_seconds: RivalSeconds = 900,
    folds: Folds = None,
    output: Output = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a linear model on the users' vectors: what frozen vectors are worth for a task, with labels.

    A fifth of the task's users fit the model and the others evaluate it, in ten draws; with --folds, all folds but one
    do, in turn. Users whom the settings say to be one person are drawn together. Prints AUC with a 95 % interval,
    KS and precision for every kind of vector; with --rivals, theirs on the same users and draws, and the differences.

    Example: findcli probe --dataset d1 --rivals aggregates,coles
    """
    from dataclasses import asdict

    from findcli.data.tasks import task_names
    from findcli.evaluation.probe import averages, measure_tasks
    from findcli.evaluation.probe_comparison import compare
    from findcli.evaluation.rivals.probe_registry import chosen_rivals
    from findcli.workspace.folder import load_workspace

    representations = chosen_rivals(rivals)
    if output is not None and not representations:
        raise typer.BadParameter("it takes the figures beside rivals; name some with --rivals", param_hint="--output")
    ranking.require_parquet(output)
    settle_threads(threads)
    workspace = load_workspace(folder)
    names = task_names(workspace, dataset)
    with console.progress("probe", quiet=quiet or len(names) == 1) as progress:
        measured = measure_tasks(
            workspace, names, rivals=representations, seconds=rival_seconds, untrained=untrained,
            folds=folds, device=device or "auto", progress=progress,
        )  # fmt: skip
    if representations:
        compared = compare([workspace.settings.split.salt], [measured])
        ranking.report(None, probed=compared, output=output, as_json=as_json)
        return
    results = [one.result for one in measured]
    if as_json:
        plain = [asdict(result) for result in results]
        console.print_json(plain if dataset == "all" else plain[0])
        return
    for result in results:
        print_result(result)
    if len(results) > 1:
        means = averages(results)
        console.print_table(["vectors", "AUC", "KS"], means, title=f"average of {len(results)} tasks")


def print_result(result: ProbeResult) -> None:
    """Print a task's figures, each beside what the true probability reaches where that is known."""
    possible = result.ceiling
    console.print_line(task_line(result, "; beside each figure the best possible" if possible else ""))
    rows = [
        [
            row.vectors,
            console.figure(row.auc.value, None if possible is None else possible.auc),
            f"{row.auc.low:.2f}-{row.auc.high:.2f}",
            console.figure(row.ks.value, None if possible is None else possible.ks),
            console.figure(row.precision, None if possible is None else possible.precision),
        ]
        for row in result.rows
    ]
    console.print_table(["vectors", "AUC", "95 %", "KS", "precision"], rows)
