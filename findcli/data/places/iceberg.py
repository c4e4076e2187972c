"""An Iceberg table of a catalog, or by its metadata file, as of its newest snapshot."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.places.place import asking, library, sink_parts, variable
from findcli.data.places.postgres import secrets_of
from findcli.errors import FindCLIError

EXTRA = "iceberg"
METADATA = ".metadata.json"
CATALOG = "findcli"  # further properties come from PYICEBERG_CATALOG__FINDCLI__..., as PyIceberg reads them


@dataclass(frozen=True)
class Iceberg:
    """An Iceberg table.

    Attributes:
        path: its metadata file, or its folder, as the workspace names it; None for one of a catalog.
        uri: the same as PyIceberg takes it.
        connection: "env:NAME" of the catalog's URI.
        table: its name in the catalog.
        storage: how an object store is reached.
    """

    path: str | None = None
    uri: str = ""
    connection: str | None = None
    table: str | None = None
    storage: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """See `Place`."""
        named = {"path": self.path, "connection": self.connection, "table": self.table}
        return {"kind": "iceberg"} | {key: value for key, value in named.items() if value is not None}

    def version(self) -> str | None:
        """See `Place`: the table's id and its current snapshot."""
        with self._asking(), self._opened() as table:
            snapshot = table.current_snapshot()
            return f"{table.metadata.table_uuid} {None if snapshot is None else snapshot.snapshot_id}"

    def read(self, folder: Path, *, before: Path | None) -> None:  # noqa: ARG002, all rows are read again
        """See `Place`."""
        with self._asking(), self._opened() as table, warnings.catch_warnings():
            warnings.simplefilter("ignore", pl.exceptions.PerformanceWarning)  # of a planner that PyPI may bring
            sink_parts(pl.scan_iceberg(table, storage_options=self.storage or None), folder)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.connection is None:
            static = library("pyiceberg.table", extra=EXTRA, what=str(self.path)).StaticTable
            yield static.from_metadata(self.uri, properties=_properties(self.storage))
            return
        catalogs = library("pyiceberg.catalog", extra=EXTRA, what=str(self.table))
        _, uri = variable(self.connection)
        with closing(catalogs.load_catalog(CATALOG, uri=uri, **_properties(self.storage))) as catalog:
            yield catalog.load_table(self.table)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        what = self.path or f"the Iceberg table {self.table!r}"
        library("pyiceberg", extra=EXTRA, what=what)
        hint = (
            "correct `path` in findcli.toml" if self.path else "correct `table` in findcli.toml, or the catalog's URI"
        )
        try:
            with asking(what, _errors(), hint=hint):
                yield
        except FindCLIError as error:
            text = error.message
            for secret in secrets_of(variable(self.connection)[1]) if self.connection else ():
                text = text.replace(secret, "***")
            raise FindCLIError(text, hint=error.hint) from None


def _errors() -> tuple[type[Exception], ...]:
    """What PyIceberg and the libraries below it raise; it has no exception of its own above all."""
    from pyiceberg import exceptions

    several = [each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, Exception)]
    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        return (*several, ValueError)
    return (*several, ValueError, SQLAlchemyError)


def _properties(storage: dict[str, str]) -> dict[str, str]:
    """How an object store is reached, as PyIceberg names it."""
    names = {"aws_endpoint_url": "s3.endpoint", "aws_region": "s3.region"}
    return {names[key]: value for key, value in storage.items() if key in names}


def newest_metadata(names: list[str]) -> str | None:
    """The newest metadata file of a table's folder: the one of the highest number, as 00002-... or v2."""
    numbered = [(int(number.group(1)), name) for name in names if (number := re.search(r"(?:^|/)v?(\d+)[^/]*$", name))]
    return max(numbered)[1] if numbered else None
