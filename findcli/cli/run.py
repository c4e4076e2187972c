"""`findcli run`: run every stage that is missing or out of date.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, stage
from findcli.cli.cost import ConstantsFile, CostOption, CostUsers, print_cost
from findcli.cli.options import (
    Address,
    AsOf,
    Changes,
    Device,
    DryRun,
    EngineChoice,
    Json,
    Quiet,
    Seed,
    Threads,
    Workers,
    WorkspaceDir,
)
from findcli.workspace.durations import parse_instant
from findcli.workspace.stages import STAGES

if TYPE_CHECKING:
    from findcli.pipeline import StageStatus
    from findcli.workspace.runs import Run

NAMES = [name for name, stage in STAGES.items() if stage.in_run]
ForceFrom = Annotated[
    str | None,
    typer.Option(
        "--force-from", metavar="STAGE", help=f"Redo this stage and all later ones; one of {', '.join(NAMES)}."
    ),
]


def run(
    workspace: WorkspaceDir = None,
    as_of: AsOf = None,
    force_from: ForceFrom = None,
    engine: EngineChoice = "local",
    workers: Workers = None,
    address: Address = None,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    cost: CostOption = False,
    users: CostUsers = None,
    constants: ConstantsFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run every stage that is missing or out of date, in order; an interrupted run resumes where it stopped.

    --dry-run --cost tells what a whole run takes, by constants that findcli benchmark cost has fitted to finished runs
    on this machine, or by this workspace's own.
    """
    if (cost or users or constants) and not (dry_run and cost):
        raise typer.BadParameter("it goes with --dry-run --cost", param_hint="--cost, --users, --constants")
    if force_from not in (None, *NAMES):
        raise typer.BadParameter(f"{force_from!r} is not one of {', '.join(NAMES)}", param_hint="--force-from")
    date = None if as_of is None else parse_instant(as_of)
    opened = stage.prepare(workspace, threads=threads, changes=changes, seed=seed)
    from findcli import pipeline
    from findcli.execution.choose import choose_engine

    chosen = choose_engine(engine, workers=workers, address=address)

    if cost:
        print_cost(opened, users=users, file=constants, as_json=as_json)
        return
    if dry_run:
        stage.print_plan(_steps(pipeline.plan(opened, as_of=date), force_from), as_json=as_json)
        return
    made = pipeline.run(
        opened,
        as_of=date,
        device=device or "auto",
        force_from=force_from,
        engine=chosen,
        progress_for=lambda name: console.progress(name, quiet=quiet),
    )
    if as_json:
        console.print_json([stage.plain(run) for run in made])
    else:
        _print(made)


def _steps(statuses: list[StageStatus], force_from: str | None) -> list[tuple[str, str]]:
    names = [status.name for status in statuses]
    forced = names[names.index(force_from) :] if force_from in names else []
    reasons = {s.name: s.reason or s.state for s in statuses if s.state != "current"}
    return [(name, reasons.get(name, "--force-from")) for name in names if name in reasons or name in forced]


def _print(made: list[Run]) -> None:
    if not made:
        console.print_line("everything is up to date")
        return
    rows = [[r.manifest.kind, STAGES[r.manifest.kind].result(r.manifest.metrics), r.manifest.seconds] for r in made]
    console.print_table(["stage", "result", "seconds"], rows)
    for run in made:
        if run.manifest.metrics.get("warning"):
            console.print_line(f"warning: {run.manifest.kind}: {run.manifest.metrics['warning']}")
    console.print_line('next: findcli target "users who will ..."')
