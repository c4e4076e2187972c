"""Save the answer of `findcli target`, and print what that changed.

Tested in tests/audiences/test_saved.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console, panels

if TYPE_CHECKING:
    from findcli.audiences.experiment.assign import Experiment
    from findcli.audiences.saved import Change
    from findcli.audiences.target import Audience
    from findcli.workspace.folder import Workspace

Replace = Annotated[
    bool, typer.Option("--overwrite", help="Replace a saved audience of another demand.", rich_help_panel=panels.RESULT)
]


def require_saveable(
    workspace: Workspace,
    name: str,
    demand: str | None,
    prompt: str | None,
    demands: Path | None,
    *,
    model: Workspace | None,
    purpose: str | None,
    experiment: Experiment | None,
    overwrite: bool,
) -> None:
    """Refuse a name that an audience cannot be saved under, and a file of demands, before any work is done.

    Raises:
        FindCLIError: the name is not valid, or belongs to an audience of another demand, purpose or experiment.
    """
    from findcli.audiences.prompts.store import open_prompt
    from findcli.audiences.saved import require_saveable as require

    if demands is not None:
        raise typer.BadParameter("--save keeps the answer to one demand, not a file of them", param_hint="--save")
    asked = demand if prompt is None else open_prompt(workspace, prompt, trained=model)[0].sentence
    details = {"purpose": purpose} | ({"experiment": {"name": experiment.name}} if experiment is not None else {})
    require(workspace, name, asked or "", details=details, overwrite=overwrite)


def save(workspace: Workspace, name: str, audience: Audience, *, model: Workspace | None, overwrite: bool) -> Change:
    """Save an audience under a name."""
    from findcli.audiences.saved import save_target

    return save_target(workspace, name, audience, model=model, overwrite=overwrite)


def print_change(change: Change) -> None:
    """Print where an audience was saved, and how many users entered and left."""
    saved = change.saved
    moved = f"{change.entered:,} entered, {change.left:,} left"
    console.print_line(f"saved {saved.record.sizes.selected:,} users as {saved.name}: {moved}")
    console.print_line(f"next: findcli audience show {saved.name}, or findcli export {saved.name} -o FILE.csv")


def plain(change: Change | None) -> dict[str, Any]:
    """What saving changed as JSON; nothing if nothing was saved."""
    if change is None:
        return {}
    return {"saved": {"name": change.saved.name, "entered": change.entered, "left": change.left}}
