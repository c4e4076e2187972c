"""`findcli run`: every stage that is missing or out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from findcli.cli import console, stage
from findcli.cli.options import AsOf, Changes, Device, DryRun, Json, Quiet, Seed, Threads, WorkspaceDir
from findcli.workspace.durations import parse_instant

if TYPE_CHECKING:
    from findcli.pipeline import StageStatus
    from findcli.workspace.runs import Run

Name = Literal["events", "pairs", "text", "sequence", "tabular", "aligned", "embeddings"]
ForceFrom = Annotated[
    Name | None, typer.Option("--force-from", metavar="STAGE", help="Make this stage and all after it anew.")
]


def run(
    workspace: WorkspaceDir = None,
    as_of: AsOf = None,
    force_from: ForceFrom = None,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run every stage that is missing or out of date, in order; interrupted, it goes on where it stood."""
    date = None if as_of is None else parse_instant(as_of)
    found = stage.prepare(workspace, threads=threads, changes=changes, seed=seed)
    from findcli import pipeline

    if dry_run:
        stage.print_plan(_steps(pipeline.plan(found, as_of=date), force_from), as_json=as_json)
        return
    made = pipeline.run(
        found,
        as_of=date,
        device=device or "auto",
        force_from=force_from,
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
    rows = [[r.manifest.kind, stage.headline(r.manifest.kind, r.manifest.metrics), r.manifest.seconds] for r in made]
    console.print_table(["stage", "result", "seconds"], rows)
    for run in made:
        if run.manifest.metrics.get("warning"):
            console.print_line(f"warning: {run.manifest.kind}: {run.manifest.metrics['warning']}")
    console.print_line('next: findcli target "users who will ..."')
