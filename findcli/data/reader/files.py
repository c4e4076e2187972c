"""What a file is, by its first bytes and its name; and text of any encoding as a file in UTF-8.

Tested in tests/data/reader/test_tables.py.
"""

from __future__ import annotations

import atexit
import codecs
import gzip
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal, cast

import polars as pl

from findcli.errors import FindCLIError, first_line

Kind = Literal["parquet", "text", "jsonl", "excel"]
SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet", ".pq": "parquet",
    ".csv": "text", ".tsv": "text", ".txt": "text", ".tab": "text", ".psv": "text", ".dat": "text", ".data": "text",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".xlsx": "excel", ".xlsm": "excel", ".xlsb": "excel", ".xls": "excel", ".ods": "excel",
}  # fmt: skip
PACKED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
KINDS = "CSV (also .tsv, .txt, .gz, .zst), Parquet, JSONL or Excel"
CHUNK = 1 << 18  # bytes that the caches of a core hold, as masks too
HEAD = 1 << 18
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A file on disk: what it is and how it is packed."""

    path: Path
    kind: Kind
    packed: str = ""  # "gzip", "zstd" or not at all


def look_at(path: Path, *, what: str) -> Stored:
    """What a file is: its first bytes say so, or else its name.

    Args:
        path: the file.
        what: how errors call the table.

    Raises:
        FindCLIError: it is none of the kinds that are read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = PACKED.get(suffixes[-1], "") if suffixes else ""
    named = SUFFIXES.get(suffixes[-2] if packed and len(suffixes) > 1 else suffixes[-1]) if suffixes else None
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise FindCLIError(
            f"{what} cannot be read ({path}): {first_line(error)}", hint="is it yours to read?"
        ) from error
    if magic == b"PAR1":
        return Stored(path, "parquet")
    if magic[:2] == b"\x1f\x8b" and (named or packed):
        return Stored(path, "jsonl" if named == "jsonl" else "text", "gzip")
    if magic == b"\x28\xb5\x2f\xfd" and (named or packed):
        return Stored(path, "jsonl" if named == "jsonl" else "text", "zstd")
    if magic == b"\xd0\xcf\x11\xe0" or (magic == b"PK\x03\x04" and (named == "excel" or _is_workbook(path))):
        return Stored(path, "excel")
    if named is None or magic == b"PK\x03\x04" or packed:
        raise FindCLIError(f"{what} is none of {KINDS}: {path}", hint="unpack or convert it to one of these")
    return Stored(path, named)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def chunks(file: Stored) -> Iterator[bytes]:
    """The bytes of a file, unpacked, some megabytes at a time."""
    with _open(file) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def head(file: Stored) -> bytes:
    """The first bytes of a file, unpacked."""
    with _open(file) as stream:
        return stream.read(HEAD)


def _open(file: Stored) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file.path, "rb")) if file.packed == "gzip" else file.path.open("rb")


@cache
def scratch() -> Path:
    """A folder for rewritten tables, gone when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="findcli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def new_file(suffix: str) -> Path:
    """A name in the scratch folder that nobody has."""
    return scratch() / f"{len(list(scratch().iterdir()))}{suffix}"


def unpacked(file: Stored) -> Stored:
    """A file packed by zstd, of which Python's own library knows nothing yet, as a plain one.

    Raises:
        FindCLIError: it is torn, or no text in UTF-8.
    """
    if file.packed != "zstd":
        return file
    target = new_file(".txt")
    try:
        lines = pl.scan_lines(file.path, glob=False)
        lines.sink_csv(target, include_header=False, quote_style="never")
    except (OSError, pl.exceptions.PolarsError) as error:
        hint = "write it again, in UTF-8; or unpack it, and findcli looks for its encoding"
        raise FindCLIError(f"{file.path} cannot be unpacked: {first_line(error)}", hint=hint) from error
    return Stored(target, file.kind)


def guess_encoding(start: bytes) -> str | None:
    """The encoding that the first bytes of a text tell by themselves; None where every byte has to be looked at."""
    for mark, encoding in BOMS:
        if start.startswith(mark):
            return encoding
    zeros = [start[0:2000:2].count(0), start[1:2000:2].count(0)]
    most = len(start[:2000]) // 2
    if most and max(zeros) > 0.3 * most and min(zeros) < 0.05 * most:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    return None


def encoding_of(file: Stored, *, source: Path, what: str) -> str:
    """The encoding of a text that is not UTF-8 throughout: cp1252, or Latin-1 where that lacks a byte.

    Raises:
        FindCLIError: parts of it are UTF-8, so that either reading garbles the others.
    """
    undefined, strange = frozenset(b"\x81\x8d\x8f\x90\x9d"), False
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks(file):
        text = "" if chunk.isascii() else decoder.decode(chunk)
        proper = next((c for c in text if ord(c) > 127 and not 0xDC80 <= ord(c) <= 0xDCFF), None)
        if proper is not None:
            hint = "say which with `encoding`, such as 'utf-8' or 'cp1252', or write the file again in UTF-8"
            raise FindCLIError(f"{what}: {source} is UTF-8 in parts ({proper!r}) and not in others", hint=hint)
        strange = strange or not undefined.isdisjoint(chunk)
    return "latin-1" if strange else "cp1252"


def in_utf8(file: Stored, encoding: str, *, source: Path, what: str) -> Stored:
    """A text as a file in UTF-8, with its line ends as they are.

    Raises:
        FindCLIError: it is not of that encoding, or there is none of this name.
    """
    target = new_file(".txt")
    try:
        with (
            io.TextIOWrapper(_open(file), encoding=encoding, newline="") as text,
            target.open("w", encoding="utf-8", newline="") as written,
        ):
            shutil.copyfileobj(text, written, CHUNK)
    except (UnicodeError, LookupError, EOFError) as error:
        hint = "name its encoding with `encoding`, such as 'utf-8', 'utf-16' or 'cp1252'"
        raise FindCLIError(f"{what}: {source} is not {encoding}: {first_line(error)}", hint=hint) from error
    return Stored(target, file.kind)
