"""Parse values that stand for ranges of numbers ("25-34", "Under 15K", "65+"), and compare such bands with numbers.

A band's ends are as written and both belong to it, except that of "under", "over", "<" and ">". K means thousand, M
million; in "15-24K" the K applies to both ends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

_SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
_NUMBER = r"[$€£]?\s?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s?([km]?)"
_FORMS = {
    form: re.compile(pattern, re.IGNORECASE | re.ASCII)
    for form, pattern in {
        "one": _NUMBER,
        "range": rf"{_NUMBER}\s*(?:-|\u2013|\u2014|to)\s*{_NUMBER}",
        "at least": rf"(?:>=|\u2265|at least)\s*{_NUMBER}",
        "or more": rf"{_NUMBER}\s*(?:\+|or more|or over|and over)",
        "over": rf"(?:>|over|above|more than)\s*{_NUMBER}",
        "at most": rf"(?:<=|\u2264|at most|up to)\s*{_NUMBER}",
        "or less": rf"{_NUMBER}\s*(?:or less|or under|and under)",
        "under": rf"(?:<|under|below|less than)\s*{_NUMBER}",
    }.items()
}


@dataclass(frozen=True)
class Band:
    """A range of numbers.

    Attributes:
        low: its lower end; minus infinity if it has none.
        high: its upper end; infinity if it has none.
        above: whether the lower end itself is excluded.
        below: whether the upper end itself is excluded.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    def compare(self, symbol: str, number: float) -> bool | None:
        """Compare the band with a number.

        Args:
            symbol: "<", "<=", ">", ">=", "==" or "!=".
            number: the number.

        Returns:
            True if the comparison holds for the whole band, False if for none of it, None if the band straddles.
        """
        if symbol == "!=":
            equal = self.compare("==", number)
            return None if equal is None else not equal
        all_hold, none_holds = self._extremes(symbol, number)
        return True if all_hold else (False if none_holds else None)

    def _extremes(self, symbol: str, number: float) -> tuple[bool, bool]:
        under = self.high < number or (self.below and self.high == number)
        over = self.low > number or (self.above and self.low == number)
        relations: dict[str, tuple[bool, bool]] = {
            "<": (under, self.low >= number),
            "<=": (self.high <= number, over),
            ">": (over, self.high <= number),
            ">=": (self.low >= number, under),
            "==": (self.low == self.high == number, under or over),
        }
        return relations[symbol]


def parse_band(value: str) -> Band | None:
    """The band that a value stands for; None if it stands for none."""
    makers: dict[str, Callable[[list[str]], Band | None]] = {
        "one": lambda parts: Band(_scaled(*parts), _scaled(*parts)),
        "range": _range,
        "at least": lambda parts: Band(_scaled(*parts), math.inf),
        "or more": lambda parts: Band(_scaled(*parts), math.inf),
        "over": lambda parts: Band(_scaled(*parts), math.inf, above=True),
        "at most": lambda parts: Band(-math.inf, _scaled(*parts)),
        "or less": lambda parts: Band(-math.inf, _scaled(*parts)),
        "under": lambda parts: Band(-math.inf, _scaled(*parts), below=True),
    }
    for form, pattern in _FORMS.items():
        if match := pattern.fullmatch(value.strip()):
            return makers[form](list(match.groups()))
    return None


def _range(parts: list[str]) -> Band | None:
    low, low_scale, high, high_scale = parts
    top = _scaled(high, high_scale)
    # "500-1K" cannot lend its K to the lower end, "15-24K" does.
    bottoms = [_scaled(low, low_scale or high_scale), _scaled(low, low_scale)]
    return next((Band(bottom, top) for bottom in bottoms if bottom <= top), None)


def _scaled(number: str, scale: str) -> float:
    return float(number.replace(",", "")) * _SCALES[scale.lower()]
