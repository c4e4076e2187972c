"""The table of contacts, read at export alone: no stage of training opens it.

Tested in tests/audiences/handoff/test_export.py.
"""

from __future__ import annotations

import polars as pl

from findcli.data.reader import nulls
from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import Table, open_table, reading
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, files_of
from findcli.workspace.settings import Contacts

WHAT = "the table of contacts"
FIELDS = ("email", "phone", "first_name", "last_name", "city", "state", "zip", "country", "madid", "handle")


def contact_columns(contacts: Contacts) -> dict[str, tuple[str, ...]]:
    """The columns that [contacts] names, by field; fields that it does not name are left out."""
    named = {field: getattr(contacts, field) for field in FIELDS}
    several = {field: (names,) if isinstance(names, str) else names or () for field, names in named.items()}
    return {field: names for field, names in several.items() if names}


def read_contacts(workspace: Workspace, users: pl.Series) -> pl.DataFrame:
    """The contacts of some users: rows of user_id (text), and a column of text "FIELD 1", "FIELD 2" for each named.

    Args:
        workspace: whose [contacts].
        users: ids as text; a user may have no row, or several.

    Raises:
        FindCLIError: [contacts] names no table, or one that lacks a column or cannot be read.
    """
    contacts = workspace.settings.contacts
    if contacts.path is None:
        hint = "name the table of contacts: path, user, email = [...], phone = [...] in [contacts] of findcli.toml"
        raise FindCLIError("there is no [contacts] table in this workspace", hint=hint)
    files = files_of(workspace.path(contacts.path))
    if not files:
        hint = "put the table there, or correct `path` in [contacts]"
        raise FindCLIError(f"no file matches {contacts.path!r} of [contacts] in {workspace.folder}", hint=hint)
    table = open_table(files, contacts, what=WHAT, ids=[contacts.user])
    named = contact_columns(contacts)
    _require(table, [contacts.user, *(name for names in named.values() for name in names)])
    columns = {f"{field} {i}": name for field, names in named.items() for i, name in enumerate(names, 1)}
    with reading(WHAT, files):
        ids = ids_in_type(table, contacts, contacts.user, pl.String())["user_id"]
        values = table.frame.select(**{key: _text(table, contacts, name) for key, name in columns.items()}).collect()
    rows = values.insert_column(0, ids.alias("user_id"))
    return rows.filter(pl.col("user_id").is_in(users.implode())).unique(maintain_order=True)


def _text(table: Table, contacts: Contacts, name: str) -> pl.Expr:
    """A column as text; a column of decimals, as a spreadsheet exports phone numbers, as whole numbers."""
    if table.schema[name].is_float():
        return pl.col(name).cast(pl.Int64, strict=False).cast(pl.String)
    return nulls.data(table, contacts, name)


def _require(table: Table, names: list[str]) -> None:
    missing = sorted(set(names) - set(table.schema))
    if missing:
        hint = f"its columns are: {', '.join(table.schema.names())}; correct [contacts]"
        raise FindCLIError(f"{WHAT} has no column {', '.join(map(repr, missing))}", hint=hint)
