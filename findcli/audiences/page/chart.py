"""Charts as SVG, placed by hand: a curve with its band, bars, and a line of what would be exact.

A page shows the same numbers in a table beside each, so a chart is one image with a name. Colours are the page's: by
class, for light, dark and print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 400, 244  # of the view box; a page scales it
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 28, 40
ROW, NAMES = 30, 176  # height of a bar with its name, and width of the names
TICKS = 4
ROUND = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Point:
    """A point of a curve; its band, from `low` to `high`, is None where it is not known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bar:
    """A bar, with its name and its value in words."""

    name: str
    value: float
    label: str


def curve(points: Sequence[Point], *, title: str, x_name: str, y_name: str, mark: float | None = None) -> Markup:
    """A curve over shares, both in [0, 1], with its band.

    Args:
        points: at least one, by x.
        title: what the chart shows, for those who do not see it.
        x_name: of the horizontal axis.
        y_name: of the vertical axis.
        mark: the x of a vertical line; None for none.
    """
    top = _round_up(max(max(point.y, point.high or 0) for point in points))
    place = _Place(top)
    pieces = [*_axes(place, x_name=x_name, y_name=y_name)]
    banded = [p for p in points if p.low is not None and p.high is not None]
    if banded:
        edge = [(p.x, p.high or 0) for p in banded] + [(p.x, p.low or 0) for p in reversed(banded)]
        pieces.append(Markup('<polygon class="band" points="{}"/>').format(place.path(edge)))
    pieces.append(Markup('<polyline class="line" points="{}"/>').format(place.path([(p.x, p.y) for p in points])))
    if mark is not None:
        x = place.x(mark)
        line = '<line class="mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        pieces.append(Markup(line).format(_n(x), TOP, HEIGHT - BOTTOM))
    return _svg(title, HEIGHT, pieces)


def bars(rows: Sequence[Bar], *, title: str, exact: float | None = None) -> Markup:
    """Horizontal bars from 0, the name before and the value behind each.

    Args:
        rows: at least one.
        title: what the chart shows, for those who do not see it.
        exact: the value at which a vertical line stands, such as what would be exact; None for none.
    """
    longest = max([row.value for row in rows] + [exact or 0]) or 1.0
    room = WIDTH - NAMES - 58
    pieces = []
    for i, row in enumerate(rows):
        y, wide = i * ROW, max(row.value, 0) / longest * room
        pieces += [
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(NAMES - 6, y + 20, _short(row.name)),
            Markup('<rect class="bar" x="{}" y="{}" width="{}" height="20"/>').format(NAMES, y + 5, _n(wide)),
            Markup('<text x="{}" y="{}">{}</text>').format(_n(NAMES + wide + 6), y + 20, row.label),
        ]
    if exact is not None:
        x = _n(NAMES + exact / longest * room)
        line = '<line class="mark" x1="{0}" x2="{0}" y1="0" y2="{1}"/>'
        pieces.append(Markup(line).format(x, len(rows) * ROW))
    return _svg(title, len(rows) * ROW, pieces)


@dataclass(frozen=True)
class _Place:
    """Where a chart's numbers lie; its horizontal axis ends at 1, the vertical at `top`."""

    top: float

    def x(self, value: float) -> float:
        return LEFT + value * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{_n(self.x(x))},{_n(self.y(y))}" for x, y in points)


def _axes(place: _Place, *, x_name: str, y_name: str) -> list[Markup]:
    """Grid lines with their percentages, and the names of both axes."""
    pieces = []
    for i in range(TICKS + 1):
        share = i / TICKS
        y, x = place.y(share * place.top), place.x(share)
        grid = '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text x="{}" y="{}" text-anchor="end">{}</text>'
        pieces.append(
            Markup(grid).format(LEFT, WIDTH - RIGHT, LEFT - 6, _n(y + 4), _percent(share * place.top), y=_n(y))
        )
        anchor = "end" if i == TICKS else "middle"
        tick = '<text x="{}" y="{}" text-anchor="{}">{}</text>'
        pieces.append(Markup(tick).format(_n(x), HEIGHT - BOTTOM + 16, anchor, f"{share:.0%}"))
    pieces.append(Markup('<text x="0" y="12">{}</text>').format(y_name))
    pieces.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH - RIGHT, HEIGHT - 6, x_name))
    return pieces


def _svg(title: str, height: int, pieces: Sequence[Markup]) -> Markup:
    head = '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    return Markup(head).format(WIDTH, height, title, Markup("").join(pieces))


def _round_up(value: float) -> float:
    """The least of a few round numbers that is not below a value above 0; 1 for 0."""
    if value <= 0:
        return 1.0
    step = 1e-6
    while step * 10 < value:
        step *= 10
    return next(step * times for times in ROUND if step * times >= value * (1 - 1e-9))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def _n(value: float) -> str:
    """A coordinate to a tenth, without an idle zero."""
    return f"{value:.1f}".removesuffix(".0")
