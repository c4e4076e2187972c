"""What a table of findcli.toml may say of where it lies and how its files are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from annotated_doc import Doc

ColumnType = Literal["text", "integer", "decimal"]


@dataclass(frozen=True, kw_only=True)
class TableForm:
    """How the files of a table are written; what is not given is decided from the files, and said."""

    encoding: Annotated[str | None, Doc("of text files, such as 'utf-8', 'utf-16' or 'cp1252'")] = None
    delimiter: Annotated[str | None, Doc("what parts the fields of a row: ',', ';', '|' or a tab")] = None
    header: Annotated[bool | None, Doc("whether the first row names the columns; else they are column_1, ...")] = None
    comment: Annotated[str | None, Doc("lines that begin with it are left out, such as '#'")] = None
    decimal: Annotated[Literal[".", ","] | None, Doc("the decimal mark of numbers")] = None
    null_values: Annotated[tuple[str, ...], Doc("further spellings of a missing value, in columns of any kind")] = ()
    types: Annotated[
        dict[str, ColumnType],
        Doc("columns of ids: 'text' keeps them as they stand, 'integer' reads 007 as 7, 'decimal' 7.0 as 7"),
    ] = field(default_factory=dict)
    time_format: Annotated[
        str | None,
        Doc(
            "of times held as text or numbers: 'iso', '%d/%m/%Y', 'epoch_s', 'epoch_ms', 'epoch_us' or 'epoch_ns'; "
            "'days' counts them from `origin`"
        ),
    ] = None
    origin: Annotated[
        datetime | None, Doc("the date of day 0, with time_format = 'days'; default: that of [workspace]")
    ] = None
    timezone: Annotated[
        str | None, Doc("zone of times without one, such as 'Europe/Berlin'; times are kept in UTC")
    ] = None
    day_first: Annotated[bool | None, Doc("whether 01/02/2024 is the first of February")] = None


@dataclass(frozen=True, kw_only=True)
class TablePlace(TableForm):
    """Where a table lies: files here or at s3://, or a database that is asked for its rows."""

    path: Annotated[str | None, Doc("table's file, folder or glob; relative to this file, or at s3://")] = None
    query: Annotated[
        str | None,
        Doc("the SELECT whose rows are the table, of the database at `connection` or the DuckDB file `path`"),
    ] = None
    connection: Annotated[
        str | None, Doc("'env:NAME': the environment variable that holds the URL of a database or an Iceberg catalog")
    ] = None
    version_query: Annotated[
        str | None,
        Doc(
            "a cheap SELECT; `query` is read again only where its answer changed, such as 'select max(id) from orders'"
        ),
    ] = None
    table: Annotated[str | None, Doc("the table's name in the Iceberg catalog at `connection`, as 'shop.orders'")] = (
        None
    )

    @property
    def is_named(self) -> bool:
        """Whether it names any table at all."""
        return self.path is not None or self.query is not None or self.table is not None

    @property
    def where(self) -> str:
        """Where it lies, in words for messages; never a secret."""
        if self.path is not None:
            return self.path
        return f"{self.connection}, {'its query' if self.table is None else self.table}"
