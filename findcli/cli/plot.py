"""`findcli plot`: a map of users."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from findcli.cli import console
from findcli.cli.options import AsOf, Device, Json, Model, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.workspace.durations import parse_instant

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A .png picture or an .html page.")]
Task = Annotated[str | None, typer.Option("--task", help="Colour by a task's outcome, such as d4; as of its date.")]
Demand = Annotated[str | None, typer.Option("--demand", help="Colour by the score of a sentence.")]
LearnedPrompt = Annotated[str | None, typer.Option("--prompt", metavar="NAME", help="Colour by a learned prompt's.")]
SeedFile = Annotated[Path | None, typer.Option("--seeds", metavar="FILE", help="Mark the seeds of this file.")]
Users = Annotated[int, typer.Option("--users", min=4, help="At most so many at random, beside those that are marked.")]
Method = Annotated[Literal["tsne", "umap"], typer.Option("--method", help="How users are placed.")]
SeedNumber = Annotated[int, typer.Option("--seed", min=0, help="Of the sample and the places.")]


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
    workspace: WorkspaceDir = None,
    seed: SeedNumber = 0,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Draw users, those alike near each other: by outcome or score, with seeds and a prompt before and after tuning."""
    if demand is not None and prompt is not None:
        raise typer.BadParameter("colour by a sentence or by a prompt, not by both", param_hint="--demand, --prompt")
    settle_threads(threads)
    from findcli.evaluation.maps import plot_users
    from findcli.workspace.folder import load_workspace

    found = plot_users(
        load_workspace(workspace), output, task=task, demand=demand, prompt=prompt, seeds=seeds, users=users,
        method=method, as_of=None if as_of is None else parse_instant(as_of),
        model=None if model is None else load_workspace(model), seed=seed, device=device or "auto",
    )  # fmt: skip
    if as_json:
        marked = [asdict(marks) | {"places": marks.places.tolist()} for marks in found.marks]
        console.print_json({"title": found.title, "users": len(found.places), "marks": marked, "output": output})
        return
    console.print_line(found.title)
    console.print_line(f"{found.note}; {', '.join(marks.name for marks in found.marks) or 'nothing marked'}")
    console.print_line(f"wrote {output}")
