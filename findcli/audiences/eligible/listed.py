"""Whom a file names: a suppression list, an earlier audience, seeds. Ids are compared as seeds' are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from findcli.data.reader.ids import ids_in_type, same_ids
from findcli.data.reader.tables import Table, open_table, reading
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.table_form import TableForm

WHAT = "the file of users to exclude"


@dataclass(frozen=True)
class Listed:
    """Users that a file names.

    Attributes:
        name: how it is called.
        names: who of N users is named, bool (N,).
        ids: how many different ids it names.
        strangers: how many of them are no user here.
        example: one of those, as it is written; None if there is none.
        other_case: how many of those differ from a user in capitals alone.
    """

    name: str
    names: np.ndarray
    ids: int
    strangers: int = 0
    example: str | None = None
    other_case: int = 0

    @property
    def warning(self) -> str | None:
        """What the reader should know before trusting it; None if all is well."""
        if not self.strangers or (self.strangers < self.ids and not self.other_case):
            return None
        if self.other_case:
            return (
                f"{self.other_case:,} of the {self.ids:,} ids in {self.name} differ from a user in capitals alone, "
                f"such as {self.example!r}: they exclude nobody, since two spellings are two users"
            )
        return f"none of the {self.ids:,} ids in {self.name} is a user here, such as {self.example!r}: another id?"


def read_listed(path: Path, users: pl.Series, workspace: Workspace) -> Listed:
    """Read whom a file names.

    Args:
        path: a saved audience's name, or a file: Parquet, CSV, JSONL or Excel with a column `user_id`, or the
            workspace's own name for it, or only one column; of such a one the first line is an id too, since a plain
            list has no header.
        users: N ids.
        workspace: names its columns of users.

    Raises:
        FindCLIError: there is no such file, it cannot be read, or it has several columns and none of users.
    """
    name, path = str(path), listed_file(workspace, path)
    table = open_table([path], what=WHAT, ids=["user_id"])
    column = user_column(table, workspace)
    with reading(WHAT, [path]):
        ids = ids_in_type(table, TableForm(), column, users.dtype)
    if column not in _names(workspace) and table.dialects and table.dialects[0].header:
        first = pl.DataFrame({"written": [column]})
        first = first.with_columns(user_id=same_ids(pl.col("written"), pl.String(), users.dtype))
        if first["user_id"].is_in(users.implode()).any():
            ids = pl.concat([first, ids.with_columns(pl.col("written").cast(pl.String))])
    return _matched(name, ids.drop_nulls("written").unique("written", maintain_order=True), users)


def listed_file(workspace: Workspace, name: Path) -> Path:
    """The file that a name stands for: the file itself, or the list of a saved audience, its control group included.

    Raises:
        FindCLIError: there is neither.
    """
    saved = workspace.audiences / name / "users.parquet"
    if not name.is_file() and len(name.parts) == 1 and saved.is_file():
        return saved
    if not name.is_file():
        hint = "name a saved audience, or a file with a column user_id or with one id a line"
        raise FindCLIError(f"there is no file {name} to exclude users by", hint=hint)
    return name


def require_kept(path: Path, output: Path | None) -> None:
    """Refuse to write the audience over a list that it is to leave out.

    Raises:
        FindCLIError: both are one file.
    """
    if output is not None and output.resolve() == path.resolve():
        raise FindCLIError(f"{path} is the list of users to exclude", hint="write the audience to another file")


def _matched(name: str, ids: pl.DataFrame, users: pl.Series) -> Listed:
    known = ids["user_id"].is_in(users.implode()).fill_null(value=False)
    strange = ids.filter(~known)["written"].cast(pl.String)
    lower = users.cast(pl.String).str.to_lowercase()
    other = strange.filter(strange.str.to_lowercase().is_in(lower.implode()))
    example = other[0] if len(other) else strange[0] if len(strange) else None
    named = users.is_in(ids.filter(known)["user_id"].implode())
    return Listed(name, named.to_numpy(), len(ids), len(strange), example, len(other))


def user_column(table: Table, workspace: Workspace) -> str:
    """The column of users: `user_id`, the workspace's own name for it, or the only column there is.

    Raises:
        FindCLIError: there are several, and none of these.
    """
    columns = table.schema.names()
    for name in _names(workspace):
        if name in columns:
            return name
    if len(columns) == 1:
        return columns[0]
    hint = "name the column of users user_id"
    raise FindCLIError(f"{table.files[0]} has no column user_id, only: {', '.join(columns)}", hint=hint)


def _names(workspace: Workspace) -> list[str]:
    """The names a column of users may have."""
    settings = workspace.settings
    return ["user_id", *dict.fromkeys([*(source.user for source in settings.sources), str(settings.profile.user)])]
