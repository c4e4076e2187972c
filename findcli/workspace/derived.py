"""A workspace under other settings, with run folders of its own beside those that stand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from findcli.workspace.folder import Workspace
from findcli.workspace.runs import locked
from findcli.workspace.stages import BEFORE_ALIGNMENT


def under_other_settings(
    workspace: Workspace, changes: Mapping[str, Mapping[str, Any]], *, group: str, name: str
) -> Workspace:
    """The workspace under changed settings, by table and key, its run folders in `runs/benchmark/GROUP/NAME`."""
    settings = workspace.settings
    tables = {table: replace(getattr(settings, table), **keys) for table, keys in changes.items()}
    general = replace(settings.workspace, runs=str(workspace.runs / "benchmark" / group / name))
    return replace(workspace, settings=replace(settings, **tables, workspace=general))


def link_stages(workspace: Workspace, own: Workspace, *, but: Collection[str] = ()) -> None:
    """Let what stands before the alignment stand in a workspace's own folders too: linked, not copied.

    Args:
        workspace: where it stands.
        own: with folders of its own.
        but: stages that are left as they are, since other settings make others of them.
    """
    with locked(own.runs):
        for name in sorted({*BEFORE_ALIGNMENT, "cache"} - set(but)):
            shutil.rmtree(own.runs / name, ignore_errors=True)
            if (workspace.runs / name).is_dir():
                shutil.copytree(workspace.runs / name, own.runs / name, copy_function=_link)


def _link(source: str, target: str) -> None:
    """A hard link, since files of run folders are replaced and never changed; a copy where the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
