"""A workspace under other settings, with run folders of its own beside those that stand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from findcli import artifacts
from findcli.workspace import Workspace

STAGES = ("events", "pairs", "text", "sequence", "tabular")


@dataclass(frozen=True)
class Variant:
    """A model to be compared.

    Attributes:
        name: what it is called.
        says: what differs, in a few words.
        changes: settings by table and key that make it.
    """

    name: str
    says: str = ""
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def apart(workspace: Workspace, variant: Variant, *, group: str) -> Workspace:
    """The workspace with a variant's settings and run folders of its own, under `runs/benchmark/GROUP/NAME`.

    The stages before the alignment are linked, not copied; what of them the settings make stale is built anew there.
    """
    runs = workspace.runs / "benchmark" / group / variant.name
    with artifacts.locked(runs):
        for name in (*STAGES, "cache"):
            if (workspace.runs / name).is_dir():
                shutil.rmtree(runs / name, ignore_errors=True)
                shutil.copytree(workspace.runs / name, runs / name, copy_function=_link)
    tables = {table: replace(getattr(workspace.settings, table), **keys) for table, keys in variant.changes.items()}
    general = replace(workspace.settings.workspace, runs=str(runs))
    return replace(workspace, settings=replace(workspace.settings, **tables, workspace=general))


def _link(source: str, target: str) -> None:
    """A hard link, since files of run folders are replaced and never changed; a copy where the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
