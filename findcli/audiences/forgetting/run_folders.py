"""Users out of run folders: events, pairs, embeddings, cached texts, and what evaluation and interrupted commands left.

Tested in tests/audiences/forgetting/test_forget.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from findcli.data import events
from findcli.data.pairs import build_pairs
from findcli.data.places import copies
from findcli.errors import FindCLIError
from findcli.models.text.cache import without_texts
from findcli.scoring import embed
from findcli.workspace.disk import locked
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import MANIFEST, Run, open_run, read_manifest, rewriting
from findcli.workspace.stages import STAGES

TRAINED_ON_PAIRS = ("text", "sequence", "tabular", "next_event", "aligned")
LEFT_OVER = ("draft", "old", "checkpoints")


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the run folders hold of some users.

    Attributes:
        events: their events in the log.
        texts: texts that only their events have, such as what they searched for.
        embeddings: the folders of embeddings that have a row of them.
        trained: whether pairs, and so the models, were made of them.
        models: the trained models and learned prompts, by folder, if they were.
        caches: folders of evaluation and of interrupted commands, which may hold anything of anybody.
    """

    events: int
    texts: tuple[str, ...]
    embeddings: tuple[Path, ...]
    trained: bool
    models: tuple[Path, ...]
    caches: tuple[Path, ...]


def held_in_runs(workspace: Workspace, users: Collection[str]) -> Held:
    """What the run folders hold of some users; nothing is written.

    Args:
        workspace: whose runs.
        users: ids as text.

    Raises:
        FindCLIError: a run folder cannot be read.
    """
    log, pairs = _run(workspace.run("events"), "events"), _run(workspace.run("pairs"), "pairs")
    count, texts = (0, ()) if log is None else _events(log, users)
    trained = pairs is not None and _any(pairs.table("users.parquet"), users)
    models = [workspace.run(name) for name in TRAINED_ON_PAIRS] + STAGES["prompt"].folders(workspace.runs)
    finished = [folder for folder in models if trained and (folder / MANIFEST).is_file()]
    embedded = [run.folder for run in _embeddings(workspace) if _any(run.table("users.parquet"), users)]
    return Held(
        events=count, texts=texts, embeddings=tuple(embedded), trained=trained, models=tuple(finished),
        caches=tuple(_caches(workspace)),
    )  # fmt: skip


def forget_in_runs(workspace: Workspace, users: Collection[str], held: Held) -> None:
    """Take users out of the run folders; an interrupted one is completed by running it again.

    Args:
        workspace: whose runs.
        users: ids as text.
        held: what `held_in_runs` says of them.

    Raises:
        FindCLIError: another command is writing one of the folders, or the disk is full.
    """
    log = _run(workspace.run("events"), "events")
    for folder in held.caches:
        _remove(folder)
    copies.without_users(workspace, list(users))
    for folder in (workspace.runs / "cache").glob("text-*"):
        without_texts(folder, held.texts)
    if log is None:
        return
    after = events.without_users(log, users) if held.events else log
    for run in _embeddings(workspace):
        _forget_embeddings(run, users, log, after)
    if held.events and (workspace.run("pairs") / MANIFEST).is_file():
        _again(workspace, after)
    if after is not None and not held.trained:
        for name in ("next_event", "aligned"):
            _still_current(workspace.run(name), name, log.manifest.digest("train/"), after.manifest.digest("train/"))


def _forget_embeddings(run: Run, users: Collection[str], log: Run, after: Run | None) -> None:
    if after is None:
        _remove(run.folder)
        return
    whole = run.manifest.inputs.get("events") == log.manifest.digest()
    under = "" if whole else "train/"  # embeddings as of an early date depend on the training side alone
    embed.without_users(run, users, log_digest=(log.manifest.digest(under), after.manifest.digest(under)))


def _still_current(folder: Path, kind: str, before: str, after: str) -> None:
    """Let a model that read no event of theirs, since it is trained on other users, stay up to date."""
    model = _run(folder, kind)
    if before != after and model is not None and model.manifest.inputs.get("events") == before:
        with rewriting(model, inputs={"events": after}):
            pass


def _again(workspace: Workspace, log: Run | None) -> None:
    """Make the pairs again without them; where that cannot be, the old ones go, and findcli run says what it needs."""
    try:
        if log is not None:
            build_pairs(workspace)
            return
    except FindCLIError:
        pass
    _remove(workspace.run("pairs"))


def _events(log: Run, users: Collection[str]) -> tuple[int, tuple[str, ...]]:
    """How many events of theirs there are, and the texts that nobody else's events have."""
    frame = pl.scan_parquet(log.files("*/part-*.parquet"), glob=False)
    theirs = pl.col("user_id").cast(pl.String).is_in(list(users))
    columns = [name for name in ("event", "text") if name in frame.collect_schema()]
    texts = pl.concat([frame.select(theirs.alias("theirs"), pl.col(name).alias("text")) for name in columns])
    alone = texts.drop_nulls("text").group_by("text").agg(pl.col("theirs").all()).filter("theirs").select("text")
    count = int(frame.select(theirs.sum()).collect(engine="streaming").item())
    return count, tuple(alone.collect(engine="streaming")["text"].sort()) if count else ()


def _any(table: pl.DataFrame, users: Collection[str]) -> bool:
    return bool(table["user_id"].cast(pl.String).is_in(list(users)).any())


def _run(folder: Path, kind: str) -> Run | None:
    return None if read_manifest(folder) is None else open_run(folder, kind)


def _embeddings(workspace: Workspace) -> Iterator[Run]:
    for folder in STAGES["embeddings"].folders(workspace.runs):
        if _is_current(folder):
            yield open_run(folder, "embeddings")


def _is_current(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.format == STAGES["embeddings"].format


def _caches(workspace: Workspace) -> Iterator[Path]:
    """Folders that are made again when they are needed."""
    if (workspace.runs / "benchmark").is_dir():
        yield workspace.runs / "benchmark"
    embedded = STAGES["embeddings"].folders(workspace.runs)
    yield from (folder for folder in embedded if folder.is_dir() and not _is_current(folder))  # of an older format
    for where in (workspace.runs, workspace.runs / "embeddings", workspace.prompts, workspace.audiences):
        yield from (path for what in LEFT_OVER for path in sorted(where.glob(f".*.{what}")) if path.is_dir())


def _remove(folder: Path) -> None:
    """Remove a folder, unless a command is writing it."""
    with locked(folder.with_name(folder.name.removeprefix(".").rpartition(".")[0] or folder.name)):
        shutil.rmtree(folder, ignore_errors=True)
