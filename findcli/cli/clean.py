"""`findcli clean`: remove superseded runs.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import DryRun, Json, WorkspaceDir

Everything = Annotated[bool, typer.Option("--all", help="Remove every run; your data and settings stay.")]


def clean(
    workspace: WorkspaceDir = None, everything: Everything = False, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Remove superseded runs and the leftovers of interrupted ones, never your data."""
    from rich.filesize import decimal

    from findcli import pipeline
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    removed = pipeline.clean(opened, everything=everything, dry_run=dry_run)
    if as_json:
        console.print_json([{"path": str(path), "bytes": size} for path, size in removed])
        return
    if removed:
        rows = [[str(path.relative_to(opened.runs)), decimal(size)] for path, size in removed]
        console.print_table(["would remove" if dry_run else "removed", "size"], rows)
        console.print_line(f"{decimal(sum(size for _, size in removed))} in {opened.runs}")
    else:
        console.print_line(f"no runs in {opened.runs}" if everything else f"nothing in {opened.runs} is superseded")
