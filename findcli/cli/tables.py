"""What the tables of evaluating commands share: the line that opens a task, intervals, and the probe beside rivals.

Tested in tests/evaluation/test_ablations.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from findcli.cli import console

if TYPE_CHECKING:
    from findcli.evaluation.probe_comparison import Compared
    from findcli.metrics import Interval

TASKS_A_TABLE = 5  # so that a narrow terminal crops no figure


class TaskFigures(Protocol):
    """A task's result, whatever was measured on it."""

    @property
    def task(self) -> str:
        """Its name."""

    @property
    def title(self) -> str:
        """Its readable name."""

    @property
    def users(self) -> int:
        """How many were evaluated."""

    @property
    def positives(self) -> int:
        """How many of them have the outcome."""


def task_line(result: TaskFigures, details: str = "") -> str:
    """The line that opens a task's tables: "d1: redeems a coupon - 1,000 users, 200 positive (20.0%)"."""
    share = result.positives / result.users
    users = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    return f"{result.task}: {result.title} - {users}{details}"


def bounds(interval: Interval) -> str:
    """The ends of an interval: "0.612-0.654"."""
    return f"{interval.low:.3f}-{interval.high:.3f}"


def signed(value: float) -> str:
    """A difference: "+0.012"."""
    return f"{value:+.3f}"


def signed_bounds(interval: Interval) -> str:
    """The ends of a difference's interval: "-0.004 to +0.028"."""
    return f"{interval.low:+.3f} to {interval.high:+.3f}"


def with_bounds(interval: Interval) -> str:
    """A figure and its interval: "0.633 [0.612, 0.654]"."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def signed_with_bounds(interval: Interval) -> str:
    """A difference and its interval: "+0.012 [-0.004, +0.028]"."""
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def print_compared(compared: Compared) -> None:
    """Print every kind of vector on every task, how far findcli's rows lie above rivals, and what is lacking."""
    from findcli.evaluation.probe_comparison import AVERAGE, CLAIMED

    splits = ", ".join(f'"{salt}"' for salt in compared.splits)
    console.print_line(f"linear probe of {len(compared.tasks)} tasks, ten draws; splits {splits}")
    whole = [row for row in compared.rows if row.task == AVERAGE]
    console.print_table(
        [AVERAGE, "AUC", "95 %", "KS", "seconds"],
        [[row.by, row.auc.value, bounds(row.auc), row.ks, row.seconds if row.rival else None] for row in whole],
    )
    areas = {(row.by, row.task): row.auc.value for row in compared.rows}
    for columns in batched(compared.tasks, TASKS_A_TABLE):
        console.print_table(["AUC", *columns], [[row.by, *(areas[row.by, name] for name in columns)] for row in whole])
    for vectors in CLAIMED:
        _print_differences(compared, vectors, AVERAGE)
    for note in compared.notes:
        console.print_warning(note)


def _print_differences(compared: Compared, vectors: str, average: str) -> None:
    """Print how far one kind of vector lies above each rival on average, and above the best rival of each task."""
    averages = [less for less in compared.differences if less.by == vectors and less.task == average]
    if not averages:
        return
    console.print_table(
        [f"{vectors}, less", average, "95 %"],
        [[less.beside, signed(less.auc.value), signed_bounds(less.auc)] for less in averages],
    )
    console.print_table(
        ["task", "its best rival", f"{vectors}, less it", "95 %"],
        [
            [less.task, less.beside, signed(less.auc.value), signed_bounds(less.auc)]
            for less in compared.best_rivals(vectors)
        ],
    )


def batched(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """The names, so many at a time (itertools has it from Python 3.12 on)."""
    rest = iter(names)
    while some := tuple(islice(rest, size)):
        yield some
