"""What the commands that compare the linear probe with rivals print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from findcli.cli import console

if TYPE_CHECKING:
    from findcli.evaluation.probe_comparison import Compared
    from findcli.metrics import Interval


TASKS_A_TABLE = 5  # so that a narrow terminal crops no figure


def print_compared(found: Compared) -> None:
    """Print every kind of vector on every task, how far findcli's rows lie above rivals, and what is lacking."""
    from findcli.evaluation.probe_comparison import AVERAGE, CLAIMED

    splits = ", ".join(f'"{salt}"' for salt in found.splits)
    console.print_line(f"linear probe of {len(found.tasks)} tasks, ten draws; splits {splits}")
    whole = [row for row in found.rows if row.task == AVERAGE]
    console.print_table(
        [AVERAGE, "AUC", "95 %", "KS", "seconds"],
        [[row.by, row.auc.value, _range(row.auc), row.ks, row.seconds if row.rival else None] for row in whole],
    )
    areas = {(row.by, row.task): row.auc.value for row in found.rows}
    for columns in batched(found.tasks, TASKS_A_TABLE):
        console.print_table(["AUC", *columns], [[row.by, *(areas[row.by, name] for name in columns)] for row in whole])
    for own in CLAIMED:
        mine = [less for less in found.differences if less.by == own]
        if mine:
            console.print_table(
                [f"{own}, less", AVERAGE, "95 %"],
                [
                    [less.beside, _signed(less.auc.value), _signed_range(less.auc)]
                    for less in mine
                    if less.task == AVERAGE
                ],
            )
            console.print_table(
                ["task", "its best rival", f"{own}, less it", "95 %"],
                [
                    [less.task, less.beside, _signed(less.auc.value), _signed_range(less.auc)]
                    for less in found.best_rivals(own)
                ],
            )
    for note in found.notes:
        console.print_warning(note)


def batched(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """The names, so many at a time (itertools has it from Python 3.12 on)."""
    rest = iter(names)
    while some := tuple(islice(rest, size)):
        yield some


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f}-{interval.high:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _signed_range(interval: Interval) -> str:
    return f"{interval.low:+.3f} to {interval.high:+.3f}"
