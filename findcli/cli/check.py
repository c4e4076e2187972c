"""`findcli check`: check that a workspace can be trained on.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from findcli.cli import console
from findcli.cli.options import Json, Quiet, WorkspaceDir

if TYPE_CHECKING:
    from datetime import datetime

    from findcli.data.check import Report


def check(workspace: WorkspaceDir = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Check every table: show what is unusable, and whether training can begin (exit code 1 if it cannot)."""
    from dataclasses import asdict

    from findcli.data.check import check_workspace
    from findcli.workspace.folder import load_workspace

    with console.progress("check", quiet=quiet) as progress:
        report = check_workspace(load_workspace(workspace), progress=progress)
    if as_json:
        console.print_json({"go": report.go, **asdict(report)})
    else:
        _print(report)
    if not report.go:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    _print_sources(report)
    missing = {source.name: source.missing for source in report.sources}
    if report.profile:
        console.print_table(["profile", "users"], [[f"{report.profile.rows:,} rows", report.profile.users]])
        missing["profile"] = report.profile.missing
    if report.tasks:
        tasks = [[t.name, t.users, t.positives, t.unknown] for t in report.tasks]
        console.print_table(["task", "users", "positives", "without history"], tasks)
    for name, counts in missing.items():
        if counts:
            console.print_line(f"missing in {name}: " + ", ".join(f"{key} {n:,}" for key, n in counts.items()))
    console.print_line(f"{report.users:,} users, {report.held_out:,} held out; {report.cutoffs} training cutoffs")
    for problem in report.problems:
        console.print_line(f"{'warning' if problem.harmless else 'problem'}: {problem.what}\n  {problem.fix}")
    console.print_line(
        "go: next, findcli run" if report.go else "no-go: fix the problems, then run findcli check again"
    )


def _print_sources(report: Report) -> None:
    """The totals of each source, to be compared with one's own; of amounts and returns where there are some."""
    columns = ["source", "rows", "usable", "users", "first", "last", "for training"]
    rows: list[list[object]] = [
        [s.name, s.rows, s.usable, s.users, _day(s.first), _day(s.last), s.before] for s in report.sources
    ]
    if any(source.returned for source in report.sources):
        columns.append("returns")
        rows = [[*row, source.returned or None] for row, source in zip(rows, report.sources, strict=True)]
    if any(source.amount is not None for source in report.sources):
        columns.append("amount")
        amounts = [None if source.amount is None else f"{source.amount:,.2f}" for source in report.sources]
        rows = [[*row, amount] for row, amount in zip(rows, amounts, strict=True)]
    console.print_table(columns, rows)
    for source in report.sources:
        for note in source.notes:
            console.print_line(f"{source.name}: {note}")


def _day(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d}"
