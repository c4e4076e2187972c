"""Files and folders on disk, whole or not at all: locks, hashes, replacing by rename, and what a full disk says.

Tested in tests/workspace/test_runs.py.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from findcli.errors import FindCLIError, doing, first_line
from findcli.workspace.objects import uploading, url_of

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def hash_file(path: Path) -> str:
    """A digest of a file's bytes; read once a process as long as size and time of change stay."""
    try:
        status = path.stat()
        return _hash_content(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        hint = "check the file's permissions and that its disk is there"
        raise FindCLIError(f"{path} cannot be read: {error.strerror or first_line(error)}", hint=hint) from error


@lru_cache(maxsize=4096)
def _hash_content(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder's lock; a second command is refused, not kept waiting.

    Raises:
        FindCLIError: another command holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    with disk_problems(folder), doing(f"locking {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise FindCLIError(
                f"another findcli command is writing {folder}", hint="wait until it has ended"
            ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: yields a temporary path of its suffix, renamed when the block ends well.

    An object at s3:// is written from a file here, in one go.
    """
    if url := url_of(path):
        with uploading(url) as file:
            yield file
        return
    temporary = path.with_name(f".{path.stem}.draft{path.suffix}")
    with disk_problems(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            settle(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path, *, holding: str) -> Iterator[Path]:
    """Write a folder whole or not at all: yields a temporary folder, swapped in when the block ends well.

    Args:
        folder: the folder; one that stands there is replaced.
        holding: a file that every finished folder of the kind holds.

    Raises:
        FindCLIError: another command is writing the folder, or the disk is full.
    """
    with locked(folder), disk_problems(folder), doing(f"writing {folder}"):
        _revive(folder, holding)
        temporary = folder.with_name(f".{folder.name}.draft")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            set_modes(temporary)
            settle(temporary)
            swap_in(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def swap_in(temporary: Path, folder: Path) -> None:
    """Swap folders; between the two renames the old one waits under a name that `bring_back` knows."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def bring_back(folder: Path, *, holding: str) -> None:
    """Bring the old folder back when a command died between the two renames of `swap_in`.

    Args:
        folder: the folder.
        holding: a file that every finished folder of the kind holds.
    """
    if not folder.exists() and (folder.with_name(f".{folder.name}.old") / holding).is_file():
        with suppress(FindCLIError), locked(folder):
            _revive(folder, holding)


def _revive(folder: Path, holding: str) -> None:
    """The same under a lock that is held."""
    old = folder.with_name(f".{folder.name}.old")
    if not folder.exists() and (old / holding).is_file():
        old.rename(folder)


def set_modes(folder: Path) -> None:
    """Give files the mode that the umask asks for: some libraries write theirs for their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o666 & ~mask)


def settle(path: Path) -> None:
    """Have the disk hold a file, or a folder and all below it, before it gets its final name."""
    below = sorted(path.rglob("*"), reverse=True) if path.is_dir() else []
    for each in (*below, path):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def disk_problem(error: BaseException, codes: tuple[int, ...] = FULL) -> str | None:
    """What stopped a write, in the system's words; None for any other error. Libraries have own exceptions for it."""
    return next((os.strerror(code) for code in codes if os.strerror(code) in str(error)), None)


@contextmanager
def disk_problems(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into an error the user can mend."""
    import polars as pl
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, pl.exceptions.PolarsError, SafetensorError) as error:
        reason = disk_problem(error, (*FULL, errno.EACCES))
        if reason is None:
            raise
        hint = "free some space or name another folder with `runs` in [workspace]; nothing that was there has changed"
        raise FindCLIError(f"{path} cannot be written: {reason}", hint=hint) from error
