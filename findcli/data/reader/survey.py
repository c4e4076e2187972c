"""One look at every byte of a text table: whether polars will read it as RFC 4180 means it.

Tested in tests/data/reader/test_tables.py.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

QUOTE, FEED, RETURN, SPACE, TAB, BACKSLASH = 34, 10, 13, 32, 9, 92
LONGEST_LINE = 1 << 24


@dataclass
class Survey:
    """What every byte of a text table amounts to.

    Attributes:
        utf8: whether it is UTF-8 throughout.
        quotes: whether every quote opens or closes a field, or is doubled inside of one.
        regular: whether no line is empty and every line ends in a line feed, alone or after a return.
        records: rows, the header among them.
        delimiters: delimiters outside of quotes.
        padded: whether a space or a tab stands beside a delimiter or at a line's end.
        marks: whether a backslash stands anywhere.
    """

    utf8: bool = True
    quotes: bool = True
    regular: bool = True
    records: int = 0
    delimiters: int = 0
    padded: bool = False
    marks: bool = False

    def is_plain(self, columns: int) -> bool:
        """Whether every row has that many columns and nothing else needs care."""
        return self.utf8 and self.quotes and self.regular and self.delimiters == (columns - 1) * self.records


def survey(chunks: Iterable[bytes], delimiter: str, *, skip: int = 0) -> Survey:
    """Look at a text table until it is clear that it needs care.

    Args:
        chunks: its bytes.
        delimiter: one character of ASCII.
        skip: bytes before the first row that counts.
    """
    seen, inside = Survey(), False
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    for block in _whole_lines(chunks):
        seen.utf8 = _decodes(decoder, block)
        lines, skip = block[skip:], max(0, skip - len(block))
        if not seen.utf8 or len(lines) > LONGEST_LINE:
            seen.regular = False
            return seen
        if lines:
            inside = _count(seen, lines, ord(delimiter), inside=inside)
    seen.utf8 = _decodes(decoder, b"", final=True)
    seen.quotes = seen.quotes and not inside
    return seen


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut behind line feeds; a last line without one gets it."""
    rest = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > LONGEST_LINE:
            yield rest
            return
    if rest:
        yield rest + b"\n"


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    if block.isascii() and not final:
        return True
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _count(seen: Survey, lines: bytes, delimiter: int, *, inside: bool) -> bool:
    """Add whole lines to the survey; whether they end inside of quotes."""
    data = np.frombuffer(lines, np.uint8)
    feeds = data == FEED
    parts = data == delimiter
    seen.marks = seen.marks or BACKSLASH in lines
    seen.padded = seen.padded or _is_padded(lines, data, delimiter)
    seen.regular = seen.regular and _is_regular(lines, feeds)
    if QUOTE not in lines:
        if not inside:
            seen.records += int(np.count_nonzero(feeds))
            seen.delimiters += int(np.count_nonzero(parts))
        return inside
    quotes = np.flatnonzero(data == QUOTE)
    seen.quotes = seen.quotes and _well_placed(data, quotes, delimiter, inside=inside)
    bounds = quotes if quotes[0] == 0 else np.concatenate([[0], quotes])
    # Segments between quotes are inside and outside of them by turns.
    outside = slice(int(inside if quotes[0] else not inside), None, 2)
    seen.records += int(np.add.reduceat(feeds, bounds, dtype=np.int64)[outside].sum())
    seen.delimiters += int(np.add.reduceat(parts, bounds, dtype=np.int64)[outside].sum())
    return inside ^ bool(len(quotes) % 2)


def _is_padded(lines: bytes, data: np.ndarray, delimiter: int) -> bool:
    if delimiter != TAB and TAB in lines:
        return True
    if SPACE not in lines:
        return False
    spaces = np.flatnonzero(data == SPACE)
    beside = (
        data[spaces - 1],
        data[spaces + 1],
    )  # the last byte is a line feed: no space, and what stands before the first
    if any(((ends == delimiter) | (ends == FEED)).any() for ends in beside):
        return True
    return RETURN in lines and b" \r" in lines


def _is_regular(lines: bytes, feeds: np.ndarray) -> bool:
    """Whether no line is empty and no return stands alone."""
    if bool((np.diff(np.flatnonzero(feeds), prepend=-1) == 1).any()):
        return False
    if RETURN not in lines:
        return True
    empty = lines.startswith(b"\r\n") or b"\n\r\n" in lines
    return not empty and lines.count(b"\r") == lines.count(b"\r\n")


def _well_placed(data: np.ndarray, quotes: np.ndarray, delimiter: int, *, inside: bool) -> bool:
    """Whether opening quotes follow a delimiter, a line's end or a quote, and closing ones precede such."""
    opening, closing = (quotes[1::2], quotes[::2]) if inside else (quotes[::2], quotes[1::2])
    previous = data[opening[opening > 0] - 1]
    following = data[closing + 1]  # the last byte is a line feed
    return bool(
        np.isin(previous, (delimiter, FEED, QUOTE)).all() and np.isin(following, (delimiter, FEED, RETURN, QUOTE)).all()
    )
