"""`findcli check`: can this workspace be trained on?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from findcli.cli import console
from findcli.cli.options import Json, Quiet, WorkspaceDir

if TYPE_CHECKING:
    from findcli.inspection import Report


def check(workspace: WorkspaceDir = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Read every table and say what is unusable, and whether training can begin (exit code 1 when it cannot)."""
    from dataclasses import asdict

    from findcli import inspection
    from findcli.workspace import load_workspace

    with console.progress("check", quiet=quiet) as progress:
        report = inspection.check(load_workspace(workspace), progress=progress)
    if as_json:
        console.print_json({"go": report.go, **asdict(report)})
    else:
        _print(report)
    if not report.go:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    columns = ["source", "rows", "users", "first", "last", "usable", "before train_until", "missing values"]
    rows = [
        [
            s.name,
            s.rows,
            s.users,
            s.first,
            s.last,
            s.usable,
            s.before,
            ", ".join(f"{c} {n:,}" for c, n in s.missing.items()),
        ]
        for s in report.sources
    ]
    console.print_table(columns, rows)
    if report.profile:
        missing = ", ".join(f"{column} {n:,}" for column, n in report.profile.missing.items())
        console.print_table(
            ["profile", "rows", "users", "missing values"], [["", report.profile.rows, report.profile.users, missing]]
        )
    if report.tasks:
        tasks = [[t.name, t.users, t.positives, t.unknown] for t in report.tasks]
        console.print_table(["task", "users", "positives", "without history"], tasks)
    console.print_line(
        f"{report.users:,} users, {report.held_out:,} of them held out; {report.cutoffs} training cutoffs"
    )
    for problem in report.problems:
        console.print_line(f"{'warning' if problem.harmless else 'problem'}: {problem.what}\n  {problem.fix}")
    console.print_line(
        "go: next, findcli run" if report.go else "no-go: mend the problems above, then run findcli check again"
    )
