"""`findcli quickstart`: the main job on a small demo world, from an empty folder to an audience and a probe."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from findcli import pipeline
from findcli.audiences.select import Selection
from findcli.audiences.target import Audience, target
from findcli.datasets import demo
from findcli.datasets.creation import Summary
from findcli.errors import FindCLIError
from findcli.evaluation.probe import ProbeResult, probe_tasks
from findcli.progress import Progress, no_progress
from findcli.workspace.disk import replacing
from findcli.workspace.folder import FILE, Workspace, load_workspace
from findcli.workspace.runs import Run

DEMAND, TASK, TOP_K = "users likely to rent phones", "d1", 100
USERS = 5_000
STEPS = {"text": 120, "sequence": 120, "tabular": 150, "align": 100, "ranker": 150}


@dataclass(frozen=True)
class Quickstart:
    """The results of the main job.

    Attributes:
        workspace: the new workspace, with every stage up to date.
        summary: what was simulated.
        runs: the finished stages, in order.
        audience: the audience for `DEMAND`.
        probe: the figures of `TASK`.
    """

    workspace: Workspace
    summary: Summary
    runs: list[Run]
    audience: Audience
    probe: ProbeResult


def quickstart(
    folder: Path,
    *,
    users: int = USERS,
    seed: int = 0,
    device: str = "auto",
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> Quickstart:
    """Make a small demo workspace, run every stage, choose one audience and probe one task.

    Args:
        folder: the new workspace.
        users: how many to simulate.
        seed: of the simulation; each seed makes another world.
        device: "auto", "cpu", "cuda" or "mps".
        progress_for: maps a stage's name to a context that yields a callback for its steps.

    Raises:
        FindCLIError: the folder is already a workspace, or a task has too few positives among so few users.
    """
    if (folder / FILE).exists():
        hint = f"continue there with: cd {folder} && findcli run; or name another folder"
        raise FindCLIError(f"{folder} is already a workspace", hint=hint)
    with progress_for("init"):
        summary = demo.create(folder, users=users, seed=seed)
        _write_steps(folder / FILE)
    workspace = load_workspace(folder)
    runs = pipeline.run(workspace, device=device, progress_for=progress_for)
    (audience,) = target(workspace, [DEMAND], selection=Selection(top_k=TOP_K), device=device)
    with progress_for("probe") as progress:
        (probe,) = probe_tasks(workspace, [TASK], device=device, progress=progress)
    return Quickstart(workspace, summary, runs, audience, probe)


def _write_steps(path: Path) -> None:
    """Write fewer training steps into the workspace file, so that later commands find every stage up to date."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for table, steps in STEPS.items():
        document.setdefault(table, tomlkit.table())["steps"] = steps
    with replacing(path) as draft:
        draft.write_text(tomlkit.dumps(document), encoding="utf-8")
