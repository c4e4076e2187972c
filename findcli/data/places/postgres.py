"""Rows of a PostgreSQL query by ADBC, in batches.

Numbers of type numeric come as text, with a point whatever the server's language: they are read as numbers here. What
cannot be held without guessing (money comes in cents without saying so) is refused with the cast to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl

from findcli.data.places.place import library, plain, variable, write_parts
from findcli.errors import FindCLIError, first_line

EXTRA = "postgres"
SCHEMES = ("postgresql", "postgres")
CASTS = {"money": "numeric", "interval": "text"}  # types that another one has to stand for
SECRET = re.compile("pass|secret|token|key", re.IGNORECASE)


@dataclass(frozen=True)
class Postgres:
    """The rows of a query.

    Attributes:
        query: the SELECT.
        connection: "env:NAME" of the server's URL.
        version_query: a cheap SELECT whose answer changes when the rows do; None reads them again each time.
    """

    query: str
    connection: str
    version_query: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """See `Place`."""
        return {"kind": "postgres", "query": self.query, "connection": self.connection}

    def version(self) -> str | None:
        """See `Place`: the answer to `version_query`."""
        if self.version_query is None:
            return None
        arro3 = library("arro3.core", extra=EXTRA, what="PostgreSQL")
        with self._cursor() as cursor, _asking(self.connection, "version_query"):
            cursor.execute(self.version_query)
            # Not cursor.fetchall, which needs pyarrow.
            reader = arro3.RecordBatchReader.from_arrow(cursor.fetch_arrow())
            return plain(row for batch in _batches(reader) for row in zip(*map(_values, batch.columns), strict=True))

    def read(self, folder: Path, *, before: Path | None) -> None:  # noqa: ARG002, all rows are read again
        """See `Place`."""
        arro3 = library("arro3.core", extra=EXTRA, what="PostgreSQL")
        with self._cursor() as cursor, _asking(self.connection, "query"):
            cursor.execute(self.query)
            reader = arro3.RecordBatchReader.from_arrow(cursor.fetch_arrow())
            write_parts(_frames(arro3, reader), folder)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor of a connection that can write nothing."""
        name, url = variable(self.connection)
        if urlsplit(url).scheme not in SCHEMES:
            hint = f"set {name} to such as postgresql://USER:PASSWORD@HOST/DATABASE"
            raise FindCLIError(f"the URL in {name} is not one of PostgreSQL, which alone is queried", hint=hint)
        driver = library("adbc_driver_postgresql.dbapi", extra=EXTRA, what="PostgreSQL")
        with _asking(self.connection, "connection"):
            opened = driver.connect(url)
        with opened, opened.cursor() as cursor:
            with _asking(self.connection, "connection"):
                cursor.execute("SET TRANSACTION READ ONLY")
            yield cursor


def _frames(arro3: Any, reader: Any) -> Iterator[pl.DataFrame]:
    fields = [reader.schema.field(i) for i in range(len(reader.schema.names))]
    _require_columns(fields)
    columns = [_column(field) for field in fields]
    schema = arro3.Schema([field.remove_metadata() for field in fields])  # types of its own as what they are stored in
    yield pl.DataFrame(arro3.Table.from_batches([], schema=schema)).select(columns)
    for batch in _batches(reader):
        yield pl.DataFrame(batch.with_schema(schema)).select(columns)


def _batches(reader: Any) -> Iterator[Any]:
    """The batches; what the server says in the middle of them is an error of polars' kind."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001, arro3 raises nothing narrower
            raise pl.exceptions.ComputeError(str(error)) from None
        yield batch


def _values(column: Any) -> list[Any]:
    return [value.as_py() for value in column]


def _require_columns(fields: list[Any]) -> None:
    """Refuse columns of one name, and types that would be misread."""
    names = [field.name for field in fields]
    for field in fields:
        kind = _metadata(field, b"POSTGRESQL:type")
        if kind in CASTS or (_is_own(field) and kind != "numeric"):
            hint = f"leave it out of the query, or cast it, such as: {field.name}::{CASTS.get(kind, 'text')}"
            raise FindCLIError(f"the query's column {field.name!r} is of type {kind}", hint=hint)
        if names.count(field.name) > 1:
            hint = f"give each a name of its own, such as: select ... as other_{field.name}"
            raise FindCLIError(f"the query has several columns named {field.name!r}", hint=hint)


def _metadata(field: Any, key: bytes) -> str:
    return str((field.metadata or {}).get(key, b"").decode())


def _is_own(field: Any) -> bool:
    """Whether a column's type is one that Arrow has no name for."""
    return "opaque" in _metadata(field, b"ARROW:extension:name")


def _column(field: Any) -> pl.Expr:
    """A column as the reader knows it: numeric as numbers, uuid and types of the database's own as text."""
    column, kind = pl.col(field.name), _metadata(field, b"POSTGRESQL:type")
    if kind == "numeric":
        modifier = int(_metadata(field, b"POSTGRESQL:typmod") or -1) - 4
        digits, scale = modifier >> 16, modifier & 0x7FF
        whole = modifier >= 0 and scale == 0 and digits <= 18
        return column.cast(pl.Int64 if whole else pl.Float64)
    if kind == "uuid":
        code = column.bin.encode("hex")
        pieces = [code.str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
        return pl.concat_str(pieces, separator="-").alias(field.name)
    if kind == "bpchar":  # char(n) is padded to its length, which means nothing
        return column.str.strip_chars_end(" ")
    return column


def _asking(connection: str, key: str) -> AbstractContextManager[None]:
    return _one_line(*variable(connection), key)


@contextmanager
def _one_line(name: str, url: str, key: str) -> Iterator[None]:
    """Turn what the database says into an error in one line that holds no part of the URL's secrets.

    The original is not chained: it may name them.
    """
    from adbc_driver_manager.dbapi import Error

    try:
        yield
    except (Error, pl.exceptions.PolarsError) as error:
        text = _message(error)
        for secret in secrets_of(url):
            text = text.replace(secret, "***")
        hint = f"correct {key} in findcli.toml" if key != "connection" else f"correct the URL in {name}"
        raise FindCLIError(f"PostgreSQL at {name}: {text}", hint=hint) from None


def _message(error: Exception) -> str:
    said = re.search(r"\b(?:ERROR|FATAL):\s+([^\n]+)", str(error))
    return said.group(1) if said else first_line(error)


def secrets_of(url: str) -> list[str]:
    """The parts of a URL that no message may hold: its password, whole and in pieces, and parameters of that name."""
    body = url.partition("://")[2]
    user = body.rpartition("@")[0]
    password = user.partition(":")[2]
    pieces = [piece for piece in re.split(r"[/@:?#&\s]", password) if len(piece) > 1]
    parameters = [value for key, value in parse_qsl(body.partition("?")[2]) if SECRET.search(key)]
    secrets = {url, user, password, unquote(password), *pieces, *map(unquote, pieces), *parameters}
    return sorted((secret for secret in secrets if secret and secret != unquote(user)), key=len, reverse=True)
