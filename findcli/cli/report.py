"""`findcli report`: a saved audience as one page.

Tested in tests/audiences/page/test_report.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Threads, WorkspaceDir
from findcli.cli.stage import limit_threads, settle_threads

Audience = Annotated[str, typer.Argument(metavar="AUDIENCE", help="Saved audience.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Write it to this .html file.")]


def report(
    audience: Audience, output: Output = Path("report.html"), workspace: WorkspaceDir = None, threads: Threads = None
) -> None:
    """Write a saved audience as one page: how it was read, how many, how good, who they are; it needs no network.

    It holds what some of its users did, without their ids: pass it on with the care that this asks for.
    """
    limit_threads(threads)
    from findcli.audiences.export import require_writable
    from findcli.audiences.saved import open_audience
    from findcli.workspace.disk import replacing
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    saved = open_audience(opened, audience)
    require_writable(output, workspace=opened, endings=(".html",))
    settle_threads(threads)
    from findcli.audiences.page.report import report as written

    text = written(opened, saved)
    with replacing(output) as draft:
        draft.write_text(text, encoding="utf-8")
    console.print_line(f"wrote the page to {console.shown(output)}")
