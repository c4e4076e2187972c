"""Charts: well-formed images with a name, in which larger numbers are drawn larger."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.page.chart import HEIGHT, WIDTH, Bar, Point, bars, curve

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
NAMES = {"x_name": "size", "y_name": "share"}


def coordinates(svg: str, kind: str) -> list[tuple[float, float]]:
    (points,) = [each.get("points", "") for each in ElementTree.fromstring(svg).iter() if each.get("class") == kind]
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]


@given(SHARES, st.floats(0, 1))
def test_a_curve_lies_within_the_picture_and_within_its_band(shares: list[float], mark: float) -> None:
    points = [Point(i / len(shares), y, max(0, y - 0.1), min(1, y + 0.1)) for i, y in enumerate(shares, 1)]
    svg = curve(points, title="a curve", mark=mark, **NAMES)
    line, band = coordinates(svg, "line"), coordinates(svg, "band")
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in [*line, *band])
    upper, lower = band[: len(line)], band[len(line) :][::-1]
    assert all(u[1] <= at[1] + 0.11 and at[1] <= w[1] + 0.11 for u, at, w in zip(upper, line, lower, strict=True))


@given(SHARES)
def test_a_greater_share_is_drawn_higher(shares: list[float]) -> None:
    rising = sorted(shares)
    line = coordinates(curve([Point(1, y) for y in rising], title="a curve", **NAMES), "line")
    assert all(one[1] >= other[1] for one, other in pairwise(line))


def test_without_a_band_none_is_drawn() -> None:
    assert "polygon" not in curve([Point(0.5, 0.2), Point(1, 0.1)], title="a curve", **NAMES)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=10))
def test_bars_are_as_long_as_their_values(values: list[float]) -> None:
    svg = bars([Bar(f"bar {i}", value, str(value)) for i, value in enumerate(values)], title="bars")
    widths = [float(each.get("width", "nan")) for each in ElementTree.fromstring(svg).iter("rect")]
    order = sorted(range(len(values)), key=lambda i: values[i])
    assert all(widths[one] <= widths[other] for one, other in pairwise(order))
    assert max(widths) <= WIDTH


def test_names_are_text_whatever_they_hold() -> None:
    svg = bars([Bar("<script>alert(1)</script>", 1.0, '"1" & more')], title='a "title" <b>')
    tree = ElementTree.fromstring(svg)
    assert tree.get("aria-label") == 'a "title" <b>'
    assert tree.get("role") == "img"
    assert not [each for each in tree.iter() if "script" in each.tag]
    assert "<script" in "".join(each.text or "" for each in tree.iter())


def test_ticks_are_round() -> None:
    svg = curve([Point(0.5, 0.13), Point(1, 0.02)], title="a curve", **NAMES)
    assert re.findall(r'text-anchor="end">([\d.]+%)<', svg)[:5] == ["0%", "5.0%", "10%", "15%", "20%"]
