"""`findcli align`: fuse the encoders, and align users with sentences.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from findcli.cli.options import Changes, Device, DryRun, Force, Json, Quiet, Seed, Threads, WorkspaceDir
from findcli.cli.stage import prepare, run_stage
from findcli.errors import FindCLIError

Worlds = Annotated[
    list[Path] | None,
    typer.Option(
        "--with",
        metavar="DIR",
        help="Another workspace that teaches the ranker beside this one, its pairs and texts made; may be repeated.",
    ),
]


def align(
    worlds: Worlds = None,
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
    """Fuse the encoders, and align users with sentences about their future; then train the ranker.

    With --with, the ranker learns from other workspaces too: few users rank better by what many did elsewhere. It sets
    the setting ranker.worlds, and holds for later runs as --set does; --set ranker.worlds=[] ends it.
    """
    taught = [f"ranker.worlds={_listed(worlds)}"] if worlds else []
    opened = prepare(workspace, threads=threads, changes=[*(changes or ()), *taught], seed=seed)
    if worlds:
        from findcli.models.align import chosen_scorer

        if (scorer := chosen_scorer(opened)) != "query_aware":
            hint = 'set scorer in [align] to "query_aware", or leave --with out'
            raise FindCLIError(f"--with teaches the ranker, and scorer is {scorer!r}", hint=hint)
    if opened.folder in [path.resolve() for path in worlds or ()]:
        raise FindCLIError(f"--with {opened.folder} is this workspace", hint="name other workspaces")
    run_stage(opened, "aligned", device=device, force=force, dry_run=dry_run, quiet=quiet, as_json=as_json)


def _listed(worlds: list[Path]) -> str:
    """Folders as a TOML array; whole paths, since settings are relative to the workspace."""
    return json.dumps([str(path.resolve()) for path in worlds], ensure_ascii=False)
