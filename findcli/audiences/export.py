"""Write an audience to a file: Parquet, CSV or JSONL by its extension, whole or not at all.

Tested in tests/audiences/test_target.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from findcli.audiences.handoff.plain import escaped
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file, replacing
from findcli.workspace.folder import Workspace, files_of
from findcli.workspace.objects import require_reachable, url_of

if TYPE_CHECKING:
    from findcli.audiences.target import Audience

WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".csv": lambda frame, path: escaped(frame).write_csv(path),
    ".jsonl": lambda frame, path: frame.write_ndjson(path),
}


def one_table(audiences: Sequence[Audience], *, named: bool) -> pl.DataFrame:
    """The selected users of all audiences: user_id, score, probability, rank, and `demand` if `named`."""
    frames = [audience.selected.with_columns(demand=pl.lit(audience.demand)) for audience in audiences]
    table = pl.concat(frames)
    return table if named else table.drop("demand")


def require_writable(
    path: Path, *, workspace: Workspace | None = None, force: bool = False, endings: Collection[str] = tuple(WRITERS)
) -> None:
    """Refuse a file that no table can or should be written to, before any work is done.

    Args:
        path: the file.
        workspace: the workspace whose input files must not be overwritten.
        force: overwrite even those files.
        endings: the extensions that a file may have.

    Raises:
        FindCLIError: the extension is none of these, it is a folder, a device or a pipe, its folder is
            missing or not writable, findcli keeps the folder itself, or it is a file that the workspace reads.
    """
    if url := url_of(path):
        _require_ending(path, endings, shown=url)
        _require_writable_object(url, workspace, force=force)
        return
    if path.is_dir() or not path.absolute().parent.is_dir():
        message = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise FindCLIError(message, hint="name a file in a folder that exists")
    _require_ending(path, endings, shown=str(path))
    if path.exists() and not path.is_file():
        raise FindCLIError(f"{path} is a pipe or a device, not a file", hint="name a file; it is replaced as a whole")
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise FindCLIError(f"{path.absolute().parent} is not writable", hint="name a file in another folder")
    if workspace is not None and any(
        path.resolve().is_relative_to(own) for own in (workspace.audiences, workspace.runs)
    ):
        raise FindCLIError(f"{path} lies in a folder that findcli keeps itself", hint="name a file in another folder")
    if workspace is not None and not force and path.resolve() in _read_by(workspace):
        hint = "name another file, or overwrite it with --force"
        raise FindCLIError(f"{path} is a file that the workspace reads", hint=hint)


def _require_ending(path: Path, endings: Collection[str], *, shown: str) -> None:
    if path.suffix.lower() not in endings:
        extension = f"the extension {path.suffix}" if path.suffix else "no file extension"
        raise FindCLIError(f"{shown} has {extension}", hint=f"name a file that ends in {', '.join(endings)}")


def _require_writable_object(url: str, workspace: Workspace | None, *, force: bool) -> None:
    """Refuse a URL that cannot be asked for, or that the workspace reads."""
    tables = () if workspace is None else (*workspace.settings.sources, *workspace.settings.tasks.values())
    read = [table.path for table in tables if table.path is not None]
    if not force and any(fnmatchcase(url, path) or url.startswith(f"{path.rstrip('/')}/") for path in read):
        hint = "name another object, or overwrite it with --force"
        raise FindCLIError(f"{url} is one that the workspace reads", hint=hint)
    require_reachable(url)  # else an hour's work would find no credentials at its end


def _read_by(workspace: Workspace) -> set[Path]:
    """The input files that the settings of a workspace name."""
    settings = workspace.settings
    named = [settings.profile.path, settings.split.users_file, settings.split.categories_file]
    named += [task.path for task in settings.tasks.values()]
    files = [workspace.path(name) for name in named if name is not None]
    several = [settings.contacts.path, settings.consent.path, *(source.path for source in settings.sources)]
    files += [file for name in several if name is not None for file in files_of(workspace.path(name))]
    return {file.resolve() for file in files}


def write_audience(frame: pl.DataFrame, path: Path) -> str:
    """Write a table in the format of the file's extension, whole or not at all; gives the digest of its bytes.

    Raises:
        FindCLIError: the extension is not .parquet, .csv or .jsonl, or the disk is full.
    """
    require_writable(path)
    with replacing(path) as temporary:
        WRITERS[path.suffix.lower()](frame, temporary)
        return hash_file(temporary)
