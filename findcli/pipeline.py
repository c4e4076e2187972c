"""Every stage in order: which of them stands, which has to run and why, and what on disk is superseded.

A stage is out of date when its own settings, its seed, its format or the content of its inputs changed, nothing else;
so a stage that is made again with the same content leaves those after it as they are.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from findcli.audiences.prompts.store import list_prompts
from findcli.data import events, pairs
from findcli.data.places import copies
from findcli.demands import tune
from findcli.execution.choose import HERE
from findcli.execution.parts import Engine
from findcli.models import align
from findcli.models.find import pretrain_sequence, pretrain_tabular
from findcli.models.find.assemble import ENCODERS, encoder_names
from findcli.models.next_event import pretrain as pretrain_next
from findcli.models.text import pretrain
from findcli.models.text.space import cache_folder
from findcli.progress import Progress, no_progress
from findcli.scoring import embed
from findcli.workspace import runs
from findcli.workspace.disk import locked
from findcli.workspace.folder import Workspace, to_utc
from findcli.workspace.runs import Run
from findcli.workspace.stages import STAGES, Stage

CACHE = re.compile(r"text-[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class StageStatus:
    """Where a stage stands.

    Attributes:
        name: the stage.
        folder: its run folder.
        state: "current"; "missing"; "stale", made of other settings or inputs; "waiting", made, but a stage before it
            has to run.
        reason: why it is not current; "" where it is.
        command: what makes it.
        finished: when it was made, UTC; None where it is missing.
        seconds: how long that took.
        bytes: its size on disk.
        metrics: what it measured.
    """

    name: str
    folder: Path
    state: Literal["current", "missing", "stale", "waiting"]
    reason: str
    command: str
    finished: datetime | None = None
    seconds: float = 0.0
    bytes: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BoundStage:
    """A stage of one workspace.

    Attributes:
        stage: its declaration.
        needs: the stages that it reads here.
        folder: its run folder.
        settings: its own settings.
        seed: its seed.
        inputs: gives the digest of every input by name; the stages that it reads have to stand.
        build: runs it where it is out of date: build(device=..., force=..., progress=...).
    """

    stage: Stage
    needs: tuple[str, ...]
    folder: Path
    settings: Mapping[str, Any]
    seed: int
    inputs: Callable[[], Mapping[str, str]]
    build: Callable[..., Run]

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.stage.name

    def why_stale(self, inputs: Mapping[str, str] | None = None) -> str | None:
        """Why it has to run, or None; with `inputs`, as if they were its inputs."""
        current = self.inputs() if inputs is None else inputs
        return runs.why_stale(self.folder, kind=self.name, settings=self.settings, inputs=current, seed=self.seed)


def stages(
    workspace: Workspace, *, as_of: datetime | None = None, model: Workspace | None = None
) -> Iterator[BoundStage]:
    """The stages of `findcli run` in the order of their work; the latest date is looked up when the last is reached.

    Args:
        workspace: whose stages.
        as_of: the date of the embeddings; the day after the last event when not given.
        model: the workspace whose model embeds; the same when not given.
    """
    left_out = _left_out(workspace)
    for stage in STAGES.values():
        if stage.in_run and stage.name not in left_out:
            yield bind(workspace, stage.name, as_of=as_of, model=model)


def _left_out(workspace: Workspace) -> set[str]:
    """The encoders of modalities that the workspace lacks or does not ask for."""
    return set(ENCODERS).difference(encoder_names(workspace))


def bind(
    workspace: Workspace, name: str, *, as_of: datetime | None = None, model: Workspace | None = None
) -> BoundStage:
    """One stage of a workspace; arguments as `stages`."""
    stage = STAGES[name]
    if name == "embeddings":
        return _bind_embeddings(workspace, stage, as_of, model or workspace)
    builder, left_out = BUILDERS[name], _left_out(workspace)
    return BoundStage(
        stage=stage,
        needs=tuple(need for need in stage.needs if need not in left_out),
        folder=workspace.run(name),
        settings=builder.settings(workspace),
        seed=workspace.settings.workspace.seed if stage.seeded else 0,
        inputs=partial(builder.inputs, workspace),
        build=partial(_build, builder.build, workspace, on_device=stage.on_device),
    )


def plan(workspace: Workspace, *, as_of: datetime | None = None) -> list[StageStatus]:
    """Where every stage stands, in order; nothing is written.

    Args:
        workspace: whose stages.
        as_of: the date of the embeddings; the day after the last event when not given.

    Raises:
        FindCLIError: a source has no file, or a manifest cannot be read.
    """
    statuses: dict[str, StageStatus] = {}
    for stage in stages(workspace, as_of=as_of):
        pending = [name for name in stage.needs if statuses[name].state != "current"]
        statuses[stage.name] = _status(stage, waits_for=pending[0] if pending else None)
    return list(statuses.values())


def why_stale(
    workspace: Workspace, name: str, *, as_of: datetime | None = None, model: Workspace | None = None
) -> str | None:
    """Why the command of one stage has work to do, or None where all that it makes stands.

    Args:
        workspace: whose stage.
        name: the stage.
        as_of: the date of the embeddings; the day after the last event when not given.
        model: the workspace whose model embeds; the same when not given.

    Raises:
        FindCLIError: a stage that it reads is missing; the hint names the command.
    """
    if name in _left_out(workspace) and not STAGES[name].optional:
        return None
    for before in STAGES[name].also:
        if reason := bind(workspace, before).why_stale():
            return f"{before}: {reason}"
    return bind(workspace, name, as_of=as_of, model=model).why_stale()


def changed_before(workspace: Workspace, name: str) -> dict[str, str]:
    """Of the stages that one reads, those made with other settings than the workspace has now, and which."""
    changed = {}
    for need in bind(workspace, name).needs:
        bound = bind(workspace, need)
        manifest = runs.read_manifest(bound.folder)
        if manifest and (reason := bound.why_stale(manifest.inputs)):
            changed[need] = reason
    return changed


def run(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    device: str = "auto",
    force_from: str | None = None,
    engine: Engine = HERE,
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> list[Run]:
    """Run every stage that is missing or out of date, in order; interrupted and started again it ends the same.

    Args:
        workspace: whose stages.
        as_of: the date of the embeddings; the day after the last event when not given.
        device: "auto", "cpu", "cuda" or "mps".
        force_from: a stage that runs even where it stands, and so do all after it.
        engine: where partitions are worked on.
        progress_for: given a stage's name, a context that yields what is told after each of its steps.

    Returns:
        The runs that were made.

    Raises:
        FindCLIError: a stage cannot run.
    """
    made, force = [], False
    for stage in stages(workspace, as_of=as_of):
        force = force or stage.name == force_from
        if force or stage.why_stale() is not None:
            with progress_for(stage.name) as progress:
                options = {"engine": engine} if stage.stage.by_part else {}
                made.append(stage.build(device=device, force=force, progress=progress, **options))
    return made


def clean(workspace: Workspace, *, everything: bool = False, dry_run: bool = False) -> list[tuple[Path, int]]:
    """Remove what is superseded, or every run; nothing but what findcli has written.

    Superseded are embeddings and learned prompts of another model than `runs/aligned`, cached vectors of another model
    than `runs/text`, what interrupted commands left behind, and the checkpoints of stages that are finished.

    Args:
        workspace: whose runs.
        everything: remove all runs.
        dry_run: remove nothing.

    Returns:
        What is removed, and its bytes.

    Raises:
        FindCLIError: another command is writing one of the runs, or a manifest cannot be read.
    """
    folders = [folder for folder in _run_folders(workspace) if runs.is_own(folder) or _leftovers(folder)]
    unfinished = set() if everything else {status.folder for status in plan(workspace) if status.state != "current"}
    with ExitStack() as stack:
        for folder in () if dry_run else folders:
            stack.enter_context(locked(folder))
        chosen = _finished(workspace) if everything else _superseded(workspace)
        chosen += [path for folder in folders for path in _leftovers(folder, checkpoints=folder not in unfinished)]
        removed = [(path, _size(path)) for path in chosen]
        if not dry_run:
            for path, _ in removed:
                shutil.rmtree(path)
            for folder in folders:
                _beside(folder, "lock").unlink()
    return removed


def _finished(workspace: Workspace) -> list[Path]:
    finished = [folder for folder in _run_folders(workspace) if runs.is_own(folder)]
    return [*finished, *_caches(workspace)]


def _superseded(workspace: Workspace) -> list[Path]:
    """Embeddings and caches of other models than those that stand; while there is no model, none is superseded."""
    aligned = runs.read_manifest(workspace.run("aligned"))
    text_run = runs.read_manifest(workspace.run("text"))
    named, every = copies.in_use(workspace), STAGES["copy"].folders(workspace.runs)
    superseded = [folder for folder in every if runs.is_own(folder) and folder not in named]
    if aligned:
        superseded += [workspace.prompts / prompt.name for prompt in list_prompts(workspace) if not prompt.current]
    for folder in STAGES["embeddings"].folders(workspace.runs) if aligned else ():
        manifest = runs.read_manifest(folder) if runs.is_own(folder) else None
        if aligned and manifest and manifest.inputs.get("aligned") != aligned.digest():
            superseded.append(folder)
    if text_run:
        used = cache_folder(workspace.runs, text_run.digest("model/"))
        superseded += [folder for folder in _caches(workspace) if folder != used]
    return superseded


def _run_folders(workspace: Workspace) -> list[Path]:
    """Every run folder that is there, or was about to be."""
    return [folder for stage in STAGES.values() for folder in stage.folders(workspace.runs)]


def _caches(workspace: Workspace) -> list[Path]:
    """The cache folders of findcli's own naming that hold nothing but its files."""
    folders = (path for path in (workspace.runs / "cache").glob("text-*") if CACHE.fullmatch(path.name))
    return sorted(path for path in folders if not path.is_symlink() and all(map(_is_cached, path.iterdir())))


def _is_cached(file: Path) -> bool:
    return file.is_file() and (file.suffix in (".parquet", ".lock") or file.name.startswith("."))


def _leftovers(folder: Path, *, checkpoints: bool = True) -> list[Path]:
    names = ("draft", "old", "checkpoints") if checkpoints else ("draft", "old")
    beside = (_beside(folder, name) for name in names)
    return [path for path in beside if path.is_dir() and not path.is_symlink()]


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _status(stage: BoundStage, *, waits_for: str | None) -> StageStatus:
    manifest = runs.read_manifest(stage.folder)
    status = partial(StageStatus, name=stage.name, folder=stage.folder, command=stage.stage.command)
    waiting = "" if waits_for is None else f"waits for {waits_for}"
    if manifest is None:
        return status(state="missing", reason=waiting)
    stale = "" if waiting else stage.why_stale() or ""
    return status(
        state="waiting" if waiting else "stale" if stale else "current",
        reason=waiting or stale,
        finished=datetime.fromisoformat(manifest.started) + timedelta(seconds=manifest.seconds),
        seconds=manifest.seconds,
        bytes=_size(stage.folder),
        metrics=manifest.metrics,
    )


def _bind_embeddings(workspace: Workspace, stage: Stage, as_of: datetime | None, model: Workspace) -> BoundStage:
    cutoff = to_utc(as_of) if as_of else _latest_date(workspace)
    return BoundStage(
        stage=stage,
        needs=stage.needs,
        folder=workspace.embeddings(cutoff, model=model) if cutoff else workspace.runs / "embeddings",
        settings=embed.stage_settings(workspace, cutoff) if cutoff else {},
        seed=0,
        inputs=lambda: embed.stage_inputs(workspace, model, _open(workspace, "events"), cutoff or datetime.min),
        build=partial(embed.embed, workspace, as_of=as_of, model=model),
    )


def _latest_date(workspace: Workspace) -> datetime | None:
    """The day after the last event of the log that stands, if one does."""
    manifest = runs.read_manifest(workspace.run("events"))
    if manifest is None or manifest.format != STAGES["events"].format:
        return None
    return embed.latest_date(_open(workspace, "events"))


def _open(workspace: Workspace, name: str) -> Run:
    return runs.open_run(workspace.run(name), name)


def _build(
    build: Callable[..., Run], workspace: Workspace, *, on_device: bool, device: str = "auto", force: bool = False,
    progress: Progress | None = None, **more: Any,
) -> Run:  # fmt: skip
    options = more | ({"device": device} if on_device else {})
    return build(workspace, force=force, progress=progress, **options)


@dataclass(frozen=True)
class Builder:
    """What makes a stage: its settings and its inputs' digests in a workspace, and what runs it."""

    settings: Callable[[Workspace], dict[str, Any]]
    inputs: Callable[[Workspace], dict[str, str]]
    build: Callable[..., Run]


# A stage that is declared in workspace/stages.py is bound here. `embeddings`, a folder a date, is bound by hand.
BUILDERS = {
    "events": Builder(events.stage_settings, events.stage_inputs, events.build_events),
    "pairs": Builder(pairs.stage_settings, pairs.stage_inputs, pairs.build_pairs),
    "text": Builder(pretrain.stage_settings, pretrain.stage_inputs, pretrain.pretrain_text),
    "sequence": Builder(
        pretrain_sequence.stage_settings, pretrain_sequence.stage_inputs, pretrain_sequence.pretrain_sequence
    ),
    "tabular": Builder(
        pretrain_tabular.stage_settings, pretrain_tabular.stage_inputs, pretrain_tabular.pretrain_tabular
    ),
    "next_event": Builder(pretrain_next.stage_settings, pretrain_next.stage_inputs, pretrain_next.pretrain_next_event),
    "aligned": Builder(align.stage_settings, align.stage_inputs, align.align),
    "rewriter": Builder(tune.stage_settings, tune.stage_inputs, tune.tune_rewriter),
}
