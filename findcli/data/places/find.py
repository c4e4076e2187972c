"""Which place a table of findcli.toml lies at; a file of this machine is at none.

Tested in tests/data/places/test_copies.py.
"""

from __future__ import annotations

from pathlib import Path

from findcli.data.places.delta import LOG, Delta
from findcli.data.places.duckdb_file import DuckDBFile
from findcli.data.places.iceberg import METADATA, Iceberg, newest_metadata
from findcli.data.places.place import Place
from findcli.data.places.postgres import Postgres
from findcli.data.places.s3 import Bucket
from findcli.workspace.folder import Workspace
from findcli.workspace.objects import SCHEME, storage_options
from findcli.workspace.table_form import TablePlace


def place_of(workspace: Workspace, table: TablePlace) -> Place | None:
    """Where a table lies; None of one that is files of this machine.

    Args:
        workspace: whose table.
        table: the [[sources]] entry, [profile] or task.
    """
    if table.table is not None:
        return Iceberg(connection=table.connection, table=table.table, storage=storage_options())
    if table.query is not None and table.path is not None:
        return DuckDBFile(workspace.path(table.path), table.path, table.query, table.version_query)
    if table.query is not None:
        return Postgres(table.query, str(table.connection), table.version_query)
    return None if table.path is None else place_at(table.path, workspace.path(table.path))


def place_at(path: str, local: Path) -> Place | None:
    """The place that a path names by itself: s3://, or the folder of a Delta or Iceberg table.

    Args:
        path: as it is written.
        local: the same as a path of this machine.
    """
    if path.startswith(SCHEME):
        return Bucket(path)
    if (local / LOG).is_dir():
        return Delta(str(local), path)
    if path.endswith(METADATA):
        return Iceberg(path=path, uri=str(local))
    newest = newest_metadata([str(each) for each in local.glob(f"metadata/*{METADATA}")])
    return None if newest is None else Iceberg(path=path, uri=newest)
