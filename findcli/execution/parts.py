"""One seam for work over partitions: finished parts are files, so that nothing is computed twice or left half-made.

A task fills a folder for one part and returns a small result. The folder is renamed into place when it is whole, with
the result beside its files; a part whose folder stands is not computed again, by whatever engine and after whatever
interruption. Two workers that did the same part have written the same bytes, and the first rename counts.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from findcli.progress import Progress, no_progress

RESULT = "result.json"
MOST = 1_000_000  # bytes of a result; what is larger belongs into a file of the part
UNFINISHED = ".draft-"


class Task(Protocol):
    """The work on one part: picklable, with everything it needs besides what it reads from disk."""

    def __call__(self, part: str, folder: Path) -> Any:
        """Fill the part's folder.

        Returns:
            A small result as plain values of JSON.
        """


class Engine(Protocol):
    """Something that performs tasks."""

    name: ClassVar[str]

    def perform(self, task: Task, parts: Sequence[str], store: Path) -> Iterator[str]:
        """Call `perform_part` for every part; yields each part as it ends, in any order.

        Raises:
            FindCLIError: the engine cannot be reached, or a task said so.
        """


@dataclass(frozen=True)
class Part:
    """A finished part.

    Attributes:
        name: its name.
        folder: its files.
        result: what its task returned.
    """

    name: str
    folder: Path
    result: Any

    def hand_on(self, folder: Path, *, but: str = "") -> None:
        """Put its files into another folder, under the same paths; the part keeps them until the whole work is done.

        Args:
            folder: where to.
            but: a file that is left out.
        """
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            if path.is_dir() or name.as_posix() in (RESULT, but):
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(path)
            except OSError:  # a disk without links, or another disk
                shutil.copyfile(path, target)


def map_parts(
    task: Task, parts: Sequence[str], store: Path, engine: Engine, *, progress: Progress | None = None
) -> list[Part]:
    """Perform a task on every part that is not finished yet.

    Args:
        task: the work on one part.
        parts: names of the parts, in the order of the result.
        store: a folder for this very work, on a disk that all workers see; it holds what is finished.
        engine: where the work is done.
        progress: called after each part.

    Raises:
        FindCLIError: the engine cannot be reached, or a task said so; what is finished stays.
    """
    store.mkdir(parents=True, exist_ok=True)
    waiting = [part for part in parts if not (store / part / RESULT).is_file()]
    ended = len(parts) - len(waiting)
    for _ in engine.perform(task, waiting, store):
        ended += 1
        (progress or no_progress)(ended, len(parts), {})
    for leftover in store.glob(f"*{UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    return [_open(store / part) for part in parts]


def perform_part(task: Task, part: str, store: Path) -> str:
    """Perform a task on one part, whole or not at all; an engine calls it, in whatever process.

    Raises:
        ValueError: the result is too large to be handed over.
    """
    final = store / part
    if (final / RESULT).is_file():
        return part
    draft = store / f"{part}{UNFINISHED}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    draft.mkdir(parents=True)
    try:
        result = json.dumps(task(part, draft))
        if len(result) > MOST:
            raise ValueError(f"the result of part {part} has {len(result):,} bytes; write it into a file of the part")
        (draft / RESULT).write_text(result, encoding="utf-8")
        try:
            draft.rename(final)
        except OSError:
            if not (final / RESULT).is_file():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return part


def _open(folder: Path) -> Part:
    return Part(folder.name, folder, json.loads((folder / RESULT).read_text(encoding="utf-8")))
