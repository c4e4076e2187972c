"""`findcli align`: train a user tower on the pairs, and the ranker that scores sentences (FIND Eqs 11-13).

`runs/aligned/` holds the tower's files (`find/fit.py`), the ranker's if scoring is query-aware (`ranker/train.py`), and
`summary.json`, which lists the kinds of behaviour that rhythms count.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data import events
from findcli.errors import FindCLIError
from findcli.models.find.assemble import StageRuns
from findcli.models.ranker.behaviour_kinds import common_kinds
from findcli.models.ranker.moments import World
from findcli.models.ranker.start import NONE, start_file
from findcli.models.ranker.train import train_ranker
from findcli.models.text.pretrained import local_model_files
from findcli.models.tower import UserTower
from findcli.models.trained import TOWERS
from findcli.models.weights import select_device
from findcli.progress import Progress
from findcli.training.examples import TrainingData
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import Draft, Run, build, hash_json, open_run
from findcli.workspace.settings import SHIPPED


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that alignment depends on."""
    ranker = {"ranker": asdict(workspace.settings.ranker)} if workspace.settings.align.scorer == "query_aware" else {}
    return (
        asdict(workspace.settings.align)
        | ranker
        | {
            "max_tokens": workspace.settings.text.max_tokens,
            "history": workspace.settings.windows.history,
            "future": workspace.settings.windows.future,
            "step": workspace.settings.sequence.step,
        }
    )


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the workspace's runs; see `input_digests`."""
    return input_digests(StageRuns.open(workspace), workspace)


def input_digests(runs: StageRuns, workspace: Workspace) -> dict[str, str]:
    """Digests of the pairs, training events, text run and encoders in use, and of a text tower given as a folder."""
    inputs = {"pairs": runs.pairs.manifest.digest(), "text": runs.text.manifest.digest()}
    inputs["events"] = runs.events.manifest.digest("train/")
    inputs |= {name: run.manifest.digest() for name, run in runs.encoders.items()}
    tower = local_model_files(workspace.settings.align.tower, relative_to=workspace.folder)
    inputs |= {"tower": hash_json([hash_file(path) for path in tower])} if tower else {}
    if workspace.settings.align.scorer == "query_aware":
        inputs |= _start_digests(workspace)
    return inputs


def _start_digests(workspace: Workspace) -> dict[str, str]:
    """Digests of the file that the ranker starts from, and of the workspaces that teach it.

    Raises:
        FindCLIError: one of them cannot be read.
    """
    path = start_file(workspace)
    if path is not None and not path.is_file():
        hint = f'set start in [ranker] to "{SHIPPED[0]}", "{NONE}", a trained workspace or a file of weights'
        raise FindCLIError(f"start in [ranker] names {path}, which is not there", hint=hint)
    digests = {} if path is None else {"start": hash_file(path)}
    for teacher in _teachers(workspace):
        try:
            runs = [open_run(teacher.run(name), name) for name in ("events", "pairs", "text")]
        except FindCLIError as error:
            hint = f"make it with: findcli run --workspace {teacher.folder}"
            raise FindCLIError(f"a workspace that teaches the ranker: {error}", hint=hint) from error
        digests[f"world {teacher.folder}"] = hash_json([run.manifest.digest() for run in runs])
    return digests


def _teachers(workspace: Workspace) -> list[Workspace]:
    return [load_workspace(workspace.path(folder)) for folder in workspace.settings.ranker.worlds]


def align(workspace: Workspace, *, device: str = "auto", force: bool = False, progress: Progress | None = None) -> Run:
    """Train the user tower and the text tower's LoRA together on the pairs, then the ranker; write `runs/aligned`.

    Raises:
        FindCLIError: an earlier stage is missing, no modality has data, or training diverges.
    """
    tower = _chosen_tower(workspace)
    runs = StageRuns.open(workspace)

    def write(draft: Draft, checkpoints: Path) -> None:
        place = str(select_device(device))
        tower.fit(workspace, draft, checkpoints / "vector", device=place, progress=progress)
        data = TrainingData(runs.pairs)
        draft.json("summary.json", {"kinds": common_kinds(workspace, _training_logs(runs.events, data))})
        if workspace.settings.align.scorer == "query_aware":
            world, *others = (World.open(each, device=place) for each in (workspace, *_teachers(workspace)))
            train_ranker(world, others, draft, checkpoints / "ranker", progress)

    return build(
        workspace.run("aligned"), write, kind="aligned",
        settings=stage_settings(workspace), inputs=input_digests(runs, workspace),
        seed=workspace.settings.workspace.seed, force=force,
        overrides=workspace.overrides,
    )  # fmt: skip


def _training_logs(log: Run, data: TrainingData) -> Iterator[pl.DataFrame]:
    """Training users' events before `train_until`, one partition at a time."""
    for part, users in data.users.group_by("part"):
        yield events.read_part(log, str(part[0])).filter(pl.col("user_id").is_in(users["user_id"].implode()))


def _chosen_tower(workspace: Workspace) -> type[UserTower[Any]]:
    """The user tower that [align] names.

    Raises:
        FindCLIError: there is none of this name, or the scorer cannot stand beside it.
    """
    settings = workspace.settings.align
    if settings.user_tower not in TOWERS:
        hint = f"name one of {', '.join(TOWERS)} as user_tower in [align]"
        raise FindCLIError(f"there is no user tower {settings.user_tower!r}", hint=hint)
    tower = TOWERS[settings.user_tower]
    if settings.scorer not in tower.scorers:
        hint = f"set scorer in [align] to one of {', '.join(tower.scorers)}"
        raise FindCLIError(f"the user tower {tower.name!r} has no scorer {settings.scorer!r}", hint=hint)
    return tower
