"""A workspace under other settings, with its own run folders beside the existing ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from findcli.workspace.disk import locked
from findcli.workspace.folder import Workspace
from findcli.workspace.stages import BEFORE_ALIGNMENT


def under_other_settings(
    workspace: Workspace, changes: Mapping[str, Mapping[str, Any]], *, group: str, name: str
) -> Workspace:
    """Change settings, by table and key, and put the run folders in `runs/benchmark/GROUP/NAME`."""
    settings = workspace.settings
    tables = {table: replace(getattr(settings, table), **keys) for table, keys in changes.items()}
    general = replace(settings.workspace, runs=str(workspace.runs / "benchmark" / group / name))
    return replace(workspace, settings=replace(settings, **tables, workspace=general))


def link_stages(workspace: Workspace, derived: Workspace, *, but: Collection[str] = ()) -> None:
    """Link the run folders of all stages before alignment into a derived workspace.

    Args:
        workspace: where the run folders are.
        derived: the workspace under other settings.
        but: stages to leave out, since the other settings change them.
    """
    with locked(derived.runs):
        for name in sorted({*BEFORE_ALIGNMENT, "cache", "copies"} - set(but)):
            shutil.rmtree(derived.runs / name, ignore_errors=True)
            if (workspace.runs / name).is_dir():
                shutil.copytree(workspace.runs / name, derived.runs / name, copy_function=_link)


def _link(source: str, target: str) -> None:
    """Make a hard link, since files of run folders are replaced, never changed; a copy if the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
