"""How a text table is written, from its first rows: delimiter, header, lines before it, comments.

Tested in tests/data/reader/test_tables.py.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from findcli.data.reader.missing import IN_DATA

DELIMITERS = (",", ";", "\t", "|")
WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
DATA = re.compile(r"\s*[-+(]?\s*[$€£]?\s*\d[\d.,:/TZ +-]*%?\)?\s*")
OPENING = re.compile(r'(?:^|[,;\t|])\s*"')
SAMPLE = 200
MOST_TITLES = 20


@dataclass(frozen=True)
class Dialect:
    """What was decided of a text table's form.

    Attributes:
        encoding: its encoding.
        delimiter: what parts the fields.
        names: the columns.
        header: whether the file names them.
        skipped: lines before the first row of data, the header among them.
        titles: those of them that are neither header nor comment.
        comment: what begins a line that is left out; None where nothing does.
        spaced: whether a space after the delimiter belongs to it.
        escaped: whether a backslash stands before a quote inside of quotes.
        renamed: columns whose name another has already, or that have none.
        blank: empty lines that were left out.
        comments: comments that were left out.
        short: rows of fewer fields than columns, filled up with missing values.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    names: tuple[str, ...] = ()
    header: bool = True
    skipped: int = 1
    titles: int = 0
    comment: str | None = None
    spaced: bool = False
    escaped: bool = False
    renamed: tuple[str, ...] = ()
    blank: int = 0
    comments: int = 0
    short: int = 0

    def notes(self) -> list[str]:
        """What is not as in a plain CSV file, in words."""
        said = {
            f"its encoding is {self.encoding}": self.encoding not in ("utf-8", "utf-8-sig"),
            f"fields are parted by {WORDS.get(self.delimiter, repr(self.delimiter))}": self.delimiter != ",",
            "no row names the columns": not self.header,
            f"{_lines(self.titles)} before the names of columns left out": self.titles,
            f"{_lines(self.comments)} beginning with {self.comment} left out": self.comments,
            f"{_lines(self.blank, 'empty ')} left out": self.blank,
            f"{self.short:,} rows are shorter than the header; what they lack is missing": self.short,
            f"columns without a name of their own are called {', '.join(self.renamed)}": self.renamed,
        }
        return [words for words, holds in said.items() if holds]


def _lines(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}line{'s' if count != 1 else ''}"


def sniff(
    text: str, *, delimiter: str | None = None, header: bool | None = None, comment: str | None = None
) -> Dialect:
    """How a text table is written.

    Args:
        text: its first lines, the last of them whole.
        delimiter: what parts the fields, where it is known.
        header: whether the first row names the columns, where it is known.
        comment: what begins a line to leave out, where it is known.
    """
    lines = list(io.StringIO(text, newline=""))
    leading = sum(1 for _ in _leading(lines, comment or "#"))
    named_by_comment = comment is None and leading and _is_commented_header(lines, leading, delimiter)
    if comment is None and leading and not named_by_comment:
        comment = "#"
    body = [lines[i] for i in _kept(lines, comment)]
    part = delimiter or _delimiter(body)
    if part == " ":
        lines, body = [closed_up(line) for line in lines], [closed_up(line) for line in body]
    spaced = _is_spaced(body, part)
    rows = list(_rows(body, part, spaced=spaced))
    width = _width(rows)
    titles = _titles(rows, width)
    names, has_header = _names(rows[titles:], width, header)
    if named_by_comment and has_header:
        names[0] = names[0].lstrip("#").strip()
    unique, renamed = _unique(names)
    skipped = _lines_until(lines, titles + has_header, part, comment, spaced=spaced)
    return Dialect(
        delimiter=part, names=unique, renamed=renamed, header=has_header, skipped=skipped, titles=titles,
        comment=comment, spaced=spaced,
    )  # fmt: skip


def _kept(lines: list[str], comment: str | None) -> list[int]:
    """Which lines are no comments; within quotes none is one."""
    kept, inside = [], False
    for i, line in enumerate(lines):
        if inside or comment is None or not line.startswith(comment):
            kept.append(i)
            inside = _ends_inside(line.replace('""', ""), inside=inside)
    return kept


def _ends_inside(line: str, *, inside: bool) -> bool:
    """Whether a line, doubled quotes taken out, ends inside of quotes."""
    end = 0
    while True:
        if inside:
            end = line.find('"', end) + 1
            if not end:
                return True
        elif opening := OPENING.search(line, end):
            end = opening.end()
        else:
            return False
        inside = not inside


def _leading(lines: list[str], mark: str) -> Iterator[str]:
    for line in lines:
        if not line.startswith(mark):
            return
        yield line


def _is_commented_header(lines: list[str], leading: int, delimiter: str | None) -> bool:
    """Whether the one line with a # before the data names its columns."""
    if leading != 1 or len(lines) < 2:
        return False
    part = delimiter or _delimiter(lines[1:])
    first, *rest = list(_rows(lines, part))
    return len(first) == _width(rest) > 1 and not _names_columns(rest, len(first)) and not any(map(_is_data, first))


def _delimiter(lines: list[str]) -> str:
    """The delimiter that parts the most rows alike, the first of them too; of several the one of the most fields."""
    ranked = []
    for part in DELIMITERS:
        rows = list(_rows(lines, part))
        width = _width(rows)
        if width > 1:
            alike = sum(len(row) == width for row in rows) / len(rows)
            ranked.append((alike >= 0.9, len(rows[0]) == width, round(alike, 2), width, part))
    if not ranked and _is_aligned(lines):
        return " "
    return max(ranked, key=lambda entry: entry[:-1])[-1] if ranked else ","


def _is_aligned(lines: list[str]) -> bool:
    """Whether spaces part columns: every line has as many words, three at least, and numbers or dates among them."""
    rows = [line.split() for line in lines[:SAMPLE] if line.strip()]
    width = len(rows[0]) if rows else 0
    return len(rows) > 2 < width and all(len(row) == width for row in rows) and bool(_data_columns(rows[1:], width))


def closed_up(line: str) -> str:
    """A line of columns parted by spaces, with one space between two."""
    return " ".join(line.split()) + "\n"


def _is_spaced(lines: list[str], delimiter: str) -> bool:
    fields = [field for row in _rows(lines, delimiter) for field in row[1:] if field]
    return bool(fields) and all(field.startswith(" ") for field in fields)


def _rows(lines: list[str], delimiter: str, *, spaced: bool = False) -> Iterator[list[str]]:
    """The first rows; what cannot be parted is left to the one who reads them all."""
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter, skipinitialspace=spaced)
    try:
        for row in reader:
            if row:
                yield row
            if reader.line_num > SAMPLE:
                return
    except csv.Error:
        return


def _width(rows: list[list[str]]) -> int:
    """How many fields most rows have."""
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def _titles(rows: list[list[str]], width: int) -> int:
    """Rows before the header: shorter than it. One that lacks a single field may be the header itself."""
    for i, row in enumerate(rows[:MOST_TITLES]):
        later = [other for other in rows[i + 1 :] if len(other) == width]
        if len(row) >= width or (len(row) == width - 1 and not (later and _has_names(later, width))):
            return i
    return 0


def _names(rows: list[list[str]], width: int, header: bool | None) -> tuple[list[str], bool]:
    """The columns' names, and whether a row gives them."""
    if not rows or header is False or (header is None and not _names_columns(rows, width)):
        return [""] * width, False
    first = [field.strip() for field in rows[0]]
    if len(first) == width - 1:
        # R names no column of row names; some exports end every row but the header with a delimiter.
        ends_empty = all(not row[-1] for row in rows[1:] if len(row) == width)
        first = [*first, ""] if ends_empty else ["", *first]
    return first, True


def _names_columns(rows: list[list[str]], width: int) -> bool:
    """Whether the first row holds names and not data: no number or date stands in it above others of its kind."""
    first, rest = rows[0], [row for row in rows[1:] if len(row) == width]
    if len(first) != width or not rest or _has_names(rows, width):
        return True
    return not any(_is_data(first[i]) for i in _data_columns(rest, width))


def _has_names(rows: list[list[str]], width: int) -> bool:
    """Whether a word stands above numbers or dates in the first row."""
    rest = [row for row in rows[1:] if len(row) == width]
    return any(_is_word(rows[0][i]) for i in _data_columns(rest, width))


def _data_columns(rows: list[list[str]], width: int) -> list[int]:
    return [i for i in range(width) if _share([row[i] for row in rows]) > 0.8]


def _is_word(field: str) -> bool:
    """Whether a field is neither a number or date nor missing."""
    return field.strip() not in IN_DATA and not _is_data(field)


def _share(fields: list[str]) -> float:
    present = [field for field in fields if field.strip() not in IN_DATA]
    return sum(map(_is_data, present)) / len(present) if present else 0.0


def _is_data(field: str) -> bool:
    return DATA.fullmatch(field) is not None


def _unique(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of which no two are alike and none is empty, and those that had to be made up."""
    unique: list[str] = []
    renamed = []
    for i, name in enumerate(names, 1):
        candidate, n = name or f"column_{i}", 1
        while candidate in unique:
            n += 1
            candidate = f"{name or f'column_{i}'}_{n}"
        unique.append(candidate)
        if candidate != name and any(names):
            renamed.append(candidate)
    return tuple(unique), tuple(renamed)


def _lines_until(lines: list[str], rows: int, delimiter: str, comment: str | None, *, spaced: bool) -> int:
    """The lines before the first row of data."""
    kept = _kept(lines, comment)
    reader = csv.reader((lines[i] for i in kept), delimiter=delimiter, skipinitialspace=spaced)
    seen = 0
    while seen < rows:
        seen += bool(next(reader))
    return kept[reader.line_num - 1] + 1 if rows else (kept[0] if kept else 0)


def with_counts(dialect: Dialect, *, blank: int, comments: int, short: int, escaped: bool) -> Dialect:
    """The same, with what reading every row has shown."""
    return replace(dialect, blank=blank, comments=comments, short=short, escaped=escaped)
