"""`findcli evaluate`: how well the tasks' demand sentences rank their users.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from findcli.cli import console
from findcli.cli.next_event import Baselines, EveryInstant, report
from findcli.cli.options import Device, Json, Model, Quiet, TaskName, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.cli.tables import task_line

if TYPE_CHECKING:
    from findcli.evaluation.zero_shot import Evaluation, RankingFigures

# Options that `findcli evaluate` once had, and where each is now; of several the first decides.
MOVED = {
    "--sentences": "findcli rank-sentences",
    "--variants": "findcli ablate --variants",
    "--few-shot": "findcli few-shot",
    "--draws": "findcli few-shot --draws",
    "--seeds": "findcli few-shot --seeds",
    "--dry-run": "findcli ablate --dry-run",
    "--rival-seconds": "findcli rank-sentences --rival-seconds",
    "--rivals": "findcli few-shot --rivals or findcli rank-sentences --rivals",
    "--output": "findcli few-shot --output or findcli rank-sentences --output",
    "-o": "findcli few-shot -o or findcli rank-sentences -o",
}

Untrained = Annotated[bool, typer.Option("--untrained", help="Add the ranking by the same model before alignment.")]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="MODALITY",
        help="Mask sequence, tabular or search when users are embedded, without training again; may be repeated.",
    ),
]

NextEvent = Annotated[
    bool, typer.Option("--next-event", help="Measure predictions of the next event in place of tasks.")
]


class Evaluate(TyperCommand):
    """The command `evaluate`, which names the new command of an option that it no longer has."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Refuse options that moved, then parse as any command."""
        names = {word.partition("=")[0] for word in args}
        for option, command in MOVED.items():
            if option in names:
                ctx.fail(f"findcli evaluate {option} is now: {command}")
        return super().parse_args(ctx, args)


app = typer.Typer(add_completion=False)


@app.command("evaluate", cls=Evaluate)
def evaluate(
    dataset: TaskName = "all",
    model: Model = None,
    untrained: Untrained = False,
    without: Without = None,
    next_event: NextEvent = False,
    baselines: Baselines = "all",
    every_instant: EveryInstant = False,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank each task's users by its demand sentence alone, and by its paraphrases.

    Prints AUC with a 95 % interval, KS, precision and average precision (AP) of every ranking; "hard" is the AUC of the
    positives against hard negatives alone, where the task marks them. Labels are read to measure, never to rank. Who is
    ranked, of the users with a label, is what the demand says of people and of the past.

    With --next-event no task is read: held-out users are asked what they do first from train_until on, by
    runs/next_event and baselines.

    Example: findcli evaluate --dataset d1 --untrained
    """
    if next_event:
        _evaluate_next_event(folder, baselines, every=every_instant, device=device, threads=threads, as_json=as_json,
                             quiet=quiet)  # fmt: skip
        return
    from dataclasses import asdict

    from findcli.data.tasks import task_names
    from findcli.evaluation import zero_shot
    from findcli.workspace.folder import load_workspace

    settle_threads(threads)
    workspace = load_workspace(folder)
    names = task_names(workspace, dataset)
    trained = None if model is None else load_workspace(model)
    zero_shot.require_modalities(without or ())
    with console.progress("evaluate", quiet=quiet) as progress:
        results = zero_shot.evaluate(
            workspace, names, model=trained, untrained=untrained, without=without or (), device=device or "auto",
            progress=progress,
        )  # fmt: skip
    if as_json:
        console.print_json([asdict(result) for result in results])
        return
    if without:
        console.print_line(f"masked when users are embedded, the model not trained again: {', '.join(without)}")
    for result in results:
        _print(result)
    if len(results) > 1:
        means = zero_shot.averages(results)
        console.print_table(["ranked by", "AUC"], means, title=f"average of {len(results)} tasks")


def _evaluate_next_event(
    folder: Path | None, baselines: str, *, every: bool, device: str | None, threads: int | None, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    settle_threads(threads)
    from findcli.evaluation.next_event import protocol, workspace
    from findcli.evaluation.next_event.baselines.registry import chosen_names
    from findcli.workspace.folder import load_workspace

    names = chosen_names(baselines)
    with console.progress("evaluate", quiet=quiet) as progress:
        world = workspace.open_world(load_workspace(folder), every=every, device=device or "auto", progress=progress)
        measured = protocol.measure(world, names, progress=progress)
    report(measured, output=None, as_json=as_json)


def _print(result: Evaluation) -> None:
    """Print a task's rankings, the AUC beside what the true probability reaches where that is known."""
    hard = result.hard_negatives
    console.print_line(task_line(result, "" if hard is None else f", {hard:,} hard negatives"))
    console.print_line(f'"{result.demand}"')
    for i, words in enumerate(result.paraphrases, 1):
        console.print_line(f'paraphrase {i}: "{words}"')
    if result.conditions:
        console.print_line(_who_is_ranked(result))
    columns = ["ranked by", "AUC", "95 %", "KS", "precision", "AP", *([] if hard is None else ["hard"])]
    rows = [_row(ranking, None if ranking is result.ceiling else result.ceiling) for ranking in result.rankings]
    console.print_table(columns, [row[: len(columns)] for row in rows])


def _who_is_ranked(result: Evaluation) -> str:
    """What the demand itself says of who is ranked."""
    written = "; ".join(condition.expression for condition in result.conditions)
    if result.applied:
        return f"of {result.labelled:,} users with a label, ranked are those who pass: {written}"
    return f"not applied, since truth is known of all users: {written}"


def _row(ranking: RankingFigures, possible: RankingFigures | None) -> list[object]:
    auc = console.figure(ranking.auc.value, None if possible is None else possible.auc.value)
    interval = f"{ranking.auc.low:.2f}-{ranking.auc.high:.2f}"
    figures = [ranking.ks.value, ranking.precision, ranking.average_precision, ranking.hard_auc]
    return [ranking.by, auc, interval, *figures]
