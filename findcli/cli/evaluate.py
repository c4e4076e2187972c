"""`findcli evaluate`: how well the tasks' demand sentences rank their users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.ablations import print_ablation
from findcli.cli.options import (
    Device,
    DryRun,
    Json,
    Model,
    Output,
    Quiet,
    RivalNames,
    RivalSeconds,
    Threads,
    VariantNames,
    WorkspaceDir,
)
from findcli.cli.stage import print_plan, settle_threads

if TYPE_CHECKING:
    from pathlib import Path

    from findcli.evaluation.few_shot import FewShot
    from findcli.evaluation.zero_shot import Evaluation, Ranking
    from findcli.metrics import Interval
    from findcli.workspace.folder import Workspace

Dataset = Annotated[str, typer.Option("--dataset", "-d", metavar="TASK", help="A task of the workspace, such as d1.")]
Sentences = Annotated[
    bool, typer.Option("--sentences", help="Rank the held-out users for the sentence of every common category instead.")
]
Untrained = Annotated[bool, typer.Option("--untrained", help="Add the ranking of the same model, untrained.")]
FewShotFlag = Annotated[
    bool, typer.Option("--few-shot", help="Tune prompts on drawn seed users, beside rivals with the same seeds.")
]
Draws = Annotated[int, typer.Option("--draws", min=2, help="With --few-shot: how often seeds are drawn.")]
SeedUsers = Annotated[int, typer.Option("--seeds", min=2, help="With --few-shot: so many of each label a draw.")]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="MODALITY",
        help="Mask sequence, tabular or search when users are embedded, the model as it is; may be repeated.",
    ),
]


def evaluate(
    dataset: Dataset = "all",
    model: Model = None,
    untrained: Untrained = False,
    few_shot: FewShotFlag = False,
    draws: Draws = 20,
    seeds: SeedUsers = 5,
    without: Without = None,
    variants: VariantNames = "none",
    sentences: Sentences = False,
    rivals: RivalNames = "none",
    rival_seconds: RivalSeconds = 600,
    output: Output = None,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank each task's users by its demand sentence alone, and by its paraphrases: AUC, KS, precision.

    No label is read but to measure. AP is the average precision; hard, the AUC of the positives against the hard
    negatives alone, where the task marks them.

    With --few-shot: prompts are tuned on seeds drawn from the task's users, who are left out of the evaluation;
    --rivals one4all trains that rival too.

    With --variants: each form is trained apart and ranks beside the one of which it lacks or changes one thing, such as
    find-without-table beside find; --dry-run says which are to be trained.

    With --sentences: the held-out users, by the sentence of every common category, beside rivals where asked for.
    """
    from dataclasses import asdict

    from findcli.data.tasks import task_names
    from findcli.evaluation import zero_shot
    from findcli.workspace.folder import load_workspace

    settle_threads(threads)
    found = load_workspace(workspace)
    if sentences:
        _take_no(
            "--sentences", dataset=dataset != "all", model=model, untrained=untrained, few_shot=few_shot,
            without=without, variants=variants != "none", dry_run=dry_run,
        )  # fmt: skip
        _rank_sentences(found, rivals, rival_seconds, output, device=device, as_json=as_json, quiet=quiet)
        return
    names = task_names(found, dataset)
    if variants != "none":
        _take_no(
            "--variants", model=model, untrained=untrained, without=without, rivals=rivals != "none", output=output
        )
        drawn = draws if few_shot else 0
        _ablate(found, names, variants, drawn, seeds, device=device, dry_run=dry_run, as_json=as_json, quiet=quiet)
        return
    if dry_run:
        raise typer.BadParameter("it goes with --variants", param_hint="--dry-run")
    _require_rivals(rivals, output, few_shot=few_shot)
    other = None if model is None else load_workspace(model)
    if few_shot:
        _take_no("--few-shot", untrained=untrained, without=without)
        one4all = rivals != "none"
        _few_shot(found, names, other, draws, seeds, one4all, output, device=device, as_json=as_json, quiet=quiet)
        return
    zero_shot.require_modalities(without or ())
    with console.progress("evaluate", quiet=quiet) as progress:
        results = zero_shot.evaluate(
            found, names, model=other, untrained=untrained, without=without or (), device=device or "auto",
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


def _take_no(option: str, **given: object) -> None:
    """Refuse options that mean nothing beside another."""
    wrong = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if wrong:
        raise typer.BadParameter(f"it takes no {', '.join(wrong)}", param_hint=option)


def _ablate(
    workspace: Workspace, names: list[str], variants: str, draws: int, seeds: int, *, device: str | None, dry_run: bool,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    from dataclasses import asdict
    from functools import partial

    from findcli.evaluation.ablations import ablate
    from findcli.evaluation.variants import chosen_variants, plan_variants

    chosen = chosen_variants(variants)
    if dry_run:
        print_plan([(one.name, f"{one.says}: {why}") for one, why in plan_variants(workspace, chosen)], as_json=as_json)
        return
    results = ablate(
        workspace, names, chosen, draws=draws, seeds=seeds, device=device or "auto",
        progress_for=partial(console.progress, quiet=quiet),
    )  # fmt: skip
    if as_json:
        console.print_json([asdict(result) for result in results])
        return
    for result in results:
        print_ablation(result)


def _require_rivals(rivals: str, output: Path | None, *, few_shot: bool) -> None:
    if (rivals != "none" or output is not None) and not few_shot:
        raise typer.BadParameter("--rivals and --output go with --sentences or --few-shot")
    if rivals not in ("none", "one4all", "all"):
        raise typer.BadParameter("with --few-shot it is one4all or none", param_hint="--rivals")


def _few_shot(
    workspace: Workspace, names: list[str], model: Workspace | None, draws: int, seeds: int, one4all: bool,
    output: Path | None, *, device: str | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    from dataclasses import asdict

    from findcli.audiences.export import write_audience
    from findcli.evaluation import few_shot

    ranking.require_parquet(output)
    with console.progress("few-shot", quiet=quiet) as progress:
        results, table = few_shot.few_shot(
            workspace, names, model=model, draws=draws, seeds=seeds, one4all=one4all, device=device or "auto",
            progress=progress,
        )  # fmt: skip
    if output is not None:
        write_audience(table, output)
    if as_json:
        console.print_json([asdict(result) for result in results])
        return
    for result in results:
        _print_few_shot(result)
    console.print_line("accuracy, precision, recall: as many users selected as there are positives; natural prevalence")
    if output is not None:
        console.print_line(f"wrote {len(table):,} rows to {output}")


def _print_few_shot(result: FewShot) -> None:
    """Print a task's figures, and how far the prompt is above each other way of scoring."""
    share, marked = result.positives / result.users, "marked" if result.marked else "the sentence's best tenth"
    told = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    told += f", {result.hard_negatives:,} hard negatives ({marked})"
    told += f"; {result.draws} draws of {result.seeds} + {result.seeds} seeds"
    console.print_line(f"{result.task}: {result.title} - {told}")
    names = ["auc", "average_precision", "lift", "accuracy", "precision", "recall", "hard_auc"]
    heads = ["mean over draws", "AUC", "AP", "lift", "accuracy", "precision", "recall", "hard"]
    console.print_table(heads, [[row.by, *(row.figures[name].value for name in names)] for row in result.rows])
    differences = [
        [row.by, *(_difference(row.beside[name]) for name in ("auc", "average_precision"))]
        for row in result.rows if row.beside
    ]  # fmt: skip
    console.print_table(["the prompt less", "AUC, 95 %", "AP, 95 %"], differences)


def _difference(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _rank_sentences(
    workspace: Workspace, names: str, seconds: float, output: Path | None, *, device: str | None, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    from findcli.evaluation.benchmark import run
    from findcli.evaluation.rivals.ranking_registry import chosen_rivals

    rankers = chosen_rivals(names)
    ranking.require_parquet(output)
    with console.progress("rank", quiet=quiet) as progress:
        ranked = run.rank_sentences([workspace], rankers, seconds=seconds, device=device or "auto", progress=progress)
    ranking.report(ranked, output=output, as_json=as_json)


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
