"""What sizes are expected to bring: the options that set them, and how they are printed.

Tested in tests/audiences/test_sizes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from findcli.cli import console, panels

if TYPE_CHECKING:
    from findcli.audiences.sizes import Goal, Size

TargetPrecision = Annotated[
    float | None,
    typer.Option(
        "--target-precision",
        metavar="SHARE",
        help="Select as many users as surely respond at this share, such as 0.3: 9 such audiences in 10 keep it.",
        rich_help_panel=panels.SIZE,
    ),
]
Budget = Annotated[
    float | None,
    typer.Option("--budget", help="Select no more users than this pays for; with --cost.", rich_help_panel=panels.SIZE),
]
Cost = Annotated[
    float | None, typer.Option("--cost", help="What a message to one user costs.", rich_help_panel=panels.SIZE)
]
Value = Annotated[
    float | None,
    typer.Option(
        "--value",
        help="What a response is worth: select nobody who costs more; with --cost.",
        rich_help_panel=panels.SIZE,
    ),
]

LockOption = Annotated[
    Literal["reach", "score"] | None,
    typer.Option(
        "--lock",
        help="Keep the reach or the last score of an audience that was written before.",
        rich_help_panel=panels.SIZE,
    ),
]
Earlier = Annotated[
    str | None,
    typer.Option(
        "--earlier",
        metavar="AUDIENCE",
        help="That audience: its name if it is saved, or its file.",
        rich_help_panel=panels.SIZE,
    ),
]


def lock_limits(
    workspace: Path | None, lock: Literal["reach", "score"] | None, earlier: str | None, *, limited: bool
) -> dict[str, Any]:
    """The limits that keep what an earlier audience had; none without a lock.

    Raises:
        BadParameter: the earlier audience or the lock is missing, or other limits stand beside it.
        FindCLIError: the earlier audience cannot be read.
    """
    if (lock is None) != (earlier is None):
        raise typer.BadParameter("give both --lock and --earlier", param_hint="--lock")
    if lock is None or earlier is None:
        return {}
    if limited:
        raise typer.BadParameter("it sets the size already: leave other limits out", param_hint="--lock")
    from findcli.audiences.lock import locked
    from findcli.workspace.folder import load_workspace

    kept = locked(load_workspace(workspace), lock, earlier)
    return {name: value for name, value in vars(kept).items() if value is not None}


def print_sizes(sizes: Sequence[Size]) -> None:
    """Print a table, a row a size."""
    console.print_table(
        ["best", "users", "expected to respond", "90 % interval", "of the audience", "90 % interval "],
        [
            [
                _share(size.share), size.users, f"{size.responders:,.0f}", f"{size.low:,.0f} to {size.high:,.0f}",
                f"{size.precision:.0%}", _precisions(size),
            ]
            for size in sizes
        ],
    )  # fmt: skip


def expected(size: Size) -> str:
    """What one size is expected to bring, in a few words."""
    return (
        f"expected to come true for {size.responders:,.0f} ({size.precision:.0%}), "
        f"9 times in 10 for {size.low:,.0f} to {size.high:,.0f} ({_precisions(size)})"
    )


def print_goal(goal: Goal | None, selected: int) -> None:
    """Print what a goal asked for, and what it comes to."""
    if goal is None:
        return
    if goal.precision is not None:
        console.print_line(f"as many as surely respond at {goal.precision:.0%}: 9 such audiences in 10 keep it")
    if goal.cost is not None:
        spent = f"{selected:,} messages cost {selected * goal.cost:,.2f}"
        console.print_line(spent if goal.budget is None else f"{spent} of {goal.budget:,.2f}")
    if goal.break_even is not None:
        likely = "whoever is less likely is left out" if selected else "nobody here is that likely"
        console.print_line(f"a message pays from a chance of {goal.break_even:.1%} on: {likely}")


def plain(size: Size | None) -> dict[str, Any] | None:
    """A size as JSON."""
    return None if size is None else {**vars(size), "precision": size.precision}


def _precisions(size: Size) -> str:
    return f"{size.low / size.users:.0%} to {size.high / size.users:.0%}"


def _share(share: float) -> str:
    """A share in as many digits as it takes not to be none: 5%, 0.5%, 0.01%."""
    for digits in range(4):
        text = f"{share:.{digits}%}"
        if float(text[:-1]):
            break
    return text
