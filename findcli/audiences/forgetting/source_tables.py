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

from findcli.data.reader.files import look_at
from findcli.data.reader.ids import DECIMAL, settled_ids
from findcli.data.reader.tables import Table, open_table, reading
from findcli.errors import FindCLIError
from findcli.workspace.disk import replacing
from findcli.workspace.folder import Workspace, files_of
from findcli.workspace.table_form import TableForm

Matches = Callable[[str], bool]


@dataclass(frozen=True)
class Listed:
    """A file of the user's own that names some users.

    Attributes:
        what: which table it is part of, such as "source 'orders'".
        path: the file.
        rows: how many rows of it are theirs.
        column: the column of ids.
        form: what is declared of the table.
    """

    what: str
    path: Path
    rows: int
    column: str
    form: TableForm


def listed_in_sources(workspace: Workspace, users: Collection[str]) -> list[Listed]:
    """The files of sources, tasks, profile, contacts and the like that name users; what cannot be read is left out.

    Args:
        workspace: whose tables.
        users: ids as text.
    """
    return [each for table in _tables(workspace) for each in _listed(*table, users)]


def take_out(listed: Listed, users: Collection[str]) -> bool:
    """Rewrite a file without the rows of some users, whole or not at all; False where it is of a form that stays.

    Args:
        listed: the file.
        users: ids as text.

    Raises:
        FindCLIError: the disk is full, or not exactly their rows would go: the file stays as it was.
    """
    stored = look_at(listed.path, what=listed.what)
    if stored.packed or stored.kind == "excel":
        return False
    if stored.kind == "parquet":
        frame = pl.read_parquet(listed.path, glob=False)
        ids = _ids(open_table([listed.path], listed.form, what=listed.what), listed.form, listed.column)
        kept = frame.filter(~ids.is_in(list(users)).fill_null(value=False))
        _require_exact(listed, len(frame) - len(kept))
        with replacing(listed.path) as draft:
            kept.write_parquet(draft)
        return True
    lines = _text_lines if stored.kind == "text" else _json_lines
    content, gone = lines(listed, _matcher(users, declared=listed.form.types.get(listed.column)))
    _require_exact(listed, gone)
    with replacing(listed.path) as draft:
        draft.write_bytes(content)
    return True


def _tables(workspace: Workspace) -> Iterator[tuple[str, TableForm, Path, str]]:
    """What each table is called, its form, its path and its column of ids."""
    settings = workspace.settings
    named: dict[str, Any] = {f"source {source.name!r}": source for source in settings.sources}
    named |= {f"task {name!r}": task for name, task in settings.tasks.items()}
    single = {f"[{each.name}]": getattr(settings, each.name) for each in fields(settings)}
    named |= {what: table for what, table in single.items() if isinstance(table, TableForm)}
    for what, table in named.items():
        for path in files_of(workspace.path(table.path)) if table.path is not None and table.user is not None else ():
            yield what, table, path, table.user


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


def _text_lines(listed: Listed, matches: Matches) -> tuple[bytes, int]:
    """A text table without the rows that match, every other byte as it was, and how many rows went."""
    table = open_table([listed.path], listed.form, what=listed.what, ids=[listed.column])
    (dialect,) = table.dialects
    text = listed.path.read_bytes().decode(dialect.encoding)
    position, gone = dialect.names.index(listed.column), 0
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


def _json_lines(listed: Listed, matches: Matches) -> tuple[bytes, int]:
    kept, gone = [], 0
    for line in listed.path.read_bytes().splitlines(keepends=True):
        value = json.loads(line).get(listed.column) if line.strip() else None
        if value is not None and matches(str(value)):
            gone += 1
        else:
            kept.append(line)
    return b"".join(kept), gone


def _require_exact(listed: Listed, gone: int) -> None:
    if gone != listed.rows:
        hint = "take them out with your own tools"
        raise FindCLIError(
            f"{listed.path} stays as it is: {listed.rows} rows are of these users, and {gone} would go", hint=hint
        )
