"""What is new in the sources since the event log was made, and whether it can be read without what was there before.

New files of a folder or a glob are read alone, and so are rows at the end of a CSV file that begins with the bytes it
had. Anything else that changed, such as a Parquet file that was written again, means that all of it is read again.
The new rows have to read as the whole did: a part of a table can look like another dialect or another form of dates.

Tested in tests/data/test_append.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from findcli.data import sources
from findcli.data.places import copies
from findcli.data.reader.dialect import Dialect
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import as_json
from findcli.workspace.settings import Source

TEXT = (".csv", ".tsv", ".txt")
Known = Mapping[str, Any]


@dataclass(frozen=True)
class NewFile:
    """A file with new rows.

    Attributes:
        path: the file.
        start: where its new rows begin, in bytes; 0 for a new file.
    """

    path: Path
    start: int = 0


@dataclass(frozen=True)
class Arrivals:
    """What is new.

    Attributes:
        files: of each source with new rows, the files that hold them.
        whole: why everything has to be read again; "" where the new rows are enough.
    """

    files: Mapping[str, tuple[NewFile, ...]]
    whole: str = ""

    @property
    def nothing(self) -> bool:
        """Whether no source changed."""
        return not self.files and not self.whole


def record(workspace: Workspace) -> dict[str, Any]:
    """What a later `arrivals` has to know of the sources, as plain values: files, and how they were read."""
    return {
        source.name: {"files": _files(workspace, source), "reading": reading_of(workspace, source)}
        for source in workspace.settings.sources
    }


def _files(workspace: Workspace, source: Source) -> dict[str, list[Any]]:
    """Size and digest of each file; of rows that lie elsewhere the digest of all."""
    if copies.is_of_rows(workspace, source):
        return {source.where: [0, copies.kept_digest(workspace, source, what=f"source {source.name!r}")]}
    files = copies.source_files(workspace, source)
    return {_name(workspace, path): [path.stat().st_size, hash_file(path)] for path in files}


def _name(workspace: Workspace, path: Path) -> str:
    """How a file is called: by its place in the workspace where it lies there, since a workspace may move."""
    inside = path.is_relative_to(workspace.folder)
    return (path.relative_to(workspace.folder) if inside else path).as_posix()


def reading_of(workspace: Workspace, source: Source) -> dict[str, Any]:
    """How a source's values read, as plain values; equal readings turn equal text into equal values."""
    settled = sources.settle_source(workspace, source)
    table = settled.table
    form: dict[str, Any] = {
        "schema": {name: str(kind) for name, kind in table.schema.items()},
        "dialects": sorted({repr(_how(dialect)) for dialect in table.dialects}),
        "numerals": sorted(table.numerals),
        "time": asdict(settled.time),
        "user": settled.user.form,
        "numbers": {name: repr(number) for name, number in sorted(settled.numbers.items())},
    }
    return dict(as_json(form))


def _how(dialect: Dialect) -> Dialect:
    """A dialect without its counts, which say how often and not how."""
    return replace(dialect, blank=0, comments=0, short=0)


def arrivals(workspace: Workspace, known: Known) -> Arrivals:
    """Compare the sources' files with what was recorded of them; what lies elsewhere is asked, and nothing is parsed.

    Args:
        workspace: whose sources.
        known: what `record` gave when the log was made.

    Raises:
        FindCLIError: a file cannot be read.
    """
    found: dict[str, tuple[NewFile, ...]] = {}
    for source in workspace.settings.sources:
        if source.name not in known:
            return Arrivals({}, f"source {source.name!r} was not there before")
        before: dict[str, list[Any]] = known[source.name]["files"]
        copies.fresh_files(workspace, source, what=f"source {source.name!r}")
        files = copies.source_files(workspace, source)
        if copies.is_of_rows(workspace, source):
            if _files(workspace, source) != before:
                return Arrivals({}, f"source {source.name!r} holds other rows than it did, and says not which")
            continue
        if gone := sorted(before.keys() - {_name(workspace, path) for path in files}):
            return Arrivals({}, f"{Path(gone[0]).name} of source {source.name!r} is gone")
        new = []
        for path in files:
            size, digest = before.get(_name(workspace, path), (0, ""))
            if not digest:
                new.append(NewFile(path))
            elif path.stat().st_size == size and hash_file(path) == digest:
                continue
            elif path.suffix.lower() in TEXT and _begins_with(path, size, digest):
                new.append(NewFile(path, size))
            else:
                return Arrivals({}, f"{path.name} of source {source.name!r} changed, not only at its end")
        found |= {source.name: tuple(new)} if new else {}
    return Arrivals(found)


def _begins_with(path: Path, size: int, digest: str) -> bool:
    """Whether a longer file begins with the bytes that it had, and these ended with a line."""
    hashed, left, last = hashlib.blake2b(digest_size=16), size, b""
    with path.open("rb") as stream:
        while left and (block := stream.read(min(left, 2**20))):
            hashed.update(block)
            left, last = left - len(block), block[-1:]
    return not left and last == b"\n" and hashed.hexdigest() == digest


def new_rows(workspace: Workspace, new: Arrivals, folder: Path) -> Workspace:
    """A workspace whose sources hold the new rows alone.

    Args:
        workspace: whose sources have new rows.
        new: where they are.
        folder: an empty folder for links to new files and for the ends of longer ones; it has to stay while they are
            read.
    """
    read = []
    for number, source in enumerate(workspace.settings.sources):
        if source.name not in new.files:
            continue
        root, place = copies.root_of(workspace, source), folder / str(number)
        for file in new.files[source.name]:
            below = file.path.relative_to(root) if file.path.is_relative_to(root) else Path(file.path.name)
            _lay(file, place / below)
        read.append(replace(source, path=str(place)))
    return replace(workspace, settings=replace(workspace.settings, sources=tuple(read)))


def _lay(file: NewFile, path: Path) -> None:
    """Lay a new file, or the head and the new rows of a longer one, into a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not file.start:
        path.symlink_to(file.path.resolve())
        return
    with file.path.open("rb") as stream, path.open("wb") as part:
        part.write(stream.readline())
        stream.seek(file.start)
        while block := stream.read(2**20):
            part.write(block)


def other_reading(old: Known, new: Workspace) -> str:
    """Which of the sources' new rows, read alone, read otherwise than the whole did; "" where none does."""
    for source in new.settings.sources:
        before: dict[str, Any] = old[source.name]["reading"]
        try:
            now = reading_of(new, source)
        except FindCLIError as error:
            return f"the new rows of source {source.name!r} cannot be read alone: {error}"
        formats = set(now["time"].pop("formats")) <= set(before["time"]["formats"])
        whole = {**before, "time": {key: value for key, value in before["time"].items() if key != "formats"}}
        differ = sorted(key for key in whole if whole[key] != now[key])
        if differ or not formats:
            return f"the new rows of source {source.name!r}, read alone, have another {(differ or ['time'])[0]}"
    return ""
