"""The entry point: the tree of commands, and the one place where an error a user can mend becomes an exit code."""

from __future__ import annotations

import os
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
from findcli.errors import FindCLIError

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
        args: the words after `findcli`; those of the process when not given.
    """
    # Threads that wait by spinning steal the cores of those that work; it must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(args, prog_name="findcli")
    except FindCLIError as error:
        console.print_error(error)
        raise SystemExit(1) from error
