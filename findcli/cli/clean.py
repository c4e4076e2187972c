"""`findcli clean`: remove what is superseded.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import DryRun, Json, WorkspaceDir

Everything = Annotated[bool, typer.Option("--all", help="Remove every run; data and settings stay.")]


def clean(
    workspace: WorkspaceDir = None, everything: Everything = False, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Remove what later runs superseded and what interrupted ones left; never your data."""
    from rich.filesize import decimal

    from findcli import pipeline
    from findcli.workspace.folder import load_workspace

    found = load_workspace(workspace)
    removed = pipeline.clean(found, everything=everything, dry_run=dry_run)
    if as_json:
        console.print_json([{"path": str(path), "bytes": size} for path, size in removed])
        return
    if removed:
        rows = [[str(path.relative_to(found.runs)), decimal(size)] for path, size in removed]
        console.print_table(["would remove" if dry_run else "removed", "size"], rows)
        console.print_line(f"{decimal(sum(size for _, size in removed))} in {found.runs}")
    else:
        console.print_line(f"nothing in {found.runs} is superseded" if not everything else f"no run in {found.runs}")
