"""`findcli evaluate`: how well the tasks' demand sentences rank their users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Device, Json, Model, Quiet, Threads, WorkspaceDir

if TYPE_CHECKING:
    from findcli.evaluation import Evaluation

Dataset = Annotated[str, typer.Option("--dataset", "-d", metavar="TASK", help="A task of the workspace, such as d1.")]
Untrained = Annotated[bool, typer.Option("--untrained", help="Add the ranking of the same model, untrained.")]


def evaluate(
    dataset: Dataset = "all",
    model: Model = None,
    untrained: Untrained = False,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank each task's users by its demand sentence alone, without labels: AUC, KS, precision, average precision."""
    from dataclasses import asdict

    from findcli import evaluation, linear_probe
    from findcli.training import set_determinism
    from findcli.workspace import load_workspace

    set_determinism(threads)
    found = load_workspace(workspace)
    names = linear_probe.task_names(found, dataset)
    other = None if model is None else load_workspace(model)
    with console.progress("evaluate", quiet=quiet) as progress:
        results = evaluation.evaluate(
            found, names, model=other, untrained=untrained, device=device or "auto", progress=progress
        )
    if as_json:
        console.print_json([asdict(result) for result in results])
        return
    for result in results:
        _print(result)


def _print(result: Evaluation) -> None:
    share = result.positives / result.users
    users = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    console.print_line(f'{result.task}: {result.title} - {users}\n"{result.demand}"')
    rows = [
        [r.by, r.auc.value, f"{r.auc.low:.3f}-{r.auc.high:.3f}", r.ks.value, r.precision, r.average_precision]
        for r in result.rankings
    ]
    console.print_table(["ranked by", "AUC", "95 %", "KS", "precision", "average precision"], rows)
