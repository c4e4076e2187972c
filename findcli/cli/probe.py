"""`findcli probe`: what the users' vectors are worth to a linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Device, Json, Output, Quiet, RivalNames, RivalSeconds, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads

if TYPE_CHECKING:
    from findcli.evaluation.probe import ProbeResult

Dataset = Annotated[
    str, typer.Option("--dataset", "-d", metavar="TASK", help="A task of the workspace, such as d1; or all.")
]
Untrained = Annotated[
    bool, typer.Option("--untrained", help="Add each encoder of stage 1 beside its own untrained self.")
]


def probe(
    dataset: Dataset,
    untrained: Untrained = False,
    rivals: RivalNames = "none",
    rival_seconds: RivalSeconds = 900,
    output: Output = None,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a linear probe on one fifth of a task's users and evaluate it on the rest: AUC and KS, ten draws.

    With rivals, their vectors are probed on the same users and draws, and paired differences printed.
    """
    from dataclasses import asdict

    from findcli.data.tasks import task_names
    from findcli.evaluation.probe import averages, measure_tasks
    from findcli.evaluation.probe_comparison import compare
    from findcli.evaluation.rivals.probe_registry import chosen_rivals
    from findcli.workspace.folder import load_workspace

    described = chosen_rivals(rivals)
    if output is not None and not described:
        raise typer.BadParameter("it takes the figures beside rivals; name some with --rivals", param_hint="--output")
    ranking.require_parquet(output)
    settle_threads(threads)
    found = load_workspace(workspace)
    names = task_names(found, dataset)
    with console.progress("probe", quiet=quiet or len(names) == 1) as progress:
        measured = measure_tasks(
            found, names, rivals=described, seconds=rival_seconds, untrained=untrained, device=device or "auto",
            progress=progress,
        )  # fmt: skip
    if described:
        compared = compare([found.settings.split.salt], [measured])
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
    share, possible = result.positives / result.users, result.ceiling
    users = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    beside = "; beside each figure the best possible" if possible else ""
    console.print_line(f"{result.task}: {result.title} - {users}{beside}")
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
