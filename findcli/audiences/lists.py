"""Lists of users as commands name them: a saved audience, or a file with a column `user_id`.

Tested in tests/audiences/test_sets.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from findcli.audiences.handoff.plain import unescaped
from findcli.audiences.saved import NAME, Record, open_audience
from findcli.data.reader.ids import CANONICAL, settled_ids
from findcli.data.reader.tables import open_table, reading
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace
from findcli.workspace.table_form import TableForm

WHAT = "the list of users"
COLUMNS = {"score": pl.Float64, "probability": pl.Float64, "rank": pl.Int64, "group": pl.String}


@dataclass(frozen=True)
class UserList:
    """A list of users.

    Attributes:
        name: the audience's name, or the file.
        users: user_id, each once, and score, probability, rank and group as far as they are known, in order.
        digest: of the audience's list or the file.
        record: the manifest of an audience; None of a file.
    """

    name: str
    users: pl.DataFrame
    digest: str
    record: Record | None = None


def open_list(workspace: Workspace, name: str) -> UserList:
    """Open a saved audience, or a file: a name without an extension and without a file of it is an audience.

    Args:
        workspace: of the audiences.
        name: the audience's name, or a .parquet, .csv or .jsonl file with a column `user_id`.

    Raises:
        FindCLIError: there is no such audience or file, or the file has no column `user_id`.
    """
    path = Path(name)
    if NAME.fullmatch(name) and not path.is_file():
        saved = open_audience(workspace, name)
        return UserList(name, saved.users(), saved.record.users_digest, saved.record)
    if not path.is_file():
        hint = "name a saved audience (findcli audience list), or a file with a column user_id"
        raise FindCLIError(f"there is no file {name}", hint=hint)
    return UserList(name, _read(path), hash_file(path))


def _read(path: Path) -> pl.DataFrame:
    """A file's users, the first row of each; a list of users may hold more columns, which stay out."""
    table, form = open_table([path], what=WHAT, ids=["user_id"]), TableForm()
    if "user_id" not in table.schema:
        hint = "name the column of ids user_id"
        raise FindCLIError(f"{path} has no column user_id, only: {', '.join(table.schema.names())}", hint=hint)
    known = {name: kind for name, kind in COLUMNS.items() if name in table.schema}
    with reading(WHAT, [path]):
        columns = [pl.col(name).cast(kind, strict=False) for name, kind in known.items()]
        frame = table.frame.select(settled_ids(table, form, "user_id").alias("user_id"), *columns).collect()
    if path.suffix.lower() == ".csv":
        frame = frame.with_columns(unescaped(pl.col("user_id")))
    return frame.drop_nulls("user_id").unique("user_id", keep="first", maintain_order=True)


def as_text(users: pl.DataFrame) -> pl.DataFrame:
    """The same with ids as text, as which ids of different files are compared: 7 is "7", and "007" is another."""
    return users.with_columns(pl.col("user_id").cast(pl.String))


def in_id_type(users: pl.DataFrame, wanted: pl.DataType) -> pl.DataFrame:
    """The same with ids in another type, where every one of them is written as that type would write it."""
    if wanted == pl.String or not users["user_id"].str.contains(CANONICAL).all():
        return users
    return users.with_columns(pl.col("user_id").cast(wanted))
