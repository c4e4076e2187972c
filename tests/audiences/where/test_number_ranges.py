"""Bands as people write them, and what is true of all, of none or of a part of their numbers."""

from __future__ import annotations

import math
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.where.number_ranges import Band, parse_band

RELATIONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "band"),
    [
        ("25-34", Band(25, 34)),
        (" 25 \u2013 34 ", Band(25, 34)),
        ("1 to 2", Band(1, 2)),
        ("15-24K", Band(15_000, 24_000)),
        ("500-1K", Band(500, 1_000)),
        ("$25,000 - $34,999.50", Band(25_000, 34_999.5)),
        ("65+", Band(65, math.inf)),
        ("250K+", Band(250_000, math.inf)),
        ("1.5m or more", Band(1_500_000, math.inf)),
        (">=5", Band(5, math.inf)),
        ("over 5", Band(5, math.inf, above=True)),
        ("Under 15K", Band(-math.inf, 15_000, below=True)),
        ("<5", Band(-math.inf, 5, below=True)),
        ("up to 5", Band(-math.inf, 5)),
        ("5 or less", Band(-math.inf, 5)),
        ("3", Band(3, 3)),
    ],
)
def test_a_band_is_read_as_written(value: str, band: Band) -> None:
    assert parse_band(value) == band


@pytest.mark.parametrize("value", ["", "gold", "None/Unknown", "34-25", "25-34 years", "2-3-4", "-5", "1,00"])
def test_what_is_no_band_is_none(value: str) -> None:
    assert parse_band(value) is None


@given(
    st.integers(0, 6), st.integers(0, 6), st.booleans(), st.booleans(), st.sampled_from(sorted(RELATIONS)),
    st.integers(0, 24),
)  # fmt: skip
def test_a_relation_holds_of_all_of_none_or_of_a_part(
    low: int, width: int, above: bool, below: bool, symbol: str, half: int
) -> None:
    band = Band(low, low + width + 1, above=above, below=below)
    quarters = [quarter / 4 for quarter in range(4 * low + above, 4 * (low + width + 1) + 1 - below)]
    held = {RELATIONS[symbol](number, half / 2) for number in quarters}
    assert band.compare(symbol, half / 2) is (held.pop() if len(held) == 1 else None)
