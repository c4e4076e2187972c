"""Tables of an unknown form: opened by the one reader, counted over all rows, with a sample of the first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader import tables as reader
from findcli.data.reader.typed import typed_frame
from findcli.datasets import words
from findcli.datasets.decisions import dialect_settings, time_like
from findcli.datasets.elsewhere import Fetched, fetch
from findcli.errors import FindCLIError
from findcli.workspace.folder import files_of, literal_part
from findcli.workspace.table_form import TableForm

SAMPLE = 20_000
FLAT = (pl.String, pl.Boolean, pl.Date, pl.Categorical)


@dataclass(frozen=True)
class Guess:
    """What one table was taken for.

    Attributes:
        path: the table as it was given.
        role: "source NAME", "profile" or "not used".
        why: what was guessed and from what.
        unsure: what could not be told, and what to do about it.
        unused: the columns left unused, each with the reason.
        first: its first events as findcli will read them.
    """

    path: str
    role: str
    why: tuple[str, ...]
    unsure: tuple[str, ...] = ()
    unused: dict[str, str] = field(default_factory=dict)
    first: tuple[dict[str, Any], ...] = ()


@dataclass
class UnknownTable:
    """A table that is being looked at.

    Attributes:
        path: as it was given.
        named: how findcli.toml names it: its path, and the query of a database.
        table: its files, opened.
        form: how they are written.
        sample: its first rows, typed.
        rows: how many it has.
        filled: rows with a value, by column.
        distinct: different values, by column, about.
        user: the column of the user id, when it has one.
        times: columns that may hold times: "times", or "digits" that are numbers by their form.
        source: the [[sources]] entry it becomes.
        profile: the [profile] it becomes.
        why: reasons, for the report.
        unsure: doubts, for the report.
        unused: columns left unused, with the reason.
        attributes: columns of a source that say who the user is.
        remarks: comments for the file, by key of its table.
        first: its first events as they will be read.
        id_kind: the type of its ids, where other tables decide it.
        fetched: the copy that is looked at, of a table that is no plain file.
    """

    path: str
    named: dict[str, str]
    table: reader.Table
    form: TableForm
    sample: pl.DataFrame
    rows: int
    filled: dict[str, int]
    distinct: dict[str, int]
    user: str | None = None
    times: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    unused: dict[str, str] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    id_kind: str | None = None
    fetched: Fetched | None = None

    @property
    def stem(self) -> str:
        """The file's name without its suffixes; of a glob that names none, the folder's."""
        path = Path(self.path)
        if self.fetched is not None:
            return self.fetched.stem
        return path.name.split(".")[0].strip("*-_ ") or path.resolve().parent.name or "events"

    @property
    def columns(self) -> list[str]:
        """All columns that have a value."""
        return [name for name in self.sample.columns if self.filled[name]]

    def remark(self, key: str, line: str) -> None:
        """Add a comment to a key of the table; "" is the table's end."""
        self.remarks.setdefault(key, []).append(line)

    def guess(self) -> Guess:
        """The table's entry of the report."""
        role = f"source {self.source['name']}" if self.source else "profile" if self.profile else "not used"
        if self.source and not {"user", "time"} <= self.source.keys():
            role += ", incomplete"
        return Guess(self.path, role, tuple(self.why), tuple(self.unsure), self.unused, tuple(self.first))


def open_table(name: str) -> UnknownTable:
    """Open a file, the files of a folder or glob as one table, or one that lies elsewhere.

    Raises:
        FindCLIError: there is none, it cannot be read, or a column's name cannot be used.
    """
    fetched = fetch(name)
    path = Path(name) if fetched is None else fetched.copy
    files = files_of(path)
    if not files:
        what = f"{name} is a folder without tables" if path.is_dir() else f"there is no file {name}"
        raise FindCLIError(what, hint="name CSV, Parquet, JSONL or Excel files that exist")
    what = f"the table {name}"
    table = reader.open_table(files, what=what, root=literal_part(path, start=Path.cwd()))
    patterns = [column for column in table.schema.names() if column == "*" or column.startswith("^")]
    if patterns:
        raise FindCLIError(
            f"{name} has a column named {patterns[0]!r}", hint="rename it; polars takes such a name for a pattern"
        )
    form = replace(TableForm(), **dialect_settings(table))
    with reader.reading(what, files):
        sample = typed_frame(table, TableForm()).head(SAMPLE).collect()
        counts = table.frame.select(_counts(table, form)).collect(engine="streaming").row(0, named=True)
    filled = {column: counts[f"filled {column}"] for column in table.schema.names()}
    distinct = {column: counts[f"distinct {column}"] for column in table.schema.names()}
    named = {"path": name} if fetched is None else fetched.named
    opened = UnknownTable(name, named, table, form, sample, counts["rows "], filled, distinct, fetched=fetched)
    opened.why += table.notes
    opened.times = _find_times(opened)
    return opened


def _counts(table: reader.Table, form: TableForm) -> list[pl.Expr]:
    counts = [pl.len().alias("rows ")]
    for name, kind in table.schema.items():
        if kind.is_numeric() or kind in FLAT or isinstance(kind, pl.Datetime):
            value = nulls.data(table, form, name)
            counts += [
                value.is_not_null().sum().alias(f"filled {name}"),
                value.drop_nulls().approx_n_unique().alias(f"distinct {name}"),
            ]
        else:
            counts += [pl.col(name).count().alias(f"filled {name}"), pl.lit(0).alias(f"distinct {name}")]
    return counts


def _find_times(opened: UnknownTable) -> dict[str, str]:
    head = opened.table.frame.head(SAMPLE).collect()
    table = replace(opened.table, frame=head.lazy())
    looks = {name: time_like(table, opened.form, name) for name in opened.columns}
    # Digits may as well be a number of something.
    return {
        name: look
        for name, look in looks.items()
        if look == "times" or (look == "digits" and words.names(name, words.TIME_WORDS))
    }
