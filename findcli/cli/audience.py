"""`findcli audience`: list, show, combine and compare saved audiences, and read their log.

Tested in tests/audiences/test_sets.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console
from findcli.cli.options import Group, Json, WorkspaceDir
from findcli.cli.saving import Replace, print_change

if TYPE_CHECKING:
    from findcli.audiences.saved import Record, Saved
    from findcli.audiences.sets import Operation

Name = Annotated[str, typer.Argument(metavar="NAME", help="Audience name.")]
Lists = Annotated[
    list[str],
    typer.Argument(metavar="AUDIENCE...", help="Saved audiences, or .parquet, .csv or .jsonl files with user_id."),
]
List = Annotated[str, typer.Argument(metavar="AUDIENCE", help="Saved audience, or a file with user_id.")]
Save = Annotated[str, typer.Option("--save", metavar="NAME", help="Name of the new audience.")]
Changes = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write who entered and who left to this file.")
]

app = typer.Typer(cls=Group, help="List, show, combine and compare saved audiences.", no_args_is_help=True)


@app.command("list", epilog="Example: findcli audience list")
def list_(workspace: WorkspaceDir = None, as_json: Json = False) -> None:
    """List the saved audiences: how many users, as of when, and what was asked."""
    from findcli.audiences.saved import list_audiences
    from findcli.workspace.folder import load_workspace

    saved = list_audiences(load_workspace(workspace))
    if as_json:
        console.print_json([plain(each) for each in saved])
    elif saved:
        rows = [
            [s.name, s.record.sizes.selected, _day(s.record), _when(s.record.created), asked(s.record)] for s in saved
        ]
        console.print_table(["audience", "users", "as of", "saved", "asked"], rows)
    else:
        console.print_line('no audiences yet; save one with: findcli target "SENTENCE" --save NAME')


@app.command("show", epilog="Example: findcli audience show phone-renters")
def show(name: Name, workspace: WorkspaceDir = None, as_json: Json = False) -> None:
    """Show how an audience was chosen: what was asked, who was left out and why, and how many users remain."""
    from findcli.audiences.saved import open_audience
    from findcli.workspace.folder import load_workspace

    saved = open_audience(load_workspace(workspace), name)
    if as_json:
        console.print_json(plain(saved))
        return
    record, users = saved.record, saved.users()
    console.print_line(f"{name}: {asked(record)}")
    for sentence in record.reading:
        console.print_line(f"read as: {sentence}")
    console.print_table(["step", "users"], _steps(record, control=int((users["group"] == "control").sum())))
    if record.expected is not None:
        reached = int((users["group"].ne_missing("control")).sum())
        share = f" ({record.expected / reached:.0%})" if reached else ""
        console.print_line(f"expected to come true for {record.expected:,.0f}{share}")
    if record.as_of is not None:
        console.print_line(f"histories before {_day(record)} UTC; saved {_when(record.created)}")
    else:
        console.print_line(f"saved {_when(record.created)}")


def asked(record: Record) -> str:
    """What an audience answers, in one line."""
    if record.made_by == "target":
        learned = "" if record.prompt is None else f", as learned by the prompt {record.prompt}"
        return f'"{record.demands[0]}"{learned}'
    from findcli.audiences.sets import CALLED

    return f"users {CALLED[record.made_by]} {', '.join(record.made_of)}"


def plain(saved: Saved) -> dict[str, Any]:
    """An audience's manifest as JSON, with its name and folder."""
    return {"name": saved.name, "folder": str(saved.folder), **asdict(saved.record)}


def _day(record: Record) -> str:
    return "" if record.as_of is None else record.as_of[:10]


def _when(time: str) -> str:
    """A time to the minute, with its zone."""
    return f"{time[:10]} {time[11:16]} {time[19:]}"


def _steps(record: Record, *, control: int) -> list[list[object]]:
    """From all users to the list, with what each step left out and why."""
    sizes, rows = record.sizes, []
    if counts := record.details.get("counts"):
        rows = [["users with a history", counts["gross"]]]
        rows += [[f"left out: {d['reason']}", -d["users"]] for d in counts["drops"]]
        return [*rows, [f"in the audience, counted {counts['at'].replace('T', ' ')}", counts["net"]]]
    if sizes.embedded is not None:
        rows.append(["users with a history", sizes.embedded])
    rows += [[f"of them pass {each['expression']}", each["users"]] for each in record.filters]
    if sizes.passed is not None:
        rows.append(["ranked" if record.made_by == "target" else f"in {record.made_of[0]}", sizes.passed])
    rows += [[f"left out: {drop.reason}", -drop.users] for drop in record.drops]
    rows.append(["in the audience", sizes.selected])
    return rows + ([["of them in the control group, never exported", control]] if control else [])


@app.command("union", epilog="Example: findcli audience union tea coffee --save hot-drinks")
def union(
    audiences: Lists, save: Save, overwrite: Replace = False, workspace: WorkspaceDir = None, as_json: Json = False
) -> None:
    """Save the users of any of the audiences; they have no scores, since those of two demands do not compare."""
    _combine("union", audiences, save, overwrite, workspace, as_json=as_json)


@app.command("intersect", epilog="Example: findcli audience intersect tea members.csv --save tea-members")
def intersect(
    audiences: Lists, save: Save, overwrite: Replace = False, workspace: WorkspaceDir = None, as_json: Json = False
) -> None:
    """Save the users of all of the audiences, in the order of the first."""
    _combine("intersect", audiences, save, overwrite, workspace, as_json=as_json)


@app.command("minus", epilog="Example: findcli audience minus tea mailed-in-may.csv --save tea-june")
def minus(
    audiences: Lists, save: Save, overwrite: Replace = False, workspace: WorkspaceDir = None, as_json: Json = False
) -> None:
    """Save the users of the first audience who are in none of the others."""
    _combine("minus", audiences, save, overwrite, workspace, as_json=as_json)


def _combine(
    operation: Operation, audiences: list[str], save: str, overwrite: bool, workspace: Path | None, *, as_json: bool
) -> None:
    from findcli.audiences.sets import combine
    from findcli.workspace.folder import load_workspace

    change = combine(load_workspace(workspace), operation, audiences, save=save, overwrite=overwrite)
    if as_json:
        console.print_json({**plain(change.saved), "entered": change.entered, "left": change.left})
        return
    for operand in change.saved.record.details["operands"]:
        console.print_line(f"{operand['users']:,} users in {operand['name']}")
    print_change(change)


@app.command("diff", epilog="Example: findcli audience diff tea-may tea-june -o moved.csv")
def diff(
    before: List, after: List, output: Changes = None, workspace: WorkspaceDir = None, as_json: Json = False
) -> None:
    """Count who entered and who left from one audience to another; --output lists them."""
    from findcli.audiences.export import require_writable, write_audience
    from findcli.audiences.log import log_list
    from findcli.audiences.sets import difference
    from findcli.workspace.folder import load_workspace
    from findcli.workspace.objects import shown

    opened = load_workspace(workspace)
    if output is not None:
        require_writable(output, workspace=opened)
    compared = difference(opened, before, after)
    if output is not None:
        digest = write_audience(compared.listed, output)
        log_list(
            opened, shown(output), len(compared.listed), form=output.suffix.removeprefix("."),
            digest=digest, compared=[before, after],
        )  # fmt: skip
    if as_json:
        counts = {"stayed": compared.stayed, "entered": compared.entered, "left": compared.left}
        console.print_json({"before": before, "after": after, **counts, "output": output})
        return
    console.print_line(
        f"from {before} to {after}: {compared.entered:,} entered, {compared.left:,} left, {compared.stayed:,} stayed"
    )
    if output is not None:
        held = len(compared.changes) - len(compared.listed)
        left_out = f"; {held:,} who are held out are in no file" if held else ""
        console.print_line(f"wrote {len(compared.listed):,} rows to {console.shown(output)}{left_out}")


@app.command("log", epilog="Example: findcli audience log phone-renters")
def log(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this audience.")] = None,
    workspace: WorkspaceDir = None,
    as_json: Json = False,
) -> None:
    """Show what was done with the audiences, when, and how many users entered and left; it names nobody."""
    from findcli.audiences.log import read_log
    from findcli.workspace.folder import load_workspace

    entries = read_log(load_workspace(workspace), name)
    if as_json:
        console.print_json([asdict(entry) for entry in entries])
        return
    if not entries:
        console.print_line("nothing was saved or exported yet")
        return
    rows = [
        [
            _when(e.time),
            e.action,
            e.audience,
            e.users,
            e.details.get("entered"),
            e.details.get("left"),
            _note(e.details),
        ]
        for e in entries
    ]
    console.print_table(["time", "action", "audience", "users", "entered", "left", "note"], rows)


def _note(details: dict[str, Any]) -> str:
    if "file" in details:
        return f"{details['format']}: {details['file']}"
    if "made_of" in details:
        return "of " + ", ".join(details["made_of"])
    return str(details.get("note", ""))


@app.command("remove", epilog="Example: findcli audience remove phone-renters")
def remove(name: Name, workspace: WorkspaceDir = None) -> None:
    """Remove a saved audience; its lines in the log stay."""
    from findcli.audiences.saved import remove_audience
    from findcli.workspace.folder import load_workspace

    remove_audience(load_workspace(workspace), name)
    console.print_line(f"removed {name}")
