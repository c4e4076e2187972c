"""`findcli card`: a model card and data sheet, written from what the runs say of themselves.

Tested in tests/audiences/test_card.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import WorkspaceDir

Audience = Annotated[
    str | None, typer.Argument(metavar="[AUDIENCE]", help="Saved audience to describe beside the model.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write it to this .md file."),
]


def card(audience: Audience = None, output: Output = None, workspace: WorkspaceDir = None) -> None:
    """Print a model card and data sheet in Markdown: data, dates, sizes, how good, groups, use and limits."""
    from findcli.audiences.card import card as describe
    from findcli.audiences.export import require_writable
    from findcli.audiences.saved import open_audience
    from findcli.workspace.disk import replacing
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    if output is not None:
        require_writable(output, workspace=opened, endings=(".md",))
    text = describe(opened, None if audience is None else open_audience(opened, audience))
    if output is None:
        console.print_line(text.rstrip("\n"))
        return
    with replacing(output) as draft:
        draft.write_text(text, encoding="utf-8")
    console.print_line(f"wrote the card to {console.shown(output)}")
