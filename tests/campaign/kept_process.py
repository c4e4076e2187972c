"""A process that has imported findcli and runs each command line in a child of its own, so that a start costs nothing.

Each line of stdin is a JSON list: the file that takes what the command prints, then its words. The answer is two lines:
the child's process id at once, and its exit status at its end, negative where a signal ended it.
"""

from __future__ import annotations

import json
import os
import sys

from findcli import pipeline
from findcli.audiences import target
from findcli.cli.main import main
from findcli.cli.stage import settle_threads

__all__ = ["pipeline", "target"]


def serve() -> None:
    """Run command lines until stdin ends."""
    settle_threads(1)
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        log, *words = json.loads(line)
        child = os.fork()
        if child == 0:
            run(log, words)
        print(child, flush=True)  # noqa: T201
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def run(log: str, words: list[str]) -> None:
    """Run one command line and leave."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    code = 70
    try:
        main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(code)


serve()
