"""Who agreed to a purpose, and who objects to marketing of any kind, by the table that [consent] names.

Who is not in the table, or has no value there, has not agreed. Of several rows of a user the latest counts; of rows
without a date, or of the same date, one no is enough. Nothing here asks whether a consent was valid.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import Table, open_table, reading
from findcli.data.reader.times import TimeColumn, times_of
from findcli.data.reader.yes_no import yes_or_no
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, files_of
from findcli.workspace.privacy_settings import Consent


def require_purpose(settings: Consent, purpose: str | None) -> None:
    """Refuse to go on without a purpose where consent is by purpose, or with one that is not in the settings.

    Raises:
        FindCLIError: the purpose is missing or unknown.
    """
    names = ", ".join(settings.purposes)
    if purpose is None and settings.purposes:
        hint = f"say what the audience is for: --purpose {next(iter(settings.purposes))}; the purposes are {names}"
        raise FindCLIError("users of this workspace agree to purposes, and none is named", hint=hint)
    if purpose is not None and purpose not in settings.purposes:
        hint = f"the purposes are {names}" if names else "name purposes and their columns in [consent] of findcli.toml"
        raise FindCLIError(f"there is no purpose {purpose!r} in [consent]", hint=hint)


def agreed_and_objecting(
    workspace: Workspace, users: pl.Series, purpose: str | None, *, now: datetime | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Who agreed to a purpose, and who objects, bool (N,) each.

    Args:
        workspace: names the table in [consent]; without one everybody agreed and nobody objects.
        users: N ids.
        purpose: one of the settings; None asks for no purpose, so that everybody agreed.
        now: rows dated later count for nothing; default: the present.

    Raises:
        FindCLIError: the purpose is unknown, the table cannot be read or lacks a column, or a value is
            neither yes nor no.
    """
    settings = workspace.settings.consent
    if purpose is not None:
        require_purpose(settings, purpose)
    if settings.path is None:
        return np.ones(len(users), bool), np.zeros(len(users), bool)
    rows = _rows(workspace, settings, purpose, users.dtype, now or datetime.now(UTC))
    said = rows.group_by("user_id").agg(pl.col("agreed").all(), pl.col("objects").any())
    of_users = pl.DataFrame({"user_id": users}).join(said, on="user_id", how="left", maintain_order="left")
    agreed = (
        of_users["agreed"].fill_null(value=False) if purpose is not None else pl.repeat(True, len(users), eager=True)
    )
    return agreed.to_numpy(), of_users["objects"].fill_null(value=False).to_numpy()


def _rows(
    workspace: Workspace, settings: Consent, purpose: str | None, kind: pl.DataType, now: datetime
) -> pl.DataFrame:
    """The rows that count: user_id, agreed and objects, Boolean."""
    table = _open(workspace, settings)
    columns = {"agreed": settings.purposes[purpose] if purpose is not None else None, "objects": settings.objection}
    wanted = [settings.user, settings.time, *columns.values()]
    if missing := [name for name in wanted if name is not None and name not in table.schema]:
        hint = f"its columns are: {', '.join(table.schema.names())}; correct [consent] in findcli.toml"
        raise FindCLIError(f"the table of consent {table.files[0]} has no column {', '.join(missing)}", hint=hint)
    with reading(table.what, table.files):
        ids = ids_in_type(table, settings, settings.user, kind)["user_id"]
        values = {key: yes_or_no(table, settings, name) for key, name in columns.items() if name is not None}
        undated = pl.repeat(None, len(ids), dtype=pl.Datetime("us"), eager=True)
        times = undated if settings.time is None else _times(table, settings, settings.time)
    never = pl.repeat(False, len(ids), dtype=pl.Boolean, eager=True)
    said = {key: values.get(key, never).fill_null(value=False) for key in columns}
    frame = pl.DataFrame({**said, "user_id": ids, "time": times})
    early = frame.filter(pl.col("time").is_null() | (pl.col("time") <= now.astimezone(UTC).replace(tzinfo=None)))
    newest = pl.col("time").max().over("user_id")
    # A row without a date may be the latest, so that what it refuses holds.
    return early.filter(pl.col("time").is_null() | (pl.col("time") == newest)).drop_nulls("user_id")


def _open(workspace: Workspace, settings: Consent) -> Table:
    path = workspace.path(str(settings.path))
    files = files_of(path)
    if not files:
        hint = "put the table there, or correct `path` of [consent] in findcli.toml; nobody is ranked without it"
        raise FindCLIError(f"there is no table of consent {path}", hint=hint)
    return open_table(files, settings, what="the table of consent", ids=[settings.user])


def _times(table: Table, settings: Consent, name: str) -> pl.Series:
    """When each row was written, naive UTC."""
    return table.frame.select(time=times_of(TimeColumn(table, settings, name))).collect()["time"]
