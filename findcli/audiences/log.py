"""The log of saved audiences, `audiences/log.jsonl`: what was done, when, with how many users; lines are only added.

Tested in tests/audiences/test_saved.py.

A line holds counts and the digest of the list, never an id, so that `findcli forget` need not change the past.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from findcli.errors import FindCLIError
from findcli.workspace.disk import disk_problems
from findcli.workspace.folder import Workspace

FILE = "log.jsonl"
Action = Literal["saved", "refreshed", "combined", "exported", "forgotten", "removed", "measured", "unreadable"]


@dataclass(frozen=True)
class Entry:
    """A line of the log.

    Attributes:
        time: when, ISO 8601 with zone.
        action: what was done.
        audience: the name of the audience; "" for what concerns several.
        users: how many users the list has now.
        details: what else is known, such as `entered`, `left`, `digest`, `format`, `file`.
    """

    time: str
    action: Action
    audience: str
    users: int
    details: dict[str, Any] = field(default_factory=dict)


def now() -> str:
    """This second with its zone, ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def log_file(workspace: Workspace) -> Path:
    """Where the log lies."""
    return workspace.audiences / FILE


def add_entry(workspace: Workspace, action: Action, audience: str, users: int, **details: Any) -> Entry:
    """Add a line; `details` hold counts and digests, never an id.

    Raises:
        FindCLIError: the disk is full.
    """
    entry = Entry(now(), action, audience, users, details)
    path = log_file(workspace)
    line = json.dumps({**_plain(entry), **details}, ensure_ascii=False, default=str)
    with disk_problems(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        torn = path.exists() and path.stat().st_size > 0 and not _ends_a_line(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:  # one write to the end of the file: commands that log at the same time do not mix their lines
            os.write(descriptor, (("\n" if torn else "") + line + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return entry


def log_list(workspace: Workspace, file: str, users: int, *, form: str, digest: str, **details: Any) -> None:
    """Note that a list of users that is no saved audience was handed on, so that `findcli forget` can name it.

    Args:
        workspace: whose log.
        file: where it was written, or that it was downloaded.
        users: how many it holds.
        form: of the file, such as "csv".
        digest: of the file.
        details: what else is known, such as the demand.

    Raises:
        FindCLIError: the disk is full.
    """
    add_entry(
        workspace, "exported", "", users, format=form, file=file, digest=digest, audience_digest=digest, **details
    )


def read_log(workspace: Workspace, audience: str | None = None) -> list[Entry]:
    """The lines, oldest first; one that was torn by a crash has the action "unreadable".

    Args:
        workspace: whose log.
        audience: only what concerns this audience.

    Raises:
        FindCLIError: the log cannot be read.
    """
    path = log_file(workspace)
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise FindCLIError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    entries = [_parsed(line) for line in lines if line.strip()]
    return [entry for entry in entries if audience in (None, entry.audience)]


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def _plain(entry: Entry) -> dict[str, Any]:
    return {"time": entry.time, "action": entry.action, "audience": entry.audience, "users": entry.users}


def _parsed(line: str) -> Entry:
    try:
        values = json.loads(line)
        return Entry(values.pop("time"), values.pop("action"), values.pop("audience"), values.pop("users"), values)
    except (ValueError, KeyError, AttributeError, TypeError):
        return Entry("", "unreadable", "", 0)
