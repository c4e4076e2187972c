"""`findcli export`: hand an audience on, as a table or as hashed contacts for an advertising platform.

Tested in tests/audiences/handoff/test_export.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import DryRun, Json, WorkspaceDir
from findcli.cli.who_not import MinSize, Purpose

if TYPE_CHECKING:
    from findcli.audiences.handoff.export import HandedOn

IDENTIFIERS = ("email", "madid", "handle")
List = Annotated[str, typer.Argument(metavar="AUDIENCE", help="Saved audience, or a file with user_id.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="google|meta|tiktok|linkedin|x|csv|parquet|jsonl",
        help="Platform or kind of table; default: by the file's extension.",
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; a platform's ends in .csv or .txt.")
]
By = Annotated[str, typer.Option("--by", metavar="email|madid|handle", help="Identifier that a file for X holds.")]
Overwrite = Annotated[bool, typer.Option("--force", help="Overwrite the file even if the workspace reads it.")]


def export(
    audience: List,
    output: Output,
    format_: Format = None,
    by: By = "email",
    force: Overwrite = False,
    dry_run: DryRun = False,
    min_size: MinSize = None,
    purpose: Purpose = None,
    workspace: WorkspaceDir = None,
    as_json: Json = False,
) -> None:
    """Write an audience to a file: as a table of your own, or as hashed contacts for an advertising platform.

    Contacts come from the table of contacts that findcli.toml names. Who is in a control group, objects or did not
    agree to the purpose is in no file; --purpose says what a file is for if its audience does not.
    """
    if by not in IDENTIFIERS:
        raise typer.BadParameter(f"{by!r} is not one of {', '.join(IDENTIFIERS)}", param_hint="--by")
    from findcli.audiences.handoff.export import export as hand_on
    from findcli.workspace.folder import load_workspace

    opened = load_workspace(workspace)
    done = hand_on(
        opened, audience, output, name=format_, by=by,  # type: ignore[arg-type]
        force=force, dry_run=dry_run, least=min_size, purpose=purpose,
    )  # fmt: skip
    if as_json:
        console.print_json({**asdict(done), "output": None if dry_run else output})
        return
    _print(done)
    for warning in done.warnings:
        console.print_warning(warning)
    rows = "" if done.rows == done.users else f" in {done.rows:,} rows"
    console.print_line(f"{'would write' if dry_run else 'wrote'} {done.users:,} users{rows} to {console.shown(output)}")


def _print(done: HandedOn) -> None:
    """Print from whom the file was made, who was left out and why, and what it holds."""
    steps = [[f"in {done.audience}", done.listed], *([f"left out: {d.reason}", -d.users] for d in done.drops)]
    console.print_table(["step", "users"], [*steps, ["in the file", done.users]])
    if done.values:
        rows = [[_words(name), count, done.bad.get(name, 0)] for name, count in done.values.items()]
        console.print_table(["contact", "values", "unusable"], rows)


def _words(name: str) -> str:
    return {"madid": "mobile advertising id", "zip": "postal code"}.get(name, name.replace("_", " "))
