"""`findcli status`: which stages are up to date, how old and how large they are.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from findcli.cli import console, prompts
from findcli.cli.options import Json, WorkspaceDir
from findcli.workspace.stages import STAGES

if TYPE_CHECKING:
    from findcli.pipeline import StageStatus


def status(workspace: WorkspaceDir = None, as_json: Json = False) -> None:
    """Show which stages are up to date, how old and how large they are, and why others have to run."""
    from findcli import pipeline
    from findcli.audiences.prompts.store import list_prompts
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    statuses, learned = pipeline.plan(opened), list_prompts(opened)
    if as_json:
        console.print_json([asdict(each) for each in statuses])
        return
    console.print_table(["stage", "state", "age", "size", "result"], [_row(each) for each in statuses])
    if opened.overrides:
        _print_overrides(opened.overrides)
    for each in statuses:
        if each.metrics.get("warning"):
            console.print_line(f"warning: {each.name}: {each.metrics['warning']}")
    if learned:
        prompts.print_prompts(learned)
    done = all(each.state == "current" for each in statuses)
    console.print_line("everything is up to date" if done else "next: findcli run")


def _print_overrides(overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what an earlier --set says, and the file."""
    rows = [
        [key, json.dumps(each["value"]), "the default" if each["file"] is None else json.dumps(each["file"])]
        for key, each in overrides.items()
    ]
    console.print_table(["made with --set", "value", "the file says"], rows)
    console.print_line("these hold until the file or another --set says otherwise")


def _row(each: StageStatus) -> list[object]:
    from rich.filesize import decimal

    state = f"{each.state}: {each.reason}" if each.state == "stale" else each.reason or each.state
    if each.finished is None:
        return [each.name, "missing", None, None, None]
    age = spoken(datetime.now(UTC) - each.finished)
    return [each.name, state, age, decimal(each.bytes), STAGES[each.name].result(each.metrics)]


def spoken(age: timedelta) -> str:
    """An age in its largest unit, such as "2 h"."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= length:
            return f"{age.total_seconds() // length:.0f} {unit}"
    return f"{age.total_seconds():.0f} s"
