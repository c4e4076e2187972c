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
from findcli.models.tower_calibration import calibrate_tower
from findcli.models.trained import TOWERS
from findcli.models.weights import select_device
from findcli.progress import Progress
from findcli.training.examples import TrainingData
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import Draft, Run, build, hash_json, open_run
from findcli.workspace.settings import SHIPPED
from findcli.workspace.training_settings import OWN_TABLE


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that alignment depends on."""
    scorer = chosen_scorer(workspace)
    ranker = {"ranker": asdict(workspace.settings.ranker)} if scorer == "query_aware" else {}
    return (
        _tower_settings(workspace)
        | {"scorer": scorer}
        | ranker
        | {
            "max_tokens": workspace.settings.text.max_tokens,
            "history": workspace.settings.windows.history,
            "future": workspace.settings.windows.future,
            "step": workspace.settings.sequence.step,
        }
    )


def _tower_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings of the chosen tower alone, so that runs stay valid when another's change."""
    settings = workspace.settings
    if settings.align.user_tower in OWN_TABLE:
        table = asdict(getattr(settings, settings.align.user_tower))
        return {
            "user_tower": settings.align.user_tower, settings.align.user_tower: table,
            "modalities": settings.align.modalities, "bins": settings.tabular.bins,
        }  # fmt: skip
    return asdict(settings.align)


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the workspace's runs; see `input_digests`."""
    return input_digests(StageRuns.open(workspace), workspace)


def input_digests(runs: StageRuns, workspace: Workspace) -> dict[str, str]:
    """Digests of the pairs, training events, text run and encoders in use, and of a text tower given as a folder."""
    inputs = {"pairs": runs.pairs.manifest.digest(), "text": runs.text.manifest.digest()}
    inputs["events"] = runs.events.manifest.digest("train/")
    inputs |= {name: run.manifest.digest() for name, run in runs.encoders.items()}
    tower = local_model_files(_text_model(workspace), relative_to=workspace.folder)
    inputs |= {"tower": hash_json([hash_file(path) for path in tower])} if tower else {}
    if chosen_scorer(workspace) == "query_aware":
        inputs |= _start_digests(workspace)
    return inputs


def _text_model(workspace: Workspace) -> str:
    """The pretrained model that the tower begins with, by name."""
    own = getattr(workspace.settings, workspace.settings.align.user_tower, None)
    return workspace.settings.align.tower if own is None else str(own.decoder)


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
        said = tower.fit(workspace, draft, checkpoints / "vector", device=place, progress=progress)
        data = TrainingData(runs.pairs)
        draft.json("summary.json", {"kinds": common_kinds(workspace, _training_logs(runs.events, data))})
        scorer = chosen_scorer(workspace)
        if said and scorer not in ("vector", "query_aware"):
            calibrate_tower(workspace, said, draft)
        if scorer == "query_aware":
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
    scorer = chosen_scorer(workspace)
    if scorer not in tower.scorers:
        pairs = "; ".join(f"{name} has {', '.join(each.scorers)}" for name, each in TOWERS.items())
        hint = f"set scorer in [align] to one of {', '.join(tower.scorers)} (of all user towers: {pairs})"
        raise FindCLIError(f"the user tower {tower.name!r} has no scorer {scorer!r}", hint=hint)
    return tower


def chosen_scorer(workspace: Workspace) -> str:
    """The scorer that [align] names; the tower's own default where it says "auto"."""
    settings = workspace.settings.align
    if settings.scorer != "auto":
        return settings.scorer
    tower = TOWERS.get(settings.user_tower)
    return "auto" if tower is None else tower.scorers[0]
