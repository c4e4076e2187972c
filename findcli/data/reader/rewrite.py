"""A text table that needs care, row by row as a plain one: every row with all its fields, or the line that is wrong.

Tested in tests/data/reader/test_tables.py.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from findcli.data.reader.dialect import Dialect, closed_up, with_counts
from findcli.data.reader.files import Stored, new_file
from findcli.errors import FindCLIError


def rewrite(file: Stored, dialect: Dialect, *, source: Path, what: str) -> tuple[Path, Dialect]:
    """Write the rows of a table to a file in plain CSV without header.

    Args:
        file: a text in UTF-8.
        dialect: how it is written.
        source: the file that errors name.
        what: how errors call the table.

    Returns:
        The file, and the dialect with what was left out and filled up.

    Raises:
        FindCLIError: a quote is not closed or a row has too many fields; the line is named.
    """
    try:
        return _rewrite(file, dialect, source, what)
    except csv.Error as error:
        if dialect.escaped or not _has_escapes(file):
            raise _refusal(error, source, what) from error
    try:
        return _rewrite(file, with_counts(dialect, blank=0, comments=0, short=0, escaped=True), source, what)
    except csv.Error as error:
        raise _refusal(error, source, what) from error


class _Lines:
    """The lines of a text, with the number of the one that was read last; a comment stands only between rows."""

    def __init__(self, text: io.TextIOWrapper, dialect: Dialect) -> None:
        self.text, self.comment, self.aligned = text, dialect.comment, dialect.delimiter == " "
        self.number = self.comments = 0
        self.between = True
        self.plain = dialect.escaped and re.compile(r"\\(.)")
        self.escapable = ('"', "\\", dialect.delimiter)

    def __iter__(self) -> Iterator[str]:
        for line in self.text:
            self.number += 1
            if self.between and self.comment is not None and line.startswith(self.comment):
                self.comments += 1
            else:
                self.between = False
                line = closed_up(line) if self.aligned else line
                yield self.plain.sub(self._kept, line) if self.plain else line

    def _kept(self, pair: re.Match[str]) -> str:
        r"""A backslash and what follows it: one that escapes nothing, as in \N, stands for itself."""
        return pair[0] if pair[1] in self.escapable else "\\" + pair[0]


def _rewrite(file: Stored, dialect: Dialect, source: Path, what: str) -> tuple[Path, Dialect]:
    target, width, blank, short = new_file(".csv"), len(dialect.names), 0, 0
    with _text(file) as text, target.open("w", encoding="utf-8", newline="") as written:
        lines = _Lines(text, dialect)
        for _ in range(dialect.skipped):
            line = next(text, "")
            lines.number += 1
            lines.comments += dialect.comment is not None and line.startswith(dialect.comment)
        reader = csv.reader(
            lines, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced, strict=True,
            doublequote=not dialect.escaped, escapechar="\\" if dialect.escaped else None,
        )  # fmt: skip
        writer = csv.writer(written, lineterminator="\n")
        start = lines.number + 1
        try:
            for row in reader:
                if len(row) > width and any(field.strip() for field in row[width:]):
                    _refuse_long(row, dialect, start, source, what)
                if len(row) > 1 or (row and (width == 1 or row[0].strip())):
                    short += len(row) < width
                    writer.writerow([*row[:width], *[""] * (width - len(row))])
                else:
                    blank += 1
                start, lines.between = lines.number + 1, True
        except csv.Error as error:
            raise csv.Error(start, str(error)) from error
    return target, with_counts(dialect, blank=blank, comments=lines.comments, short=short, escaped=dialect.escaped)


def _refuse_long(row: list[str], dialect: Dialect, line: int, source: Path, what: str) -> None:
    hint = "is a delimiter part of a text? Write such texts in double quotes; or name the delimiter with `delimiter`"
    raise FindCLIError(
        f"{what}: line {line:,} of {source} has {len(row)} fields, and there are {len(dialect.names)} columns",
        hint=hint,
    )


def _refusal(error: csv.Error, source: Path, what: str) -> FindCLIError:
    line, said = error.args
    reason = "has a quote inside of quotes" if "expected after" in said else "opens a quote that nothing closes"
    hint = 'write a double quote that is part of a text twice: "", inside of quotes'
    return FindCLIError(f"{what}: line {line:,} of {source} {reason}", hint=hint)


def _has_escapes(file: Stored) -> bool:
    with _text(file) as text:
        return any('\\"' in line for line in text)


def _text(file: Stored) -> io.TextIOWrapper:
    raw = gzip.open(file.path, "rb") if file.packed else file.path.open("rb")  # noqa: SIM115, closed with its text
    return io.TextIOWrapper(cast(BinaryIO, raw), encoding="utf-8-sig", newline="")
