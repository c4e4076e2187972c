"""`findcli predict-next`: what users will do next.

Tested in tests/scoring/test_next_events.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import AsOf, Device, Json, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.errors import FindCLIError

Users = Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="User ids; default: everybody.")]
UsersFile = Annotated[
    Path | None, typer.Option("--users", metavar="FILE", help="File of user ids, one a line, in place of arguments.")
]
Top = Annotated[int, typer.Option("--top", min=1, help="Events to name per user, the likeliest first.")]
NewOnly = Annotated[bool, typer.Option("--new-only", help="Rank only what the user has not done before.")]
Observed = Annotated[
    Path | None,
    typer.Option(
        "--observed",
        metavar="FILE",
        help="Table of events (user_id and a token's fields): print how surprising each is for its user.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write: .parquet, .csv or .jsonl.")
]
SHOWN = 50


def predict_next(
    users: Users = None,
    users_file: UsersFile = None,
    as_of: AsOf = None,
    top: Top = 10,
    new_only: NewOnly = False,
    observed: Observed = None,
    output: Out = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Name the likeliest next events of users, with probabilities, and whether each is a repeat.

    Events are tokens such as source, channel, status, amount and category; findcli pretrain next-event learns them.
    With --observed, delta says how far an event's odds lie from those of the user's own past events, in their standard
    deviations: far below 0 is unlike the user.
    """
    settle_threads(threads)
    from findcli.audiences.export import write_audience
    from findcli.data.reader.text import read_lines
    from findcli.scoring import next_events
    from findcli.workspace.durations import parse_instant
    from findcli.workspace.folder import load_workspace

    if users and users_file is not None:
        raise typer.BadParameter("name users or a file of them, not both", param_hint="--users")
    asked = users or None
    if users_file is not None:
        asked = [line.strip() for line in read_lines(users_file, what="the file of users") if line.strip()]
        if not asked:
            raise FindCLIError(f"{users_file} names no user", hint="write one user id per line")
    workspace, date = load_workspace(folder), None if as_of is None else parse_instant(as_of)
    if observed is not None:
        table = next_events.surprise(workspace, observed, as_of=date, device=device or "auto")
    else:
        table = next_events.predict_next(
            workspace, users=asked, as_of=date, top=top, new_only=new_only, device=device or "auto"
        )
    if output is not None:
        write_audience(table, output)
        console.print_line(f"wrote {len(table):,} rows to {output}")
    elif as_json:
        console.print_json(table.to_dicts())
    else:
        shown = table.head(SHOWN).select(
            name for name in ("user_id", "rank", "token", "probability", "repeat", "delta") if name in table.columns
        )
        console.print_table(shown.columns, shown.rows())
        if len(table) > SHOWN:
            console.print_line(f"and {len(table) - SHOWN:,} more rows; write all with -o FILE")
