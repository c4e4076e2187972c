"""Users in the tables that the workspace reads: counted and named, and taken out of the files only when asked.

The tables are the user's own. Parquet, CSV and JSONL files are rewritten with every other row as it stands; packed
files and workbooks are named alone.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.places import copies
from findcli.data.reader.files import look_at
from findcli.data.reader.ids import DECIMAL, settled_ids
from findcli.data.reader.tables import Table, open_table, reading
from findcli.data.reader.text import read_lines
from findcli.errors import FindCLIError
from findcli.workspace.disk import replacing
from findcli.workspace.folder import Workspace, files_of
from findcli.workspace.table_form import TableForm, TablePlace

Matches = Callable[[str], bool]


@dataclass(frozen=True)
class Listed:
    """A file of the user's own that names some users.

    Attributes:
        what: which table it is part of, such as "source 'orders'".
        path: the file.
        rows: how many rows of it are theirs.
        column: the column of ids; None of a file with an id a line.
        form: what is declared of the table.
        elsewhere: whether it lies at a place of its own, and `path` only says which; it is never rewritten.
    """

    what: str
    path: Path
    rows: int
    column: str | None
    form: TableForm
    elsewhere: bool = False


def listed_in_sources(workspace: Workspace, users: Collection[str]) -> list[Listed]:
    """The files of sources, tasks, profile, contacts and the like that name users; what cannot be read is left out.

    Args:
        workspace: whose tables.
        users: ids as text.
    """
    named = [each for table in _tables(workspace) for each in _listed(*table, users)]
    named += _elsewhere(workspace, users)
    file = workspace.settings.split.users_file
    path = None if file is None else workspace.path(file)
    if path is not None and path.is_file():
        count = sum(line.strip() in set(users) for line in read_lines(path, what="the file of names"))
        named += [Listed("users_file of [split]", path, count, None, TableForm())] if count else []
    return named


def take_out(listed: Listed, users: Collection[str]) -> bool:
    """Rewrite a file without the rows of some users, whole or not at all; False where it is of a form that stays.

    Args:
        listed: the file.
        users: ids as text.

    Raises:
        FindCLIError: the disk is full, or not exactly their rows would go: the file stays as it was.
    """
    if listed.elsewhere:
        return False
    if listed.column is None:
        return _replaced(listed, *_id_lines(listed, set(users)))
    stored = look_at(listed.path, what=listed.what)
    if stored.packed or stored.kind == "excel":
        return False
    if stored.kind == "parquet":
        return _replaced(listed, *_parquet_rows(listed, listed.column, users))
    matches = _matcher(users, declared=listed.form.types.get(listed.column))
    without = _text_lines if stored.kind == "text" else _json_lines
    return _replaced(listed, *without(listed, listed.column, matches))


def _named(workspace: Workspace) -> dict[str, Any]:
    """Every table that the workspace file names, by what it is called."""
    settings = workspace.settings
    named: dict[str, Any] = {f"source {source.name!r}": source for source in settings.sources}
    named |= {f"task {name!r}": task for name, task in settings.tasks.items()}
    single = {f"[{each.name}]": getattr(settings, each.name) for each in fields(settings)}
    return named | {what: table for what, table in single.items() if isinstance(table, TableForm)}


def _tables(workspace: Workspace) -> Iterator[tuple[str, TableForm, Path, str]]:
    """What each table of this machine is called, its form, its path and its column of ids."""
    for what, table in _named(workspace).items():
        if table.path is None or table.user is None or _lies_elsewhere(workspace, table):
            continue
        for path in files_of(workspace.path(table.path)):
            yield what, table, path, table.user


def _lies_elsewhere(workspace: Workspace, table: TableForm) -> bool:
    return isinstance(table, TablePlace) and copies.lies_elsewhere(workspace, table)


def _elsewhere(workspace: Workspace, users: Collection[str]) -> Iterator[Listed]:
    """Tables that lie elsewhere, by what was last read of them; they are named alone."""
    for what, table in _named(workspace).items():
        if isinstance(table, TablePlace) and copies.lies_elsewhere(workspace, table):
            rows = copies.rows_of(workspace, table, list(users))
            if rows:
                yield Listed(what, Path(table.where), rows, getattr(table, "user", None), table, elsewhere=True)


def _listed(what: str, form: TableForm, path: Path, column: str, users: Collection[str]) -> Iterator[Listed]:
    try:
        table = open_table([path], form, what=what, ids=[column])
        if column not in table.schema:
            return
        ids = _ids(table, form, column)
    except FindCLIError:
        return
    rows = int(ids.is_in(list(users)).sum())
    if rows:
        yield Listed(what, path, rows, column, form)


def _ids(table: Table, form: TableForm, column: str) -> pl.Series:
    """The ids of a table as text, row by row."""
    with reading(table.what, table.files):
        return table.frame.select(settled_ids(table, form, column).cast(pl.String)).collect().to_series()


def _matcher(users: Collection[str], *, declared: str | None) -> Matches:
    """Whether a field of a text file is one of the ids, as `settled_ids` reads them: 7.0 of a decimal export is 7."""
    wanted, decimal = set(users), re.compile(DECIMAL)

    def matches(value: str) -> bool:
        text = value.strip()
        number = (declared in ("integer", "decimal") or "." in text) and decimal.match(text)
        return text in wanted or bool(number and float(text).is_integer() and str(int(float(text))) in wanted)

    return matches


def _id_lines(listed: Listed, users: Collection[str]) -> tuple[bytes, int]:
    lines = listed.path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if line.decode(errors="replace").strip() not in users]
    return b"".join(kept), len(lines) - len(kept)


def _parquet_rows(listed: Listed, column: str, users: Collection[str]) -> tuple[bytes, int]:
    frame, content = pl.read_parquet(listed.path, glob=False), io.BytesIO()
    ids = _ids(open_table([listed.path], listed.form, what=listed.what), listed.form, column)
    others = frame.filter(~ids.is_in(list(users)).fill_null(value=False))
    others.write_parquet(content)
    return content.getvalue(), len(frame) - len(others)


def _text_lines(listed: Listed, column: str, matches: Matches) -> tuple[bytes, int]:
    """A text table without the rows that match, every other byte as it was, and how many rows went."""
    table = open_table([listed.path], listed.form, what=listed.what, ids=[column])
    (dialect,) = table.dialects
    text = listed.path.read_bytes().decode(dialect.encoding)
    position, gone = dialect.names.index(column), 0
    lines = list(io.StringIO(text, newline=""))
    kept, body = lines[: dialect.skipped], lines[dialect.skipped :]
    pending: list[str] = []

    def feed() -> Iterator[str]:
        for line in body:
            pending.append(line)
            yield line

    for row in csv.reader(feed(), delimiter=dialect.delimiter, skipinitialspace=dialect.spaced):
        if len(row) > position and matches(row[position]):
            gone += 1
        else:
            kept += pending
        pending.clear()
    return "".join(kept).encode(dialect.encoding), gone


def _json_lines(listed: Listed, column: str, matches: Matches) -> tuple[bytes, int]:
    kept, gone = [], 0
    for line in listed.path.read_bytes().splitlines(keepends=True):
        value = json.loads(line).get(column) if line.strip() else None
        if value is not None and matches(str(value)):
            gone += 1
        else:
            kept.append(line)
    return b"".join(kept), gone


def _replaced(listed: Listed, content: bytes, gone: int) -> bool:
    """Write what is left of a file; it stays as it is if not exactly their rows would go."""
    if gone != listed.rows:
        hint = "take them out with your own tools"
        raise FindCLIError(
            f"{listed.path} stays as it is: {listed.rows} rows are of these users, and {gone} would go", hint=hint
        )
    with replacing(listed.path) as draft:
        draft.write_bytes(content)
    return True
