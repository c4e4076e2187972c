"""Which users are one person: users of a group are held out, validate and are resampled together.

A user may be an enrolment, an account or a card, and the person behind it may recur. What a model learned of one
enrolment must not be scored on another one of the same person.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data import sources
from findcli.data.places import copies
from findcli.data.profiles import profile_files
from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import open_table, text_of
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Split


def groups_of(workspace: Workspace, users: pl.Series) -> pl.Series:
    """The group of each user, in the order of `users`: the user itself where [split] names no groups, or none for it.

    Args:
        workspace: whose [split] names the groups.
        users: ids of users.

    Raises:
        FindCLIError: the pattern fits no user, or the column is not in the profile's table.
    """
    split = workspace.settings.split
    if split.group_pattern is not None:
        groups = users.cast(pl.String).str.extract(split.group_pattern, 1)
        if len(users) and groups.null_count() == len(users):
            hint = "its bracketed part is the person, as in group_pattern = '-(\\d+)$' for AAA-2013J-28400"
            raise FindCLIError(f"group_pattern = {split.group_pattern!r} fits no user, such as {users[0]}", hint=hint)
    elif split.group is not None:
        named = _column(workspace, split.group)
        of_users = pl.DataFrame({"user_id": users}).join(named, on="user_id", how="left", maintain_order="left")
        groups = of_users["group"]
    else:
        return users.alias("group")
    return pl.select(pl.coalesce(groups, users.cast(pl.String)).alias("group")).to_series()


def declared_split(split: Split) -> dict[str, Any]:
    """The values of [split]; what says who is one person is left out where it is not given."""
    return {key: value for key, value in asdict(split).items() if value is not None or not key.startswith("group")}


def group_files(workspace: Workspace) -> list[Path]:
    """The files that say who is one person."""
    named = workspace.settings.split.group is not None
    return profile_files(workspace) if named else []


def group_digests(workspace: Workspace) -> dict[str, str]:
    """The digest of each of these files; of a table that lies elsewhere that of its rows."""
    profile, files = workspace.settings.profile, group_files(workspace)
    if files and copies.lies_elsewhere(workspace, profile):
        return {"group": copies.kept_digest(workspace, profile, what="the profile table")}
    return {f"group {i}": hash_file(file) for i, file in enumerate(files)}


def is_grouped(workspace: Workspace) -> bool:
    """Whether [split] says which users are one person."""
    split = workspace.settings.split
    return split.group is not None or split.group_pattern is not None


def _column(workspace: Workspace, name: str) -> pl.DataFrame:
    """user_id and group (String), from a column of the profile's table, one row a user."""
    profile = workspace.settings.profile
    table = open_table(group_files(workspace), profile, what="the profile table", ids=[str(profile.user)])
    if name not in table.schema:
        hint = f"its columns are: {', '.join(table.schema.names())}; correct group in [split]"
        raise FindCLIError(f"the profile table {table.files[0]} has no column {name!r}", hint=hint)
    with sources.reading(table.what, table.files):
        users = ids_in_type(table, profile, str(profile.user), sources.id_type(workspace))["user_id"]
        groups = table.frame.select(text_of(pl.col(name), table.schema[name]).alias("group")).collect()
    return groups.insert_column(0, users).drop_nulls().unique("user_id", keep="last", maintain_order=True)
