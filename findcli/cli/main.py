"""The entry point: the one place where an error becomes a message and an exit code.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import errno
import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from findcli import __version__
from findcli.cli import console
from findcli.cli.commands import Tree
from findcli.errors import FindCLIError, first_line

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="findcli",
    cls=Tree,
    help="Turn raw user histories into audiences chosen by one sentence.",
    epilog="Example: findcli quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print_line(f"findcli {__version__}")
        raise typer.Exit


@app.callback()
def findcli(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn raw user histories into audiences chosen by one sentence."""


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 a problem the user can fix, 2 wrong usage, 130 interrupted.

    Args:
        args: the words after `findcli`; default: those of the process. `--traceback` among them shows where an
            unexpected error arose.
    """
    # Threads that spin while waiting steal cores from those that work; this must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    words = list(sys.argv[1:] if args is None else args)
    show = "--traceback" in words
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a letter that the encoding lacks is replaced, not an error
    try:
        code = _run([word for word in words if word != "--traceback"])
        sys.stdout.flush()
    except FindCLIError as error:
        code = _fail(error)
    except OSError as error:
        code = _fail_writing(error) if _is_stdout(error) else _fail(_of_the_system(error, words, show=show))
    except BaseException as error:  # whatever a library raises ends in one message; polars' panics are not Exceptions
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            raise
        code = _fail(_unexpected(error, words, show=show))
    raise SystemExit(code)


def _run(words: Sequence[str]) -> int | str | None:
    try:
        app(words, prog_name="findcli")
    except SystemExit as done:
        return done.code
    return 0


def _fail(error: FindCLIError) -> int:
    console.print_error(error)
    return 1


def _is_stdout(error: OSError) -> bool:
    """Whether a write to stdout failed: errors of every other write name their file."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


def _fail_writing(error: OSError) -> int:
    """Report that stdout cannot be written, unless its reader has gone, as `head` does once it has read enough."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())  # so that Python does not try to write the rest of the buffer at exit
    if error.errno != errno.EPIPE:
        reason = os.strerror(error.errno or 0)
        hint = "free some space, or write to another file"
        console.print_error(FindCLIError(f"stdout cannot be written: {reason}", hint=hint))
    return 1


def _of_the_system(error: OSError, words: Sequence[str], *, show: bool) -> FindCLIError:
    """A system error about a file as a message that names the file; anything else as in `_unexpected`."""
    if error.filename is None or error.strerror is None or show:
        return _unexpected(error, words, show=show)
    full = error.errno in FULL
    hint = "free some space, or work in another folder" if full else "check the path and its permissions"
    return FindCLIError(f"{error.filename}: {error.strerror}", hint=f"{hint}; earlier results are unchanged")


def _unexpected(error: BaseException, words: Sequence[str], *, show: bool) -> FindCLIError:
    """An unforeseen error as a message: what was being done, what the library said, and how to see more."""
    if show:
        import traceback

        traceback.print_exception(error)
    while_doing = f" {error.__notes__[0]}" if getattr(error, "__notes__", None) else ""
    full = next((os.strerror(code) for code in FULL if os.strerror(code) in str(error)), None)
    if full is not None:  # libraries have exceptions of their own for a disk that is full
        hint = "free some space, or work in another folder; earlier results are unchanged"
        return FindCLIError(f"a file could not be written{while_doing}: {full}", hint=hint)
    kind = "" if type(error).__name__ in str(error) else f"{type(error).__name__}: "
    again = shlex.join(["findcli", *words, *([] if "--traceback" in words else ["--traceback"])])
    return FindCLIError(
        f"findcli stopped at an unexpected error{while_doing}: {kind}{first_line(error)}",
        hint=f"see where it arose with: {again}; earlier results are unchanged",
    )
