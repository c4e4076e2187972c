"""Which users and categories training never sees: a stable salted hash, or files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from findcli.data.people import groups_of
from findcli.data.reader.text import read_lines
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run


@dataclass(frozen=True)
class Names:
    """The names that held-out categories exclude from training.

    Attributes:
        categories: the held-out categories, whose events make no sentence true.
        blocked: names of those categories and their items, in lower case, which no sentence may contain.
    """

    categories: list[str]
    blocked: list[str]


def bucket(kind: str, name: object, *, salt: str, buckets: int) -> int:
    """The bucket of a name: blake2b (8 bytes, as a number) of "kind:name", or "kind:salt:name", modulo `buckets`."""
    key = f"{kind}:{salt}:{name}" if salt else f"{kind}:{name}"
    return int(hashlib.blake2b(key.encode(), digest_size=8).hexdigest(), 16) % buckets


def held_out(kind: str, names: Iterable[object], *, salt: str, one_in: int, file: Path | None = None) -> set[object]:
    """The names that are held out.

    Args:
        kind: "user" or "category".
        names: user ids, or category names as in the table, before any lower-casing.
        salt: the split's salt.
        one_in: one name in so many is held out; 0 holds out none.
        file: a text file with one name per line; it replaces the hash.

    Raises:
        FindCLIError: the file cannot be read.
    """
    if file is not None:
        listed = read_names(file)
        return {name for name in names if str(name) in listed}
    if one_in == 0:
        return set()
    return {name for name in names if bucket(kind, name, salt=salt, buckets=one_in) == 0}


def read_names(file: Path) -> set[str]:
    """Read the names of a text file, one per line.

    Raises:
        FindCLIError: the file cannot be read.
    """
    return {line.strip() for line in read_lines(file, what="the file of names") if line.strip()}


def held_out_users(workspace: Workspace, users: pl.Series) -> set[object]:
    """The users that training never sees; a file that names one user of a group holds out all of it."""
    split = workspace.settings.split
    groups = groups_of(workspace, users)
    if split.users_file is None:
        held = held_out("user", groups.unique(), salt=split.salt, one_in=split.held_out_users)
    else:
        listed = read_names(workspace.folder / split.users_file)
        held = {group for user, group in zip(users, groups, strict=True) if str(user) in listed}
    return {user for user, group in zip(users, groups, strict=True) if group in held}


def require_known(what: str, file: str | None, held: set[object]) -> None:
    """Refuse a file of [split] that matches nothing in the data: a typo would silently hold out nobody.

    Raises:
        FindCLIError: there is a file, and no line of it occurs in the data.
    """
    if file is not None and not held:
        hint = "write one id or name per line, spelled as in the tables"
        raise FindCLIError(f"none of the held-out {what} in {file} occurs in the data", hint=hint)


def held_out_names(workspace: Workspace, log: Run) -> Names:
    """The held-out categories, and the names, theirs and their items', that no training sentence may contain."""
    columns = pl.scan_parquet(log.files("train/*.parquet"), glob=False).collect_schema()
    if "category" not in columns:
        return Names([], [])
    named = [slot for slot in ("category", "item") if slot in columns]
    combinations = (
        pl.scan_parquet(log.files("train/*.parquet"), glob=False).select(named).unique().collect(engine="streaming")
    )
    split = workspace.settings.split
    file = None if split.categories_file is None else workspace.folder / split.categories_file
    categories = combinations["category"].drop_nulls().unique()
    held = held_out("category", categories, salt=split.salt, one_in=split.held_out_categories, file=file)
    require_known("categories", split.categories_file, held)
    held_rows = combinations.filter(pl.col("category").is_in(list(held)))
    blocked = {name.lower() for slot in named for name in held_rows[slot].drop_nulls()}
    return Names(sorted(str(name) for name in held), sorted(blocked))
