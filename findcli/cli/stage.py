"""What the commands of the stages share: load settings, set threads, see whether a run is up to date, run it, print.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from findcli.cli import console
from findcli.cli.options import Changes, Device, DryRun, Force, Json, Quiet, Seed, Threads, WorkspaceDir
from findcli.errors import FindCLIError, first_line
from findcli.workspace.stages import STAGES

if TYPE_CHECKING:
    from datetime import datetime

    from findcli.execution.parts import Engine
    from findcli.workspace.folder import Workspace
    from findcli.workspace.runs import Run

THREADS_A_CORE = 4
SHOWN = 200  # characters of a setting that an error repeats


def prepare(
    folder: Path | None, *, threads: int | None, changes: Sequence[str] | None, seed: int | None = None
) -> Workspace:
    """Load the workspace with the settings of the command line over those of its file, and set the threads.

    Args:
        folder: the workspace; default: this folder or the nearest parent with a findcli.toml.
        threads: threads for torch and polars; default: one per core.
        changes: settings as `table.key=value`.
        seed: the workspace's seed.

    Raises:
        FindCLIError: there is no workspace, or its settings have mistakes.
    """
    from findcli.workspace.folder import load_workspace, setting

    overrides = parse_changes(changes or ())
    if seed is not None:
        overrides = {**overrides, "workspace": {**overrides.get("workspace", {}), "seed": seed}}
    workspace = load_workspace(folder, overrides=overrides)
    if kept := [
        f"{key}={json.dumps(each['value'])}"
        for key, each in workspace.overrides.items()
        if setting(overrides, key) is None
    ]:
        console.print_warning(f"an earlier --set holds: {', '.join(kept)}")
    settle_threads(threads)
    return workspace


def settle_threads(threads: int | None) -> None:
    """Set the threads of torch and polars, by default one per core; call it before anything imports polars.

    Raises:
        FindCLIError: there are far more threads than cores.
    """
    limit_threads(threads)
    from findcli.training.loop import set_determinism

    set_determinism(threads)


def limit_threads(threads: int | None) -> None:
    """Set the threads of polars alone, for checks before torch is loaded; call it before anything imports polars.

    Raises:
        FindCLIError: there are far more threads than cores.
    """
    most = THREADS_A_CORE * (os.cpu_count() or 1)
    if threads is not None and threads > most:
        hint = f"use at most {most}; threads beyond the cores only wait for each other"
        raise FindCLIError(f"--threads {threads} is too many: this machine has {os.cpu_count()} cores", hint=hint)
    if threads is not None:
        os.environ["POLARS_MAX_THREADS"] = str(threads)  # read when polars is imported


def parse_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Parse settings written as `table.key=value` into nested tables; a value that is not TOML is taken as text."""
    lines = []
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise typer.BadParameter(f"{change!r} has no '='; write it as sequence.steps=50", param_hint="--set")
        lines.append(f"{key} = {text if _is_toml(text) else json.dumps(text)}")
    try:
        return tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{', '.join(changes)[:SHOWN]}: {first_line(error)}", param_hint="--set") from error


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return False
    except (ValueError, RecursionError):  # TOML, but too deep or too long a number: `parse_changes` refuses it
        return True
    return True


def run_stage(
    workspace: Workspace,
    name: str,
    *,
    device: str | None = None,
    force: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    engine: Engine | None = None,
) -> Run | None:
    """Run one stage if it is missing or out of date, and print its result.

    Args:
        workspace: the workspace.
        name: the stage, as `workspace/stages.py` declares it.
        device: the torch device; default: the fastest available.
        force: run it even if it is up to date.
        dry_run: only show what would be done.
        quiet: hide progress.
        as_json: print JSON.
        as_of: the date of the embeddings.
        model: the workspace whose model embeds.
        engine: where partitions are worked on, in stages that have them; default: this process.

    Returns:
        The run; None for a dry run.
    """
    from findcli import pipeline

    reason = pipeline.why_stale(workspace, name, as_of=as_of, model=model) or ("--force" if force else None)
    if dry_run:
        print_plan([(name, reason)] if reason else [], as_json=as_json)
        return None
    if model is None:
        for before, change in pipeline.changed_before(workspace, name).items():
            console.print_warning(f"{before} is out of date ({change}); findcli run updates everything")
    bound = pipeline.bind(workspace, name, as_of=as_of, model=model)
    with console.progress(name, quiet=quiet or reason is None) as progress:
        options = {} if engine is None else {"engine": engine}
        run = bound.build(device=device or "auto", force=force, progress=progress, **options)
    if as_json:
        console.print_json({**plain(run), "made": reason is not None})
    else:
        print_run(run, made=reason is not None)
    return run


def training_command(name: str) -> Callable[..., None]:
    """Make the command of a stage that trains.

    Args:
        name: the stage.
    """

    def command(
        workspace: WorkspaceDir = None,
        seed: Seed = None,
        device: Device = None,
        threads: Threads = None,
        changes: Changes = None,
        force: Force = False,
        dry_run: DryRun = False,
        as_json: Json = False,
        quiet: Quiet = False,
    ) -> None:
        opened = prepare(workspace, threads=threads, changes=changes, seed=seed)
        run_stage(opened, name, device=device, force=force, dry_run=dry_run, quiet=quiet, as_json=as_json)

    return command


def print_plan(steps: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    """Print which stages would run, and why."""
    if as_json:
        console.print_json([{"stage": name, "reason": reason} for name, reason in steps])
    elif steps:
        console.print_table(["would run", "because"], steps)
    else:
        console.print_line("everything is up to date: nothing would run")


def print_run(run: Run, *, made: bool) -> None:
    """Print the result of a stage, its folder, and how long it took."""
    kind, metrics = run.manifest.kind, run.manifest.metrics
    console.print_line(f"{kind}: {STAGES[kind].result(metrics)}")
    if metrics.get("warning"):
        console.print_line(f"warning: {metrics['warning']}")
    state = f"made in {run.manifest.seconds:.1f} s" if made else "up to date; redo it with --force"
    console.print_line(f"{run.folder}: {state}")


def plain(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    manifest = run.manifest
    return {"stage": manifest.kind, "folder": str(run.folder), "seconds": manifest.seconds, "metrics": manifest.metrics}
