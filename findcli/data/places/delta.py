"""A Delta table, on this machine or at s3://, as of its newest version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data.places.place import asking, library, sink_parts

EXTRA = "delta"
LOG = "_delta_log"


@dataclass(frozen=True)
class Delta:
    """A Delta table.

    Attributes:
        uri: the table's folder.
        path: the same as the workspace names it.
        storage: how an object store is reached; nothing for a folder of this machine.
    """

    uri: str
    path: str
    storage: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """See `Place`."""
        return {"kind": "delta", "path": self.path}

    def version(self) -> str | None:
        """See `Place`: the table's id and the number of its newest version."""
        with self._asking():
            table = self._open()
            return f"{table.metadata().id} {table.version()}"

    def read(self, folder: Path, *, before: Path | None) -> None:  # noqa: ARG002, all rows are read again
        """See `Place`."""
        with self._asking():
            sink_parts(pl.scan_delta(self._open()), folder)

    def _open(self) -> Any:
        deltalake = library("deltalake", extra=EXTRA, what=self.path)
        return deltalake.DeltaTable(self.uri, storage_options=self.storage or None)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        errors = library("deltalake.exceptions", extra=EXTRA, what=self.path)
        with asking(self.path, (errors.DeltaError,), hint="is it a whole Delta table? Correct `path` in findcli.toml"):
            yield
