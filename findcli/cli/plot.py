"""`findcli plot`: a map of users.

Tested in tests/evaluation/test_maps.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from findcli.cli import console
from findcli.cli.options import AsOf, Device, Json, Model, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.workspace.durations import parse_instant

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="File to write: a .png picture or an .html page.")
]
Task = Annotated[
    str | None, typer.Option("--task", help="Colour by the outcome of a task, such as d4, as of its date.")
]
Demand = Annotated[str | None, typer.Option("--demand", help="Colour by the score of a sentence.")]
LearnedPrompt = Annotated[
    str | None, typer.Option("--prompt", metavar="NAME", help="Colour by the score of a learned prompt.")
]
SeedFile = Annotated[Path | None, typer.Option("--seeds", metavar="FILE", help="Mark the seeds of this file.")]
Users = Annotated[
    int, typer.Option("--users", min=4, help="Draw at most this many users at random, beside those marked.")
]
Method = Annotated[Literal["tsne", "umap"], typer.Option("--method", help="How users are placed on the plane.")]
SeedNumber = Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample and of the places.")]


def plot(
    output: Output,
    task: Task = None,
    demand: Demand = None,
    prompt: LearnedPrompt = None,
    seeds: SeedFile = None,
    users: Users = 3000,
    method: Method = "tsne",
    as_of: AsOf = None,
    model: Model = None,
    folder: WorkspaceDir = None,
    seed: SeedNumber = 0,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Draw a map of users, with those who are alike near each other, coloured by a task's outcome or by a score.

    Seeds can be marked, and so can the users whom a prompt ranks first, before and after it was tuned.

    Example: findcli plot --task d4 --demand "people who will buy flowers" --output map.html
    """
    if demand is not None and prompt is not None:
        raise typer.BadParameter("colour by a sentence or by a prompt, not by both", param_hint="--demand, --prompt")
    settle_threads(threads)
    from findcli.evaluation.maps import plot_users
    from findcli.workspace.folder import load_workspace

    user_map = plot_users(
        load_workspace(folder), output, task=task, demand=demand, prompt=prompt, seeds=seeds, users=users,
        method=method, as_of=None if as_of is None else parse_instant(as_of),
        model=None if model is None else load_workspace(model), seed=seed, device=device or "auto",
    )  # fmt: skip
    if as_json:
        marked = [asdict(marks) | {"places": marks.places.tolist()} for marks in user_map.marks]
        console.print_json({"title": user_map.title, "users": len(user_map.places), "marks": marked, "output": output})
        return
    console.print_line(user_map.title)
    console.print_line(f"{user_map.note}; {', '.join(marks.name for marks in user_map.marks) or 'nothing marked'}")
    console.print_line(f"wrote {console.shown(output)}")
