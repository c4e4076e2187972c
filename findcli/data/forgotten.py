"""Users who were forgotten: a keyed hash of each keeps a refresh from bringing them back.

`audiences/forgotten.txt` holds one hash a line, by `workspace/key.py`: without the key nobody can tell whose it is.
What reads users leaves these out.

Tested in tests/audiences/forgetting/test_forget.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from findcli.errors import FindCLIError
from findcli.workspace.disk import locked, replacing
from findcli.workspace.folder import Workspace
from findcli.workspace.key import keyed_hash, workspace_key

FILE, PURPOSE = "forgotten.txt", "forgotten"


def forgotten_file(workspace: Workspace) -> Path:
    """Where the hashes lie."""
    return workspace.audiences / FILE


def forgotten_hashes(workspace: Workspace) -> frozenset[str]:
    """The hashes of the users who were forgotten.

    Raises:
        FindCLIError: the file cannot be read.
    """
    path = forgotten_file(workspace)
    try:
        return frozenset(path.read_text(encoding="ascii").split()) if path.exists() else frozenset()
    except (OSError, ValueError) as error:
        raise FindCLIError(f"{path} cannot be read", hint="bring the file back from a backup") from error


def known(workspace: Workspace, users: pl.Series) -> pl.Series:
    """Which users may be read, bool: those who were not forgotten.

    Raises:
        FindCLIError: the hashes or the key cannot be read.
    """
    hashes = forgotten_hashes(workspace)
    if not hashes:
        return pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(users))
    key = workspace_key(workspace)
    return pl.Series([keyed_hash(key, PURPOSE, user) not in hashes for user in users], dtype=pl.Boolean)


def remember_forgotten(workspace: Workspace, users: Iterable[object]) -> None:
    """Add users to those who are forgotten.

    Raises:
        FindCLIError: the file cannot be written, or another command is writing it.
    """
    key, path = workspace_key(workspace), forgotten_file(workspace)
    with locked(path):
        hashes = forgotten_hashes(workspace) | {keyed_hash(key, PURPOSE, user) for user in users}
        with replacing(path) as draft:
            draft.write_text("\n".join(sorted(hashes)) + "\n", encoding="ascii")
