"""Bar charts of block characters over time: columns of one length, with a line where an instant is marked.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

BLOCKS = " ▁▂▃▄▅▆▇█"
HEIGHT, WIDEST = 3, 4


@dataclass(frozen=True, kw_only=True)
class Axis:
    """How time is cut into columns.

    Attributes:
        origin: an instant at which a column begins.
        first: the number of the first column, counted from the origin.
        columns: how many there are.
        step: the length of one.
        width: its width in characters.
        marks: the character of a line, by the column that it is drawn before.
    """

    origin: datetime
    first: int
    columns: int
    step: timedelta
    width: int
    marks: Mapping[int, str]


def fit_axis(
    begin: datetime, end: datetime, *, origin: datetime, step: timedelta, room: int, marks: Mapping[datetime, str]
) -> Axis:
    """Cut [begin, end) into columns of one step, or of as few steps as fit.

    Args:
        begin: the first instant.
        end: after the last.
        origin: a column begins here, so that none lies on both sides.
        step: what a column stands for where there is room.
        room: characters.
        marks: the character of a line at an instant.
    """
    steps = max(1, -((begin - end) // step))
    length = step * -(-steps // max(1, room - len(marks) - 1))  # cut from the origin there may be one more
    first, last = (begin - origin) // length, -((origin - end) // length)
    columns = max(1, last - first)
    width = min(WIDEST, max(1, (room - len(marks)) // columns))
    lines = {(instant - origin) // length - first: mark for instant, mark in marks.items()}
    return Axis(origin=origin, first=first, columns=columns, step=length, width=width, marks=lines)


def column_sums(counts: Iterable[tuple[datetime, int]], axis: Axis) -> list[int]:
    """What falls into each column."""
    totals: Counter[int] = Counter()
    for time, count in counts:
        totals[(time - axis.origin) // axis.step - axis.first] += count
    return [totals[i] for i in range(axis.columns)]


def bar_lines(sums: list[int], axis: Axis) -> list[str]:
    """The bars from top to bottom; the highest fills all of them, and what is not 0 can be seen."""
    most = max(1, *sums)
    eighths = [-(-count * HEIGHT * 8 // most) for count in sums]
    gap = " " if axis.width > 1 else ""
    lines = []
    for row in reversed(range(HEIGHT)):
        bars = [BLOCKS[min(8, max(0, n - 8 * row))] * (axis.width - len(gap)) + gap for n in eighths]
        lines.append("".join(axis.marks.get(i, "") + bar for i, bar in enumerate(bars)))
    return lines


def axis_line(begin: datetime, end: datetime, axis: Axis) -> str:
    """The first and the last day under the bars."""
    width = axis.columns * axis.width + len(axis.marks)
    last = f"{end - timedelta(microseconds=1):%Y-%m-%d}"
    return f"{begin:%Y-%m-%d}" + last.rjust(max(len(last) + 1, width - 10))
