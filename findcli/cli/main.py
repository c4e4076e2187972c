"""The entry point: the tree of commands, and the one place where an error a user can mend becomes an exit code."""

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
from findcli.cli import (
    ablate,
    align,
    benchmark,
    build_pairs,
    check,
    clean,
    console,
    describe,
    embed,
    evaluate,
    few_shot,
    init,
    plot,
    pretrain,
    probe,
    prompts,
    quickstart,
    rank_sentences,
    run,
    status,
    target,
    tune_prompt,
    tune_rewriter,
)
from findcli.cli.options import Group
from findcli.errors import FindCLIError, first_line

WORKSPACE, BUILD, USE, EVALUATE = "Workspace", "Build", "Use", "Evaluate"

app = typer.Typer(
    name="findcli",
    cls=Group,
    help="Turn raw user histories into audiences chosen by one sentence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("quickstart", rich_help_panel=WORKSPACE)(quickstart.quickstart)
app.command("init", rich_help_panel=WORKSPACE)(init.init)
app.command("check", rich_help_panel=WORKSPACE)(check.check)
app.command("describe", rich_help_panel=WORKSPACE)(describe.describe)
app.command("status", rich_help_panel=WORKSPACE)(status.status)
app.command("clean", rich_help_panel=WORKSPACE)(clean.clean)
app.command("run", rich_help_panel=BUILD)(run.run)
app.command("build-pairs", rich_help_panel=BUILD)(build_pairs.build_pairs)
app.add_typer(pretrain.app, name="pretrain", rich_help_panel=BUILD)
app.command("align", rich_help_panel=BUILD, help=align.HELP)(align.align)
app.command("embed", rich_help_panel=BUILD)(embed.embed)
app.command("tune-rewriter", rich_help_panel=BUILD)(tune_rewriter.tune_rewriter)
app.command("target", rich_help_panel=USE)(target.target)
app.command("tune-prompt", rich_help_panel=USE)(tune_prompt.tune_prompt)
app.add_typer(prompts.app, name="prompts", rich_help_panel=USE)
app.command("plot", rich_help_panel=EVALUATE)(plot.plot)
app.command("probe", rich_help_panel=EVALUATE)(probe.probe)
app.command("evaluate", cls=evaluate.Evaluate, rich_help_panel=EVALUATE)(evaluate.evaluate)
app.command("few-shot", rich_help_panel=EVALUATE)(few_shot.few_shot)
app.command("ablate", rich_help_panel=EVALUATE)(ablate.ablate)
app.command("rank-sentences", rich_help_panel=EVALUATE)(rank_sentences.rank_sentences)
app.add_typer(benchmark.app, name="benchmark", rich_help_panel=EVALUATE)


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
    """Run a command line and exit: 0 done, 1 a problem the user can mend, 2 usage, 130 interrupted.

    Args:
        args: the words after `findcli`; those of the process when not given. `--traceback` among them shows where an
            unexpected error arose.
    """
    # Threads that wait by spinning steal the cores of those that work; it must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    words = list(sys.argv[1:] if args is None else args)
    show = "--traceback" in words
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an encoding that lacks a letter shows another, and goes on
    try:
        code = _run([word for word in words if word != "--traceback"])
        sys.stdout.flush()
    except FindCLIError as error:
        code = _fail(error)
    except OSError as error:
        code = _fail_writing(error) if _is_stdout(error) else _fail(_of_the_system(error, words, show=show))
    except BaseException as error:  # whatever a library raises ends in one message; polars' panics are no Exception
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
    """Whether a write to stdout failed: the library names the file of every other write."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


def _fail_writing(error: OSError) -> int:
    """Say that stdout cannot be written, unless its reader went away, as `head` does once it has read enough."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())  # what is still in the buffer is not tried again when Python ends
    if error.errno != errno.EPIPE:
        reason = os.strerror(error.errno or 0)
        hint = "send it elsewhere: free some space, or name another file"
        console.print_error(FindCLIError(f"stdout cannot be written: {reason}", hint=hint))
    return 1


def _of_the_system(error: OSError, words: Sequence[str], *, show: bool) -> FindCLIError:
    """What the system says of a file, with the file; anything else as `_unexpected`."""
    if error.filename is None or error.strerror is None or show:
        return _unexpected(error, words, show=show)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free some space, or work in another folder" if full else "check that the path is right and open to you"
    return FindCLIError(f"{error.filename}: {error.strerror}", hint=f"{hint}; what stood before has not changed")


def _unexpected(error: BaseException, words: Sequence[str], *, show: bool) -> FindCLIError:
    """An error that nobody foresaw as a message: what was being done, what the library said, and how to see more."""
    if show:
        import traceback

        traceback.print_exception(error)
    while_doing = f" {error.__notes__[0]}" if getattr(error, "__notes__", None) else ""
    kind = "" if type(error).__name__ in str(error) else f"{type(error).__name__}: "
    again = shlex.join(["findcli", *words, *([] if "--traceback" in words else ["--traceback"])])
    return FindCLIError(
        f"findcli stopped at an error that it did not expect{while_doing}: {kind}{first_line(error)}",
        hint=f"see where with: {again}; what stood before has not changed",
    )
