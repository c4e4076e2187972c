"""Print for commands: results on stdout, progress and errors on stderr.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from rich.console import Console
from rich.text import Text

from findcli.errors import FindCLIError
from findcli.progress import Progress

SHORT = 24  # columns whose cells are no longer than this never wrap
LEAST = 12  # the least width of a column of longer cells
CONTROLS = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode categories: controls, direction marks, surrogates, line ends


def stdout() -> Console:
    """The console for results; new on each call, since tests and pipes replace the stream."""
    return Console(highlight=False, soft_wrap=True, emoji=False)


def stderr() -> Console:
    """The console for progress and errors."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def print_line(text: str) -> None:
    """Print a line of the result verbatim."""
    stdout().print(visible(text), markup=False)


def print_json(value: Any) -> None:
    """Print the result for a program; dates and paths become text."""
    stdout().print_json(data=value, default=shown)


def shown(value: object) -> str:
    """A value as text; a path that stands for an object is its s3:// URL again."""
    from findcli.workspace.objects import url_of

    return url_of(value) or str(value) if isinstance(value, PurePath) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows in aligned columns; numbers are right-aligned with thousands separators, and None is left blank."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = all(isinstance(row[i], int | float | None) for row in rows)
        short = _is_short(rows, i)
        table.add_column(
            name,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=short,
            min_width=None if short else LEAST,
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = stdout()
    # Short cells are ids and figures: on a terminal too narrow for them, lines overflow rather than cut figures off.
    needed = sum(_needed(name, rows, i) + 2 for i, name in enumerate(columns))
    console.width = max(console.width, needed)
    console.print(table, soft_wrap=False)


def _is_short(rows: Sequence[Sequence[object]], column: int) -> bool:
    return all(len(_cell(row[column])) <= SHORT for row in rows)


def _needed(name: str, rows: Sequence[Sequence[object]], column: int) -> int:
    """The width a column needs: that of its name and cells if they never wrap."""
    if not _is_short(rows, column):
        return LEAST
    return max([len(name), *(len(_cell(row[column])) for row in rows)])


def figure(value: float, possible: float | None) -> str:
    """A figure, with the best possible one if that is known: "0.812 of 0.87"."""
    return f"{value:.3f}" if possible is None else f"{value:.3f} of {possible:.2f}"


def print_warning(text: str) -> None:
    """Print what the user should know beside the result, on stderr."""
    stderr().print(Text("warning: ", style="bold yellow") + Text(visible(text)))


def print_error(error: FindCLIError) -> None:
    """Print what is wrong and the next step on stderr."""
    console = stderr()
    console.print(Text("error: ", style="bold red") + Text(visible(error.message)))
    if error.hint:
        console.print(Text("hint: ", style="bold") + Text(visible(error.hint)))


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Progress]:
    """Show a bar with rate, time left and metrics on stderr while a stage runs.

    Args:
        title: the title of the bar.
        quiet: show nothing.

    Yields:
        The function that the stage calls at each step.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Bar(*columns, console=stderr(), disable=quiet) as bar:
        task = bar.add_task(title, total=None, rate="", metrics="")

        def advance(step: int, total: int, metrics: Mapping[str, float]) -> None:
            shown = f"loss {metrics['loss']:.4g}" if "loss" in metrics else ""
            speed = bar.tasks[0].speed
            rate = "" if speed is None else f"{speed:.3g}/s"
            bar.update(task, completed=step, total=total, rate=rate, metrics=shown)

        yield advance
        if bar.tasks[0].total is None:
            bar.update(task, completed=1, total=1)


def visible(text: str) -> str:
    """Text with its control characters escaped, since a terminal would obey those in data."""
    return "".join(char if char in "\n\t" or char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in CONTROLS else char


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else visible(str(value))
