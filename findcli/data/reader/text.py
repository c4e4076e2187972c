"""A text table as polars reads it: in UTF-8, every row with all its fields, every column text.

Tested in tests/data/reader/test_tables.py.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from findcli.data.reader import files as store
from findcli.data.reader.dialect import Dialect, sniff
from findcli.data.reader.files import Stored
from findcli.data.reader.rewrite import rewrite
from findcli.data.reader.survey import survey
from findcli.errors import FindCLIError, first_line
from findcli.workspace.table_form import TableForm

UTF8 = ("utf-8", "utf-8-sig")


@dataclass(frozen=True)
class Text:
    """A text table that is ready to be scanned.

    Attributes:
        path: where it lies: the file itself, or a plain copy of it.
        dialect: how the file is written.
        form: what polars has to be told: delimiter, lines to skip, columns.
        padded: whether spaces stand around a value.
        has_marks: whether a backslash stands anywhere.
    """

    path: Path
    dialect: Dialect
    form: tuple[str, int, tuple[str, ...]]
    padded: bool = True
    has_marks: bool = True

    def scan(self, paths: Sequence[Path]) -> pl.LazyFrame:
        """Files of this form as one lazy frame of text; an empty field is missing."""
        delimiter, skip, names = self.form
        return pl.scan_csv(
            list(paths), has_header=False, separator=delimiter, skip_lines=skip, schema=dict.fromkeys(names, pl.String),
            glob=False, raise_if_empty=False,
        )  # fmt: skip


def plain_text(file: Stored, form: TableForm, *, what: str) -> Text:
    """Look at a text table, and rewrite it where polars would not read it as it is meant.

    Args:
        file: the file.
        form: what is declared of it.
        what: how errors call the table.

    Raises:
        FindCLIError: it is empty, of another encoding than declared, or has a row with too many fields.
    """
    source, file = file.path, store.unpacked(file)
    start = store.head(file)
    encoding = _known_encoding(form.encoding, start, source, what)
    if encoding not in UTF8:
        return _read(store.in_utf8(file, encoding, source=source, what=what), encoding, form, source, what)
    try:
        return _read(file, encoding, form, source, what)
    except UnicodeDecodeError as error:
        if form.encoding is not None:
            hint = "name its encoding with `encoding`, such as 'cp1252', or leave that out"
            raise FindCLIError(f"{what}: {source} is not {form.encoding}", hint=hint) from error
    encoding = store.encoding_of(file, source=source, what=what)
    return _read(store.in_utf8(file, encoding, source=source, what=what), encoding, form, source, what)


def read_lines(path: Path, *, what: str) -> list[str]:
    """The lines of a text file that is no table, in whatever encoding it is.

    Raises:
        FindCLIError: it cannot be read, or is UTF-8 in parts.
    """
    try:
        raw = path.read_bytes()
        encoding = store.guess_encoding(raw[: store.HEAD])
        if encoding is None:
            encoding = "utf-8" if is_utf8(raw) else store.encoding_of(Stored(path, "text"), source=path, what=what)
        return raw.decode(encoding).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        hint = "give a text file with a name or a sentence a line"
        raise FindCLIError(f"{what} {path} cannot be read: {first_line(error)}", hint=hint) from error


def is_utf8(raw: bytes) -> bool:
    """Whether bytes are text in UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _known_encoding(declared: str | None, start: bytes, source: Path, what: str) -> str:
    """The encoding that is declared or that the first bytes tell; UTF-8 until it turns out to be none."""
    if declared is None:
        return store.guess_encoding(start) or "utf-8"
    try:
        name = codecs.lookup(declared).name
    except LookupError as error:
        hint = "write a name such as 'utf-8', 'utf-16' or 'cp1252'"
        raise FindCLIError(f"{what}: {declared!r} is no encoding that {source} could have", hint=hint) from error
    return "utf-8-sig" if name == "utf-8" and start.startswith(codecs.BOM_UTF8) else name


def _read(file: Stored, encoding: str, form: TableForm, source: Path, what: str) -> Text:
    """A text in UTF-8, or what is taken for it.

    Raises:
        UnicodeDecodeError: it is not in UTF-8.
    """
    start = store.head(file)
    lines = _whole_lines(start.decode("utf-8", errors="replace").removeprefix("\ufeff"), len(start))
    if not lines.strip():
        raise FindCLIError(f"{what} cannot be read: {source} is empty", hint="write the table again")
    dialect = sniff(lines, delimiter=form.delimiter, header=form.header, comment=form.comment)
    dialect = replace(dialect, encoding=encoding)
    seen = survey(store.chunks(file), dialect.delimiter, skip=_offset(start, dialect.skipped))
    if not seen.utf8:
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "not UTF-8")
    needs_care = dialect.spaced or dialect.comment is not None or dialect.delimiter == " "
    if seen.is_plain(len(dialect.names)) and not needs_care:
        form_told = (dialect.delimiter, dialect.skipped, dialect.names)
        return Text(file.path, dialect, form_told, padded=seen.padded, has_marks=seen.marks)
    path, dialect = rewrite(file, dialect, source=source, what=what)
    return Text(path, dialect, (",", 0, dialect.names))


def _whole_lines(text: str, size: int) -> str:
    """The text without a last line that is cut off."""
    if size < store.HEAD:
        return text
    end = max(text.rfind("\n"), text.rfind("\r")) + 1
    return text[:end] if end else text


def _offset(start: bytes, lines: int) -> int:
    """The bytes of the first lines."""
    end = 0
    for _ in range(lines):
        end = start.find(b"\n", end) + 1 or len(start)
    return end or (3 if start.startswith(codecs.BOM_UTF8) else 0)
