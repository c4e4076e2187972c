"""`findcli evaluate`: how well the tasks' demand sentences rank their users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Device, Json, Model, Quiet, Threads, WorkspaceDir

if TYPE_CHECKING:
    from findcli.evaluation import Evaluation, Ranking

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
    """Rank each task's users by its demand sentence alone, and by its paraphrases: AUC, KS, precision.

    No label is read but to measure. AP is the average precision; hard, the AUC of the positives against the hard
    negatives alone, where the task marks them.
    """
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
    if len(results) > 1:
        means = evaluation.averages(results)
        console.print_table(["ranked by", "AUC"], means, title=f"average of {len(results)} tasks")


def _print(result: Evaluation) -> None:
    """Print a task's rankings, the AUC beside what the true probability reaches where that is known."""
    share, hard = result.positives / result.users, result.hard_negatives
    users = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    rivals = "" if hard is None else f", {hard:,} hard negatives"
    console.print_line(f'{result.task}: {result.title} - {users}{rivals}\n"{result.demand}"')
    for i, words in enumerate(result.paraphrases, 1):
        console.print_line(f'paraphrase {i}: "{words}"')
    columns = ["ranked by", "AUC", "95 %", "KS", "precision", "AP", *([] if hard is None else ["hard"])]
    rows = [_row(ranking, None if ranking is result.ceiling else result.ceiling) for ranking in result.rankings]
    console.print_table(columns, [row[: len(columns)] for row in rows])


def _row(ranking: Ranking, possible: Ranking | None) -> list[object]:
    auc = console.figure(ranking.auc.value, None if possible is None else possible.auc.value)
    interval = f"{ranking.auc.low:.2f}-{ranking.auc.high:.2f}"
    figures = [ranking.ks.value, ranking.precision, ranking.average_precision, ranking.hard_auc]
    return [ranking.by, auc, interval, *figures]
