"""Tables of an unknown form, and which of their columns holds the users.

Tested in tests/datasets/test_tables.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.sources import scan_table
from findcli.datasets import columns
from findcli.errors import FindCLIError
from findcli.workspace.folder import files_of

SAMPLE = 20_000
OVERLAP, FEWEST = 0.5, 0.05


@dataclass(frozen=True)
class Guess:
    """What one table was taken for.

    Attributes:
        path: the table as it was given.
        role: "source NAME", "profile" or "not used".
        why: what was guessed and from what.
        unsure: what could not be told, and what to do about it.
    """

    path: str
    role: str
    why: tuple[str, ...]
    unsure: tuple[str, ...] = ()


@dataclass
class Table:
    """A table that is being looked at.

    Attributes:
        path: as it was given.
        frame: the whole of it, lazily.
        sample: its first rows.
        user: the column of the user id, when it has one.
        times: how its columns of times read.
        source: the [[sources]] entry it becomes.
        profile: the [profile] it becomes.
        why: reasons, for the report.
        unsure: doubts, for the report.
    """

    path: str
    frame: pl.LazyFrame
    sample: pl.DataFrame
    user: str | None = None
    times: dict[str, columns.Reading] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return Path(self.path).stem

    def guess(self) -> Guess:
        """The table's entry of the report."""
        role = f"source {self.source['name']}" if self.source else "profile" if self.profile else "not used"
        return Guess(self.path, role, tuple(self.why), tuple(self.unsure))


def open_table(name: str) -> Table:
    """Open a file, or the files of a glob as one table.

    Raises:
        FindCLIError: there is none, it cannot be read, or a column's name cannot be used.
    """
    path = Path(name)
    if path.is_dir():
        raise FindCLIError(f"{name} is a folder", hint=f"name its files, such as '{name}/*.parquet'")
    files = files_of(path)
    if not files:
        raise FindCLIError(f"there is no file {name}", hint="name CSV or Parquet files that exist")
    frame = scan_table(files, what=f"the table {name}")
    patterns = [column for column in frame.collect_schema().names() if column == "*" or column.startswith("^")]
    if patterns:
        raise FindCLIError(
            f"{name} has a column named {patterns[0]!r}", hint="rename it; polars takes such a name for a pattern"
        )
    return Table(name, frame, frame.head(SAMPLE).collect())


def find_users(tables: list[Table]) -> None:
    """Find every table's column of user ids: by its name, or by sharing its values with that of another table."""
    for table in tables:
        named = [name for name in id_columns(table) if columns.is_user_name(name, table=table.stem)]
        if named:
            table.user = max(named, key=lambda name: table.sample[name].n_unique())
            table.why.append(f"user = {table.user!r}: its name says so")
    if all(table.user is None for table in tables):
        _find_nameless_user(tables)
    known = {value for table in tables if table.user for value in _values(table, table.user)}
    names = {table.user for table in tables}
    for table in (table for table in tables if table.user is None):
        _find_shared_user(table, known, names)
    _report_strangers(tables)


def id_columns(table: Table) -> list[str]:
    """Columns of whole numbers or text that hold more than one value."""
    return [
        name
        for name, kind in table.sample.schema.items()
        if columns.is_id_type(kind) and table.sample[name].n_unique() > 1
    ]


def _values(table: Table, column: str) -> set[str]:
    return set(table.sample[column].drop_nulls().cast(pl.String).unique())


def _nameless(table: Table) -> list[str]:
    """Columns that may hold user ids although nothing in their names says so."""
    return [
        name
        for name in id_columns(table)
        if not columns.is_other_name(name) and columns.read_times(table.sample, name) is None
    ]


def _find_nameless_user(tables: list[Table]) -> None:
    """Start from the column whose values recur in the most tables, or else from the one that looks most like ids."""
    candidates = [(table, name, _values(table, name)) for table in tables for name in _nameless(table)]
    ranked = []
    for table, name, values in candidates:
        elsewhere = {
            other.path for other, _, others in candidates if other is not table and _overlap(values, others) >= OVERLAP
        }
        repeated = len(values) < len(table.sample)
        ranked.append((len(elsewhere), repeated, len(values), table, name))
    if not ranked:
        return
    shared, _, _, table, name = max(ranked, key=lambda entry: entry[:3])
    table.user = name
    recur = f" and recur in {shared} other tables" if shared else ""
    table.why.append(f"user = {name!r}: its values look like ids{recur}")
    table.unsure.append(f"nothing in the name {name!r} says that it is the user")


def _find_shared_user(table: Table, known: set[str], names: set[str | None]) -> None:
    shared = {name: _values(table, name) for name in _nameless(table)}
    # A handful of small numbers is found among the ids of any large table.
    telling = {name: values for name, values in shared.items() if name in names or len(values) >= FEWEST * len(known)}
    best = max(telling, key=lambda name: (name in names, _overlap(telling[name], known)), default=None)
    if best is not None and (best in names or _overlap(telling[best], known) >= OVERLAP):
        table.user = best
        share = len(telling[best] & known) / len(telling[best])
        table.why.append(f"user = {best!r}: {share:.0%} of its values are user ids of the other tables")


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(min(len(one), len(other)), 1)


def _report_strangers(tables: list[Table]) -> None:
    """Doubt the users of a table that no other table knows."""
    for table in tables:
        others = {
            value for other in tables if other.user and other is not table for value in _values(other, other.user)
        }
        if table.user and others and not _values(table, table.user) & others:
            table.unsure.append(f"no user in {table.user!r} occurs in another table; are the ids of one kind?")
