"""The text of a filter: parsed by Python's `ast`, with each node's piece and place as the user wrote them.

Columns may be in backquotes, whitespace of any kind separates words, and there are no comments.

Tested in tests/audiences/where/test_filter.py.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import cached_property

from findcli.errors import FindCLIError

MOST_CHARACTERS, SHOWN = 10_000, 40
_QUOTED = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`[^`\n]*`")
_SLIPS = {
    r"=(?!=)": "write == to compare",
    r"&|\|": "write the words and, or",
    r"!(?!=)": "write the word not",
    r"(?i:and|or|not|in|is|none)\b": "write and, or, not, in and is in lower case, and None with a capital N",
}


@dataclass(frozen=True)
class FilterText:
    """A filter as the user wrote it.

    Attributes:
        text: the whole filter.
        example: the hint for errors that have no better one.
    """

    text: str
    example: str

    def parse(self) -> ast.expr:
        """Parse it into a tree of any nodes.

        Raises:
            FindCLIError: it is empty, too long, contains a comment, or is not a Python expression.
        """
        if not self.text.strip():
            raise FindCLIError("the filter is empty", hint=self.example)
        if len(self.text) > MOST_CHARACTERS:
            hint = f"write at most {MOST_CHARACTERS:,}"
            raise FindCLIError(f"the filter is too long: {len(self.text):,} characters", hint=hint)
        comment = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), self.text).find("#")
        if comment >= 0:  # Python would silently drop the rest
            hint = "leave it out, or put it in quotes"
            raise FindCLIError(f"the filter has a # at character {comment + 1}", hint=hint)
        try:
            with warnings.catch_warnings():  # what Python warns of, such as "5is", is refused or means what it says
                warnings.simplefilter("ignore")
                return ast.parse(self._read, mode="eval").body
        except SyntaxError as error:
            raise self._misspelt(error) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise FindCLIError(f"the filter {shortened(self.text)!r} cannot be read", hint=self.example) from error

    def piece(self, node: ast.expr) -> str:
        """The node as the user wrote it."""
        return self.text[self._index(node.col_offset) : self._index(node.end_col_offset or 0)]

    def place(self, node: ast.expr) -> int:
        """The character, from 1, at which the node begins."""
        return self._index(node.col_offset) + 1

    def problem(self, node: ast.expr, what: str, *, hint: str = "") -> FindCLIError:
        """An error that names a node and its place, and says what is wrong with it."""
        piece = shortened(self.piece(node)).encode("utf-8", "backslashreplace").decode()
        return FindCLIError(f"{piece} at character {self.place(node)} of the filter {what}", hint=hint or self.example)

    @cached_property
    def _masked(self) -> str:
        """The text of the same length, each column in backquotes as a Python name, each break as a space."""
        pieces, end = [], 0
        for quoted in _QUOTED.finditer(self.text):
            pieces.append(re.sub(r"\s", " ", self.text[end : quoted.start()]))
            pieces.append("_" * len(quoted[0]) if quoted[0].startswith("`") else quoted[0])
            end = quoted.end()
        return "".join([*pieces, re.sub(r"\s", " ", self.text[end:])])

    @property
    def _read(self) -> str:
        """The text for Python's parser, which takes no leading spaces."""
        return self._masked.lstrip()

    def _index(self, byte: int) -> int:
        """The index in the text of a place that `ast` counts in bytes of what it parsed."""
        return len(self.text) - len(self._read) + len(self._read.encode()[:byte].decode())

    def _misspelt(self, error: SyntaxError) -> FindCLIError:
        if error.msg.startswith("invalid syntax") and not error.offset:
            return FindCLIError(f"the filter {shortened(self.text)!r} ends too early", hint=self.example)
        place = min(max(error.offset or 1, 1) + len(self.text) - len(self._read), len(self.text))
        rest = self.text[place - 1 :]
        reason = error.msg.partition(";")[0].removesuffix(" (detected at line 1)")
        detail = "" if reason.startswith("invalid syntax") else f": {reason}"
        hint = next((hint for slip, hint in _SLIPS.items() if re.match(slip, rest)), self.example)
        message = f"the filter cannot be read at character {place}, from {shortened(rest)!r} on{detail}"
        return FindCLIError(message, hint=hint)


def shortened(text: str) -> str:
    """A text, cut if it is long."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}\u2026"
