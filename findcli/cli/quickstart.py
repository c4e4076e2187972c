"""`findcli quickstart`: do the main job on a small simulated world.

Tested in tests/test_quickstart.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, probe, stage, target
from findcli.cli.options import Device, Json, Quiet, Threads

if TYPE_CHECKING:
    from findcli.quickstart import Quickstart


def quickstart(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new workspace.")] = Path("demo"),
    users: Annotated[
        int | None, typer.Option(min=1, help="Number of simulated users; default: a few thousand.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation; another seed makes another world.")] = 0,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a small world, train on it, choose an audience by one sentence and probe a task, in a few minutes."""
    stage.settle_threads(threads)
    from findcli import quickstart as job

    made = job.quickstart(
        folder,
        users=job.USERS if users is None else users,
        seed=seed,
        device=device or "auto",
        progress_for=lambda name: console.progress(name, quiet=quiet),
    )
    if as_json:
        console.print_json(
            {
                "workspace": made.workspace.folder,
                "stages": [stage.plain(run) for run in made.runs],
                "audience": target.plain_audience(made.audience),
                "probe": asdict(made.probe),
            }
        )
    else:
        _print(made, folder)


def _print(made: Quickstart, folder: Path) -> None:
    seconds = sum(run.manifest.seconds for run in made.runs)
    console.print_line(f"{folder}: {made.summary.users:,} simulated users, trained in {seconds:.0f} s")
    console.print_line("")
    target.print_audience(made.audience, brief=False)
    console.print_line("")
    probe.print_result(made.probe)
    _print_next(folder, first=made.audience.selected["user_id"][0])


def _print_next(folder: Path, *, first: object) -> None:
    steps = {
        f"cd {folder}": "the workspace; findcli status shows what it has",
        f"findcli describe {first}": "what the model sees of the audience's first user",
        'findcli target "users likely to use credit" -o credit.csv': "another audience, in a file",
        "findcli probe --dataset all": "every task, with the best possible figures",
        "findcli evaluate": "every demand and its paraphrases, without labels",
        "findcli init ../mine --from tables FILES...": "the same with your own tables",
    }
    console.print_line("\nnext:")
    for command, purpose in steps.items():
        console.print_line(f"  {command}  # {purpose}")
