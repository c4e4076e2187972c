"""`findcli embed`: one vector per user as of any date.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from findcli.cli import stage
from findcli.cli.options import (
    Address,
    AsOf,
    Changes,
    Device,
    DryRun,
    EngineChoice,
    Force,
    Json,
    Model,
    Quiet,
    Threads,
    Workers,
    WorkspaceDir,
)
from findcli.workspace.durations import parse_instant


def embed(
    workspace: WorkspaceDir = None,
    as_of: AsOf = None,
    model: Model = None,
    engine: EngineChoice = "local",
    workers: Workers = None,
    address: Address = None,
    device: Device = None,
    threads: Threads = None,
    changes: Changes = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn every user's history before a date, by default the latest, into a vector; new users are included."""
    date = None if as_of is None else parse_instant(as_of)
    from findcli.execution.choose import choose_engine

    chosen = choose_engine(engine, workers=workers, address=address)
    opened = stage.prepare(workspace, threads=threads, changes=changes)
    from findcli.workspace.folder import load_workspace

    stage.run_stage(
        opened,
        "embeddings",
        device=device,
        force=force,
        dry_run=dry_run,
        quiet=quiet,
        as_json=as_json,
        as_of=date,
        engine=chosen,
        model=None if model is None else load_workspace(model),
    )
