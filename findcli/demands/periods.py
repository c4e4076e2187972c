"""Parse when: how far ahead a demand looks ("in the next 6 weeks"), and when something was ("in October 2011").

A grammar of English durations and dates, nothing else: whatever it does not understand stays in the demand. What was is
relative to an as-of date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "quarter": 91, "season": 91, "year": 365}
WORDS = {
    word: number
    for number, words in enumerate(
        ("", "a an one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
    for word in words.split()
} | {"couple of": 2, "few": 3}
UNIT = "|".join(DAYS)
NUMBER = r"\d{1,3}|" + "|".join(sorted(WORDS, key=len, reverse=True))
_HORIZONS = (
    rf"(?:with)?in (?:the )?(?:next |coming |following )?(?:(?:a )?(?P<n1>{NUMBER}) )(?P<u1>{UNIT})s?(?:' time)?",
    rf"(?:for|over|during|in) the (?:next|coming|following) (?:(?P<n2>{NUMBER}) )?(?P<u2>{UNIT})s?",
    rf"(?:within |during |in |over )?(?:the )?(?:next|coming|following) (?:(?P<n3>{NUMBER}) )?(?P<u3>{UNIT})s?",
    rf"(?:with)?in the (?P<u4>{UNIT})",
    rf"(?:by the end of |later |some ?time )?this (?P<u5>{UNIT})",
    rf"by the end of the (?P<u7>{UNIT})",
    rf"(?P<n6>{NUMBER}) (?P<u6>{UNIT})s? (?:from now|ahead)",
    r"(?:with)?in (?:the )?(?:next )?(?P<hours>\d{1,3}) hours?",
    r"(?P<tomorrow>by tomorrow|tomorrow)",
    r"(?P<today>today|tonight|this (?:morning|afternoon|evening))",
    r"(?P<weekend>(?:on |over |at )?(?:the |this |next |coming )+weekend)",
    r"(?P<vague>(?:very )?soon|shortly|in the near future|before long|any day now)",
)
_HORIZON = re.compile(rf"\b(?:{'|'.join(_HORIZONS)})(?!\w)", re.IGNORECASE)
_MONTHS_WORDS = "january february march april may june july august september october november december"
MONTHS = _MONTHS_WORDS.split()
SEASONS = {"spring": (3, 3), "summer": (6, 3), "autumn": (9, 3), "fall": (9, 3), "christmas": (12, 1)}
ORDINALS = ("first", "second", "third", "fourth")
RECENT, LONG = timedelta(days=30), timedelta(days=182)  # "recently", and "for a long time"
_MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\.?" for month in MONTHS if month != "may"), r"sept\.?"])
_YEAR = r"(?:19|20)\d\d"
_DATE = (
    rf"(?P<{{0}}d>{_YEAR}-\d\d-\d\d)|(?:(?P<{{0}}m>{_MONTH})(?:,? (?:of )?(?P<{{0}}my>{_YEAR}))?|(?P<{{0}}y>{_YEAR}))"
)


def _date(name: str) -> str:
    return f"(?:{_DATE.replace('{0}', name)})"


_FORMS = (
    r"(?:with)?(?:in|during|over|for|of|from) (?:the |these )?(?:last|past|previous) "
    rf"(?:(?P<n1>{NUMBER}) )?(?P<u1>{UNIT})s?",
    rf"(?:the )?(?:last|past|previous) (?:(?P<n2>{NUMBER}) )?(?P<u2>{UNIT})s?",
    rf"(?:more|longer|over) than (?P<n3>{NUMBER}) (?P<u3>{UNIT})s? ago",
    rf"(?:less than|not more than|within) (?P<n4>{NUMBER}) (?P<u4>{UNIT})s? ago",
    rf"(?:between|from) {_date('a')} (?:and|to|until|till) {_date('b')}",
    rf"(?:ever )?since (?:the )?(?:last (?P<u5>{UNIT})|(?P<season5>{'|'.join(SEASONS)})|"
    rf"last (?P<seas5>{'|'.join(SEASONS)})|{_date('s')})",
    rf"(?:in|during|on|at|back in|of|for|from) (?:last )?{_date('i')}",
    rf"last {_date('l')}",
    rf"(?:(?:in|during|over|at) )?last (?P<season>{'|'.join(SEASONS)})(?: (?P<season_year>{_YEAR}))?",
    rf"(?:before|until|prior to|up to) {_date('x')}",
    rf"after {_date('f')}",
    r"(?:(?:in|during|since) )?(?:the )?(?:(?P<quarter>q[1-4])|(?P<ordinal>first|second|"
    rf"third|fourth) quarter)(?: (?:of )?(?P<quarter_year>{_YEAR}))?",
    r"(?P<yesterday>yesterday)",
    r"(?P<recent>recently|lately|of late)",
    r"(?P<ever>ever before|ever|already|before now|before|so far|in the past|previously|"
    r"until now|up to now|at some point)",
)
_ONLY_NEGATED = (
    rf"(?:for|in) (?:more than |over |at least |about |the )?(?P<n6>{NUMBER}) (?P<u6>{UNIT})s?(?: "
    r"or (?:more|longer))?",
    r"(?:for|in) (?:a )?(?:long (?:time|while)|while|ages)",
)
_POSITIVE = re.compile(rf"\b(?:{'|'.join(_FORMS)})(?!\w)", re.IGNORECASE)
_NEGATED = re.compile(rf"\b(?:{'|'.join(_ONLY_NEGATED)})(?!\w)", re.IGNORECASE)
CERTAIN = re.compile(
    rf"\b(?:(?:with)?(?:in|during|over|for|of|from) (?:the )?(?:last|past|previous) (?:(?:{NUMBER}) )?(?:{UNIT})s?"
    rf"|(?:last|past|previous) (?:(?:{NUMBER}) )?(?:{UNIT})s?|last (?:{_MONTH}|{'|'.join(SEASONS)})|yesterday)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Horizon:
    """How far ahead a demand looks.

    Attributes:
        words: its words in the demand.
        length: how long that is; None when the words are vague, such as "soon".
    """

    words: str
    length: timedelta | None


@dataclass(frozen=True)
class Moment:
    """An instant, relative to an as-of date or on the calendar.

    Attributes:
        ago: how long before the as-of date; None for one of the calendar.
        year: the year; None: the last in which the month began before the as-of date.
        month: the month.
        day: the day of the month.
        after: months added.
    """

    ago: timedelta | None = None
    year: int | None = None
    month: int = 1
    day: int = 1
    after: int = 0

    def at(self, as_of: datetime) -> datetime:
        """The instant, as seen from a date."""
        if self.ago is not None:
            return as_of - self.ago
        year = as_of.year if self.year is None else self.year
        if self.year is None and datetime(year, self.month, 1) >= as_of:
            year -= 1
        months = year * 12 + self.month - 1 + self.after
        return datetime(months // 12, months % 12 + 1, self.day)


@dataclass(frozen=True)
class Period:
    """When something was.

    Attributes:
        words: its words in the demand.
        since: its first instant; None: from the first event on.
        before: where it ends; None: the as-of date.
    """

    words: str = ""
    since: Moment | None = None
    before: Moment | None = None


def take_horizon(demand: str) -> tuple[str, Horizon | None]:
    """Take the horizon out of a demand: the rest, and the first horizon; all further ones are taken out too."""
    horizons = [_horizon(match) for match in _HORIZON.finditer(demand)]
    return (_HORIZON.sub(" ", demand), horizons[0]) if horizons else (demand, None)


def length_of(number: str | None, unit: str) -> timedelta:
    """A length of time: a number in digits or words, of a unit; no number is one."""
    count = 1 if number is None else int(number) if number.isdigit() else WORDS[number.lower()]
    return timedelta(days=count * DAYS[unit.lower()])


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
    return Horizon(words, length_of(number, unit))


def take_period(text: str, *, negated: bool = False) -> tuple[str, Period | None]:
    """Take the first period out of a text about the past: the rest, and the period.

    Args:
        text: the words.
        negated: whether they say what was not; "not for 3 months" says how long, "bought for 3 months" does not.
    """
    for pattern in (_NEGATED, _POSITIVE) if negated else (_POSITIVE,):
        match = next((m for m in pattern.finditer(text) if _is_date(m)), None)
        if match is not None:
            return f"{text[: match.start()]} {text[match.end() :]}", _period(match)
    return text, None


def _is_date(match: re.Match[str]) -> bool:
    """Whether a month is meant where "may" and "mar" are words too: a lone "may" needs a preposition, which it has."""
    day = next(
        (value for key, value in match.groupdict().items() if key.endswith("d") and value and key[0] in "absilxf"), None
    )
    if day is None:
        return True
    try:
        datetime.fromisoformat(day)
    except ValueError:
        return False
    return True


def _period(match: re.Match[str]) -> Period:
    g = match.groupdict()
    words = " ".join(match[0].split())
    for key in ("1", "2", "4", "5", "6"):
        if g.get(f"u{key}"):
            return Period(words, since=Moment(length_of(g.get(f"n{key}"), str(g[f"u{key}"]))))
    if "u6" in g:
        return Period(words, since=Moment(LONG))
    if g["u3"]:
        return Period(words, before=Moment(length_of(g["n3"], g["u3"])))
    lengths = {"yesterday": timedelta(days=1), "recent": RECENT}
    for name, length in lengths.items():
        if g[name]:
            return Period(words, Moment(length))
    if season := g["season"] or g["season5"] or g["seas5"]:
        return _season(words, season.lower(), g)
    if g["quarter"] or g["ordinal"]:
        return _quarter(words, g)
    if g["ever"]:
        return Period("")
    return _calendar(g, words)


def _season(words: str, season: str, g: dict[str, str | None]) -> Period:
    month, length = SEASONS[season]
    year = int(str(g["season_year"])) if g["season_year"] else None
    begin = Moment(year=year, month=month)
    return Period(words, begin, None if g["season"] is None else Moment(year=year, month=month, after=length))


def _quarter(words: str, g: dict[str, str | None]) -> Period:
    number = int(g["quarter"][1]) if g["quarter"] else ORDINALS.index(str(g["ordinal"]).lower()) + 1
    year = int(g["quarter_year"]) if g["quarter_year"] else None
    begin = Moment(year=year, month=3 * number - 2)
    return Period(
        words, begin, None if words.lower().startswith("since") else Moment(year=year, month=begin.month, after=3)
    )


def _calendar(g: dict[str, str | None], words: str) -> Period:
    if _named(g, "s"):
        return Period(words, since=_moment(g, "s"))
    if _named(g, "x"):
        return Period(words, before=_moment(g, "x"))
    if _named(g, "f"):
        return Period(words, since=_moment(g, "f", end=True))
    if _named(g, "a"):
        return Period(words, _moment(g, "a", year=g["bmy"]), _moment(g, "b", end=True))
    name = "i" if _named(g, "i") else "l"
    return Period(words, _moment(g, name), _moment(g, name, end=True))


def _named(g: dict[str, str | None], name: str) -> bool:
    return any(g[f"{name}{part}"] for part in ("d", "m", "y"))


def _moment(g: dict[str, str | None], name: str, *, end: bool = False, year: str | None = None) -> Moment:
    """The beginning of a date, month or year that a form names, or its end."""
    if day := g[f"{name}d"]:
        date = datetime.fromisoformat(day) + timedelta(days=end)
        return Moment(year=date.year, month=date.month, day=date.day)
    if month := g[f"{name}m"]:
        number = next(i for i, full in enumerate(MONTHS, 1) if full.startswith(month.lower().rstrip(".")[:3]))
        named = g[f"{name}my"] or year
        return Moment(year=int(named) if named else None, month=number, after=int(end))
    return Moment(year=int(str(g[f"{name}y"])) + end)
