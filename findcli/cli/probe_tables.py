"""What the commands that compare the linear probe with rivals print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from findcli.cli import console

if TYPE_CHECKING:
    from findcli.metrics import Interval
    from findcli.probe_comparison import Compared


def print_compared(found: Compared) -> None:
    """Print every kind of vector on every task, how far findcli's rows lie above rivals, and what is lacking."""
    from findcli.probe_comparison import AVERAGE, CLAIMED

    columns = [*found.tasks, AVERAGE]
    splits = ", ".join(f'"{salt}"' for salt in found.splits)
    console.print_line(f"linear probe of {len(found.tasks)} tasks, ten draws; splits {splits}; AUC")
    areas = {(row.by, row.task): row for row in found.rows}
    names = list(dict.fromkeys(row.by for row in found.rows))
    console.print_table(
        ["vectors", *columns, "95 %", "seconds"],
        [
            [
                name,
                *(areas[name, column].auc.value for column in columns),
                _range(areas[name, AVERAGE].auc),
                areas[name, AVERAGE].seconds if areas[name, AVERAGE].rival else None,
            ]
            for name in names
        ],
    )
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


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f}-{interval.high:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _signed_range(interval: Interval) -> str:
    return f"{interval.low:+.3f} to {interval.high:+.3f}"
