"""The copies of tables that lie elsewhere: read once into `runs/copies/`, and again only where they changed.

A copy is a run folder: whole or not at all, with a manifest that says what was read, how many rows, and their digest.
Stages depend on that digest, so that a query that is read again and gives the same rows makes nothing stale.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from findcli.data.forgotten import forgotten_hashes, known
from findcli.data.places.find import place_of
from findcli.data.places.place import Place, digest_of_rows
from findcli.data.places.s3 import TAGS
from findcli.data.reader.ids import settled_ids
from findcli.data.reader.tables import open_table
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file, locked
from findcli.workspace.folder import FILE, Workspace, files_of, literal_part
from findcli.workspace.runs import Run, hash_json, open_run, read_manifest, rewriting, writing
from findcli.workspace.settings import Source
from findcli.workspace.stages import STAGES
from findcli.workspace.table_form import TablePlace

KIND, PARTS = "copy", "parts"

# Tables whose place was asked already, by identity: a workspace that is opened again has tables of its own.
_asked: dict[int, TablePlace] = {}


def ask_again() -> None:
    """Have every place asked anew; else each is asked once for a workspace that was opened, whatever is run in it."""
    _asked.clear()


def files(workspace: Workspace, table: TablePlace, *, what: str) -> list[Path]:
    """A table's files on this machine, sorted; of one that lies elsewhere those of its copy, made where it is missing.

    Args:
        workspace: whose table.
        table: the [[sources]] entry, [profile] or task.
        what: how errors call it.

    Raises:
        FindCLIError: it lies elsewhere, has no copy, and cannot be read.
    """
    place = place_of(workspace, table)
    if place is None:
        return files_of(workspace.path(str(table.path)))
    folder = _folder(workspace, place)
    manifest = read_manifest(folder)
    if manifest is None or manifest.format != STAGES[KIND].format:
        folder = refreshed(workspace, table, place, what=what).folder
    return _parts(folder)


def fresh_files(workspace: Workspace, table: TablePlace, *, what: str) -> list[Path]:
    """The same, once the place was asked whether the table changed; arguments as `files`."""
    place = place_of(workspace, table)
    if place is not None:
        refreshed(workspace, table, place, what=what)
    return files(workspace, table, what=what)


def content_digest(workspace: Workspace, table: TablePlace, *, what: str) -> str:
    """A digest of what a table holds, once its place was asked whether it changed; arguments as `files`."""
    listed = fresh_files(workspace, table, what=what)
    return _digest(workspace, table, listed)


def kept_digest(workspace: Workspace, table: TablePlace, *, what: str) -> str:
    """The same of the copy as it stands: no place is asked."""
    return _digest(workspace, table, files(workspace, table, what=what))


def source_files(workspace: Workspace, source: Source) -> list[Path]:
    """The files of a source on this machine, its glob expanded, sorted.

    Raises:
        FindCLIError: there are none, or it lies elsewhere and cannot be read.
    """
    listed = files(workspace, source, what=f"source {source.name!r}")
    if not listed:
        hint = f"put the table there, or correct `path` of source {source.name!r} in {workspace.folder / FILE}"
        raise FindCLIError(f"source {source.name!r}: no file matches {source.path!r} in {workspace.folder}", hint=hint)
    return listed


def lies_elsewhere(workspace: Workspace, table: TablePlace) -> bool:
    """Whether a table is read from a copy."""
    return table.is_named and place_of(workspace, table) is not None


def is_of_rows(workspace: Workspace, table: TablePlace) -> bool:
    """Whether a table is read from a copy of its rows, and not of its files as they are."""
    place = place_of(workspace, table) if table.is_named else None
    return place is not None and not (_folder(workspace, place) / TAGS).is_file()


def note(workspace: Workspace, table: TablePlace) -> list[str]:
    """Where a table that lies elsewhere was read from, how much and when, in a line; nothing of files here."""
    place = place_of(workspace, table)
    manifest = None if place is None else read_manifest(_folder(workspace, place))
    if place is None or manifest is None:
        return []
    rows = manifest.metrics.get("rows")
    files = len([name for name in manifest.files if name.startswith(f"{PARTS}/")])
    much = f"{files:,} files" if rows is None else f"{rows:,} rows"
    return [
        f"{much} read from {place.settings['kind']} ({table.where}) at {manifest.started[:16].replace('T', ' ')} UTC"
    ]


def root_of(workspace: Workspace, table: TablePlace) -> Path:
    """The folder below which the names of a table's folders, such as "date=2024-01-01", are columns."""
    place = place_of(workspace, table)
    if place is not None:
        return _folder(workspace, place) / PARTS
    return literal_part(workspace.path(str(table.path)), start=workspace.folder)


def in_use(workspace: Workspace) -> dict[Path, list[TablePlace]]:
    """The folders of the copies that the workspace file asks for, each with the tables that are read from it."""
    settings = workspace.settings
    copies: dict[Path, list[TablePlace]] = {}
    for table in (*settings.sources, settings.profile, *settings.tasks.values()):
        place = place_of(workspace, table) if table.is_named else None
        if place is not None:
            copies.setdefault(_folder(workspace, place), []).append(table)
    return copies


def refreshed(workspace: Workspace, table: TablePlace, place: Place, *, what: str) -> Run:
    """The copy of a table, read again where its place says or may say that it changed.

    Raises:
        FindCLIError: the place cannot be asked or read, or another command is reading it.
    """
    folder = _folder(workspace, place)
    manifest = read_manifest(folder)
    stands = manifest is not None and manifest.format == STAGES[KIND].format
    if not (stands and id(table) in _asked):
        try:
            said = place.version()
            version = None if said is None else hash_json(said)
            if not stands or manifest is None or version is None or manifest.inputs.get("version") != version:
                _copy(workspace, place, folder, version)
        except FindCLIError as error:
            raise FindCLIError(f"{what}: {error.message}", hint=error.hint) from error.__cause__
        _asked[id(table)] = table
    return open_run(folder, KIND)


def _copy(workspace: Workspace, place: Place, folder: Path, version: str | None) -> None:
    inputs = {} if version is None else {"version": version}
    with writing(folder, kind=KIND, settings=place.settings, inputs=inputs, seed=0) as draft:
        parts = draft.path(f"{PARTS}/part").parent
        place.read(parts, before=folder / PARTS if folder.is_dir() else None)
        listed = _parts(draft.folder)
        if (draft.folder / TAGS).is_file():
            draft.metrics = {"digest": hash_json([hash_file(path) for path in listed])}
            return
        rows, digest = digest_of_rows(listed)
        draft.metrics = {"rows": rows, "digest": digest}
        if forgotten_hashes(workspace):
            for table in in_use(workspace).get(folder, ()):
                _leave_out_forgotten(workspace, table, listed)


def _leave_out_forgotten(workspace: Workspace, table: TablePlace, parts: list[Path]) -> None:
    """Keep users who were forgotten out of a copy; its digest stays that of what was read."""
    for part, frame, ids in _with_ids(table, parts):
        users = ids.unique().drop_nulls()
        kept = users.filter(known(workspace, users))
        if len(kept) < len(users):
            frame.filter(ids.is_null() | ids.is_in(kept.implode())).write_parquet(part)


def rows_of(workspace: Workspace, table: TablePlace, users: list[str]) -> int:
    """How many rows of a table that lies elsewhere are of some users, by its copy; nothing is read again.

    Raises:
        FindCLIError: the copy cannot be read.
    """
    place = place_of(workspace, table)
    parts = [] if place is None else _parts(_folder(workspace, place))
    return sum(int(ids.is_in(users).sum()) for _, _, ids in _with_ids(table, parts))


def without_users(workspace: Workspace, users: list[str]) -> None:
    """Take the rows of some users out of every copy; stages stay current.

    Copies of files as they are, and those that no table is read from any more, go as a whole: what is needed of them is
    read again.

    Raises:
        FindCLIError: a copy cannot be read or written.
    """
    used = in_use(workspace)
    for folder in STAGES[KIND].folders(workspace.runs):
        tables = used.get(folder, [])
        if tables and not any(rows_of(workspace, table, users) for table in tables):
            continue
        if not tables or (folder / TAGS).is_file() or read_manifest(folder) is None:
            with locked(folder):
                shutil.rmtree(folder, ignore_errors=True)
            continue
        with rewriting(open_run(folder, KIND)) as draft:
            for table in tables:
                for part, frame, ids in _with_ids(table, _parts(draft.folder)):
                    frame.filter(~ids.is_in(users).fill_null(value=False)).write_parquet(part)


def _with_ids(table: TablePlace, parts: list[Path]) -> Iterator[tuple[Path, pl.DataFrame, pl.Series]]:
    """Each part of a copy with the ids of its rows as text."""
    column = str(getattr(table, "user", None))
    for part in parts:
        opened = open_table([part], table, what=f"the copy {part}", ids=[column])
        if column in opened.schema:
            ids = opened.frame.select(settled_ids(opened, table, column).cast(pl.String)).collect().to_series()
            yield part, pl.read_parquet(part, glob=False), ids


def _digest(workspace: Workspace, table: TablePlace, listed: list[Path]) -> str:
    place = place_of(workspace, table)
    if place is not None:
        return str(open_run(_folder(workspace, place), KIND).manifest.metrics["digest"])
    return hash_json([hash_file(path) for path in listed])


def _folder(workspace: Workspace, place: Place) -> Path:
    """Where the copy lies: named by what its place is, so that a table that is named otherwise is read anew."""
    return workspace.runs / "copies" / f"{place.settings['kind']}-{hash_json(place.settings)[:16]}"


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / PARTS).rglob("*") if path.is_file())
