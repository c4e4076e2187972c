"""Rows of a query of a DuckDB file, written to Parquet by DuckDB itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from findcli.data.places.place import asking, library, plain
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file
from findcli.workspace.runs import hash_json

EXTRA = "duckdb"
PART = "64MB"
# Types that Parquet, or the reader of tables, would hold as something else.
CASTS = {"UUID": "VARCHAR", "HUGEINT": "BIGINT", "UHUGEINT": "UBIGINT"}
REFUSED = ("INTERVAL", "BLOB", "BIT")


@dataclass(frozen=True)
class DuckDBFile:
    """The rows of a query.

    Attributes:
        file: the database.
        path: the file as the workspace names it.
        query: the SELECT.
        version_query: a cheap SELECT whose answer changes when the rows do; None looks at the file's bytes.
    """

    file: Path
    path: str
    query: str
    version_query: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """See `Place`."""
        return {"kind": "duckdb", "path": self.path, "query": self.query}

    def version(self) -> str | None:
        """See `Place`: the answer to `version_query`, or the digest of the file."""
        if self.version_query is None:
            log = self.file.with_name(f"{self.file.name}.wal")
            return hash_json([hash_file(each) for each in (self.file, log) if each.exists()])
        with self._opened() as database, self._asking("version_query"):
            return plain(database.execute(self.version_query).fetchall())

    def read(self, folder: Path, *, before: Path | None) -> None:  # noqa: ARG002, all rows are read again
        """See `Place`."""
        with self._opened() as database, self._asking("query"):
            columns = [(str(row[0]), str(row[1])) for row in database.execute(f"DESCRIBE {self.query}").fetchall()]
            for name, kind in columns:
                if kind in REFUSED:
                    hint = f"leave it out of the query, or cast it, such as: {name}::VARCHAR"
                    raise FindCLIError(f"the query's column {name!r} is of type {kind}", hint=hint)
            listed = ", ".join(_column(name, kind) for name, kind in columns)
            target = str(folder).replace("'", "''")
            database.execute(
                f"COPY (SELECT {listed} FROM ({self.query.rstrip().removesuffix(';')})) TO '{target}' "
                f"(FORMAT parquet, FILE_SIZE_BYTES '{PART}', OVERWRITE_OR_IGNORE)"
            )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        duckdb = library("duckdb", extra=EXTRA, what=self.path)
        if not self.file.is_file():
            raise FindCLIError(f"there is no file {self.file}", hint="put the database there, or correct `path`")
        with self._asking("path"):
            database = duckdb.connect(str(self.file), read_only=True)
        with database:
            yield database

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        import duckdb

        with asking(self.path, (duckdb.Error,), hint=f"correct {key} in findcli.toml"):
            yield


def table_names(file: Path) -> list[str]:
    """The tables and views of a database, in order of their names.

    Raises:
        FindCLIError: it cannot be read, or has none.
    """
    listed = "select table_name from information_schema.tables where table_schema = 'main' order by 1"
    place = DuckDBFile(file, str(file), listed)
    with place._opened() as database:
        names = [str(row[0]) for row in database.execute(listed).fetchall()]
    if not names:
        raise FindCLIError(f"{file} has no table", hint="name a database with tables")
    return names


def _column(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    return f"CAST({quoted} AS {CASTS[kind]}) AS {quoted}" if kind in CASTS else quoted
