"""Tables of an unknown form that are no plain files: at s3://, of a DuckDB file, Delta and Iceberg folders.

Tested in tests/datasets/test_unknown_tables.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from findcli.data.places.duckdb_file import DuckDBFile, table_names
from findcli.data.places.find import place_at
from findcli.data.places.place import Place
from findcli.data.reader.files import scratch
from findcli.workspace.settings_checks import DATABASES

BETWEEN = "::"  # a DuckDB file and one of its tables


@dataclass(frozen=True)
class Fetched:
    """A table that was copied to be looked at.

    Attributes:
        copy: the folder of the copy, gone when the process ends.
        named: how findcli.toml names the table: its path, and the query of a database.
        stem: what to call it.
    """

    copy: Path
    named: dict[str, str]
    stem: str


def is_elsewhere(name: str) -> bool:
    """Whether a name stands for no plain file."""
    return _database(name) is not None or place_at(name, Path(name)) is not None


def tables_of(name: str) -> list[str]:
    """The tables that a name stands for: those of a DuckDB file, or itself.

    Raises:
        FindCLIError: the DuckDB file cannot be read.
    """
    if _database(name) is None or BETWEEN in name:
        return [name]
    return [f"{name}{BETWEEN}{table}" for table in table_names(Path(name))]


def fetch(name: str) -> Fetched | None:
    """Copy a table to look at; None of plain files.

    Raises:
        FindCLIError: it cannot be read.
    """
    place: Place | None
    file, _, table = name.partition(BETWEEN)
    named = {"path": file}
    if _database(name) is not None:
        quoted = table.replace('"', '""')
        named["query"] = f'select * from "{quoted}"'
        place = DuckDBFile(Path(file), file, named["query"])
    else:
        place = place_at(name, Path(name))
    if place is None:
        return None
    folder = scratch() / f"place-{len(list(scratch().iterdir()))}" / "parts"
    folder.mkdir(parents=True)
    place.read(folder, before=None)
    return Fetched(folder, named, table or Path(file).name.split(".")[0].strip("*-_ ") or "events")


def _database(name: str) -> str | None:
    file = name.partition(BETWEEN)[0]
    return file if file.lower().endswith(DATABASES) else None
