"""Which users and categories training never sees: a stable salted hash, or files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from findcli.data.reader.text import read_lines


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
