"""A socket to listen at, opened before anything is promised: an address that is taken is an error, not a stack trace.

Tested in tests/audiences/serve/test_command.py.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from findcli.errors import FindCLIError


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen at an address for as long as it is used; port 0 takes a free one.

    Raises:
        FindCLIError: the address is taken, or not of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        opened = socket.create_server((host, port), family=family)
    except OSError as error:
        hint = "name another with --port, or 0 for a free one"
        raise FindCLIError(f"cannot listen at {host}:{port}: {error.strerror or error}", hint=hint) from error
    with opened:
        yield opened
