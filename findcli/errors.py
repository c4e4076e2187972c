"""The one exception that a user can mend, and what was being done when any other was raised.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class FindCLIError(Exception):
    """A problem the user can mend: what is wrong, with the value, and the next step.

    Attributes:
        message: what is wrong, naming the value.
        hint: what to do next, usually a command or a key of findcli.toml.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Note on any exception of the block what was being done, such as "reading data/orders.csv"; innermost first."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while {what}")
        raise


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
