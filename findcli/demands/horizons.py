"""Parse how far ahead a demand looks: "next month", "in the next 6 weeks".

A grammar of English durations, nothing else: whatever it does not understand stays in the demand.

Tested in tests/demands/test_grammar.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "quarter": 91, "season": 91, "year": 365}
WORDS = {
    word: number
    for number, words in enumerate(
        ("", "a an one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
    for word in words.split()
} | {"couple of": 2, "few": 3}
_UNIT = "|".join(DAYS)
_NUMBER = r"\d{1,3}|" + "|".join(sorted(WORDS, key=len, reverse=True))
_HORIZONS = (
    rf"(?:with)?in (?:the )?(?:next |coming |following )?(?:(?:a )?(?P<n1>{_NUMBER}) )(?P<u1>{_UNIT})s?(?:' time)?",
    rf"(?:for|over|during|in) the (?:next|coming|following) (?:(?P<n2>{_NUMBER}) )?(?P<u2>{_UNIT})s?",
    rf"(?:within |during |in |over )?(?:the )?(?:next|coming|following) (?:(?P<n3>{_NUMBER}) )?(?P<u3>{_UNIT})s?",
    rf"(?:with)?in the (?P<u4>{_UNIT})",
    rf"(?:by the end of |later |some ?time )?this (?P<u5>{_UNIT})",
    rf"(?P<n6>{_NUMBER}) (?P<u6>{_UNIT})s? (?:from now|ahead)",
    r"(?:with)?in (?:the )?(?:next )?(?P<hours>\d{1,3}) hours?",
    r"(?P<tomorrow>by tomorrow|tomorrow)",
    r"(?P<today>today|tonight|this (?:morning|afternoon|evening))",
    r"(?P<weekend>(?:on |over |at )?(?:the |this |next |coming )+weekend)",
    r"(?P<vague>(?:very )?soon|shortly|in the near future|before long|any day now)",
)
_HORIZON = re.compile(rf"\b(?:{'|'.join(_HORIZONS)})(?!\w)", re.IGNORECASE)


@dataclass(frozen=True)
class Horizon:
    """How far ahead a demand looks.

    Attributes:
        words: its words in the demand.
        length: how long that is; None when the words are vague, such as "soon".
    """

    words: str
    length: timedelta | None


def take_horizon(demand: str) -> tuple[str, Horizon | None]:
    """Take the horizon out of a demand: the rest, and the first horizon; all further ones are taken out too."""
    horizons = [_horizon(match) for match in _HORIZON.finditer(demand)]
    return (_HORIZON.sub(" ", demand), horizons[0]) if horizons else (demand, None)


def _horizon(match: re.Match[str]) -> Horizon:
    groups = match.groupdict()
    words = " ".join(match[0].split())
    if groups["vague"]:
        return Horizon(words, None)
    if groups["hours"]:
        return Horizon(words, timedelta(hours=int(groups["hours"])))
    for name, days in (("today", 1), ("tomorrow", 2), ("weekend", 7)):
        if groups[name]:
            return Horizon(words, timedelta(days=days))
    unit = next(value for key, value in groups.items() if key.startswith("u") and value)
    number = next((value for key, value in groups.items() if key.startswith("n") and value), "1").lower()
    count = int(number) if number.isdigit() else WORDS[number]
    return Horizon(words, timedelta(days=count * DAYS[unit.lower()]))
