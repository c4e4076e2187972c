"""`findcli init`: create a workspace.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from findcli.cli import console
from findcli.cli.options import Json

if TYPE_CHECKING:
    from findcli.datasets.creation import Summary
    from findcli.datasets.tables import Guesses
    from findcli.datasets.unknown_tables import Guess

TAKES = {
    "demo": ("seed", "users", "scenario"),
    "complete-journey": ("users", "salt", "demographics"),
    "oulad": (),
    "tables": ("user", "time", "item", "amount", "profile"),
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new workspace.")] = Path(),
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES", help="With --from tables, your files; with oulad, its folder."),
    ] = None,
    *,
    origin: Annotated[
        Literal["demo", "complete-journey", "oulad", "tables"], typer.Option("--from", help="Source of the data.")
    ],
    seed: Annotated[int | None, typer.Option(min=0, help="For demo: seed of the simulation.")] = None,
    scenario: Annotated[
        Literal["city", "harbour"] | None, typer.Option(help="For demo: the world to simulate.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="For demo and complete-journey: number of users.")] = None,
    salt: Annotated[
        str | None, typer.Option(help="For complete-journey: salt of the split; another salt holds out other users.")
    ] = None,
    demographics: Annotated[
        bool | None,
        typer.Option("--demographics", help="For complete-journey: use age and other demographics as inputs."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="For tables: the column of the users' ids.")
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="For tables: the column of the time.")] = None,
    item: Annotated[str | None, typer.Option(metavar="COLUMN", help="For tables: the column of what it was.")] = None,
    amount: Annotated[
        str | None, typer.Option(help="For tables: the column of money, or such as 'quantity * price'.")
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="FILE", help="For tables: the file with a row a user.")] = None,
    as_json: Json = False,
) -> None:
    """Create a workspace: settings and data, or settings guessed from your own tables."""
    options = {
        "seed": seed, "scenario": scenario, "users": users, "salt": salt, "demographics": demographics,
        "user": user, "time": time, "item": item, "amount": amount, "profile": profile,
    }  # fmt: skip
    chosen = {name: value for name, value in options.items() if value is not None}
    for name in chosen:
        if name not in TAKES[origin]:
            raise typer.BadParameter(f"it does not go with --from {origin}", param_hint=f"--{name}")
    if files and origin not in ("tables", "oulad"):
        raise typer.BadParameter("only --from tables and oulad take files", param_hint="FILES")
    if origin == "oulad":
        _report_summary(_read_oulad(folder, files or []), as_json=as_json)
    elif origin == "tables":
        _report_guesses(_guess(folder, files or [], chosen), as_json=as_json)
    else:
        _report_summary(_create(origin, folder, chosen), as_json=as_json)


def _create(origin: str, folder: Path, options: dict[str, Any]) -> Summary:
    from findcli.datasets import complete_journey, demo

    return demo.create(folder, **options) if origin == "demo" else complete_journey.create(folder, **options)


def _read_oulad(folder: Path, files: list[str]) -> Summary:
    from findcli.datasets import oulad

    if len(files) != 1 or not Path(files[0]).is_dir():
        raise typer.BadParameter("name the folder of the dataset's files, after the new workspace", param_hint="FILES")
    return oulad.create(folder, Path(files[0]))


def _guess(folder: Path, files: list[str], chosen: dict[str, Any]) -> Guesses:
    from findcli.datasets import tables
    from findcli.datasets.overrides import Overrides
    from findcli.workspace.objects import url_of

    # `findcli init --from tables a.csv b.csv` names only files: the workspace is the current folder.
    if folder.is_file() or "*" in folder.name or url_of(folder):
        folder, files = Path(), [url_of(folder) or str(folder), *files]
    if not files:
        raise typer.BadParameter("name at least one file of a table", param_hint="FILES")
    return tables.create(folder, files, overrides=Overrides(**chosen))


def _report_summary(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        console.print_json(asdict(summary))
        return
    console.print_line(f"{summary.folder}: {summary.users:,} users, text model {summary.text_model}")
    console.print_table(["table", "rows"], list(summary.rows.items()))
    console.print_table(["task", "users", "positives"], [[name, *counts] for name, counts in summary.tasks.items()])
    for note in summary.notes:
        console.print_line(f"note: {note}")
    console.print_line("next: findcli check")


def _report_guesses(guesses: Guesses, *, as_json: bool) -> None:
    if as_json:
        console.print_json(asdict(guesses))
        return
    for table in guesses.tables:
        _report_guess(table)
    for note in guesses.notes:
        console.print_line(f"note: {note}")
    incomplete = any(table.role.endswith("incomplete") for table in guesses.tables)
    step = "answer what it asks in" if incomplete else "read"
    console.print_line(f"next: {step} {guesses.folder / 'findcli.toml'}, then run findcli check")


def _report_guess(table: Guess) -> None:
    console.print_line(f"{table.path}: {table.role}")
    for line in table.why:
        console.print_line(f"  {line}")
    for line in table.unsure:
        console.print_line(f"  look here: {line}")
    if table.unused:
        console.print_line("  unused: " + "; ".join(f"{name} ({why})" for name, why in table.unused.items()))
    if table.first:
        names = list(table.first[0])
        rows = [[_read(event[name]) for name in names] for event in table.first]
        console.print_line("  its first events, as findcli reads them:")
        console.print_table(names, rows)


def _read(value: object) -> object:
    """A value of an event; ids without thousands separators."""
    return value if isinstance(value, float | None) else str(value)
