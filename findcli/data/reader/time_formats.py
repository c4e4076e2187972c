"""The formats that a time written as text may have; pure text, no table.

Tested in tests/data/reader/test_cells.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

CLOCK = re.compile(r"%-?[HIklTRXrcMS+sfpP]|%[.\d]*f")
OFFSET = re.compile(r"%(?:[:#]{0,3}z|\+)")
YEAR_4 = re.compile(r"%[YFvc+]")
DAYS = "days"  # since an origin that is declared
UNITS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
# Seconds: 1980 to 2100. The ranges of the units are far apart, so that a number tells its unit.
PLAUSIBLE = (315_532_800, 4_102_444_800)
YEAR_9999 = 253_402_300_799
# Of RFC 2822, and those that mean one thing. BST and IST, for example, mean several.
HOURS = {
    "UTC": 0, "UT": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2,
    "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "SGT": 8, "HKT": 8, "AWST": 8, "AEST": 10, "AEDT": 11,
    "NZST": 12, "NZDT": 13, "SAST": 2, "BRT": -3, "ART": -3,
}  # fmt: skip
_TIME = (
    r"(?:(?P<join>T|, ?| +)(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2}(?P<fraction>[.,]\d{1,9})?)?"
    r"(?P<noon> ?[AaPp][Mm])?(?P<zone> ?(?:Z|[+-]\d{2}(?::?\d{2})?(?!\d)| [A-Za-z][A-Za-z_]*(?:/[A-Za-z_+-]+)*))?)?"
)
_DATES = (
    r"(?P<ymd>\d{4}(?P<s1>[-/.])\d{1,2}(?P=s1)\d{1,2})",
    r"(?P<two>\d{1,2}(?P<s2>[-/.])\d{1,2}(?P=s2)(?P<year>\d{4}|\d{2}))",
    r"(?P<day_name>[A-Za-z]{3,9},? )?(?P<dmy>\d{1,2}(?P<s3>[- /])[A-Za-z]{3,9}(?P<s4>[- /.,]+)(?P<year2>\d{4}|\d{2}))",
    r"(?P<day_name2>[A-Za-z]{3,9},? )?(?P<mdy>[A-Za-z]{3,9}(?P<s5> )\d{1,2}(?P<s6>,? )\d{4})",
)
_FORMS = tuple(re.compile(date + _TIME) for date in _DATES)
_UNIX = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}(?P<zone> [A-Z]{1,5}| [+-]\d{4})? \d{4}")
_BASIC = re.compile(r"(?:19|20)\d{6}T\d{6}(?P<zone>Z|[+-]\d{2}:?\d{2})?")
_DIGITS = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


@lru_cache(maxsize=4096)
def formats_of(value: str) -> tuple[tuple[str, str], ...]:
    """The formats in which one value may be meant, each with its family: the form of its date.

    Values of one column have one family; their clock times may be written to different lengths.
    """
    value = value.strip()
    if _DIGITS.fullmatch(value):
        return _of_digits(value)
    if found := _UNIX.fullmatch(value):
        zone = "" if not found["zone"] else " %Z" if found["zone"].strip().isalpha() else " %z"
        return (("unix", f"%a %b %e %H:%M:%S{zone} %Y"),)
    if found := _BASIC.fullmatch(value):
        return (("%Y%m%d", "%Y%m%dT%H%M%S" + ("%#z" if found["zone"] else "")),)
    for form in _FORMS:
        if found := form.fullmatch(value):
            return tuple((date, date + _clock(found)) for date in _date_formats(found.groupdict()))
    return ()


def _of_digits(value: str) -> tuple[tuple[str, str], ...]:
    whole = value.partition(".")[0]
    if re.fullmatch(r"(?:19|20)\d{6}(?:\d{4}|\d{6})?(?:\.0*)?", value) and _is_calendar(whole):
        clock = {8: "", 12: "%H%M", 14: "%H%M%S"}[len(whole)]
        return (("%Y%m%d", "%Y%m%d" + clock),)
    number = abs(float(value))
    return tuple((unit, unit) for unit, factor in UNITS.items() if PLAUSIBLE[0] <= number / factor <= PLAUSIBLE[1])


def _is_calendar(digits: str) -> bool:
    try:
        datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:8]), tzinfo=UTC)
    except ValueError:
        return False
    return True


def _date_formats(found: dict[str, str | None]) -> tuple[str, ...]:
    if found.get("ymd"):
        return (f"%Y{found['s1']}%m{found['s1']}%d",)
    if found.get("two"):
        sep, year = found["s2"], "%Y" if len(str(found["year"])) == 4 else "%y"
        day = f"%d{sep}%m{sep}{year}"
        month, back = f"%m{sep}%d{sep}{year}", f"%y{sep}%m{sep}%d"
        return (day,) if sep == "." else (day, month, back) if (sep, year) == ("-", "%y") else (day, month)
    week = found.get("day_name") or found.get("day_name2")
    prefix = "" if not week else f"%A{week.lstrip('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')}"
    if found.get("dmy"):
        year = "%Y" if len(str(found["year2"])) == 4 else "%y"
        return (f"{prefix}%d{found['s3']}%B{found['s4']}{year}",)
    return (f"{prefix}%B{found['s5']}%d{found['s6']}%Y",)


def _clock(found: re.Match[str]) -> str:
    if not found["join"]:
        return ""
    hour = "%I" if found["noon"] else "%H"
    second = ":%S" if found["second"] else ""
    fraction = found["fraction"] or ""
    if fraction.startswith("."):
        second += "%.f"
    elif fraction:
        second += f",%{len(fraction) - 1}f"
    noon = "" if not found["noon"] else " %p" if found["noon"].startswith(" ") else "%p"
    join = " " if not found["join"].strip() else found["join"]
    return f"{join}{hour}:%M{second}{noon}{_zone(found['zone'])}"


def _zone(zone: str | None) -> str:
    if not zone:
        return ""
    space = " " if zone.startswith(" ") else ""
    bare = zone.strip()
    return f"{space}%#z" if bare == "Z" or bare[0] in "+-" else f"{space}%Z"


def formats_in(values: Iterable[str], *, day_first: bool | None = None) -> dict[str, list[str]]:
    """The formats in which all values may be meant, by their family.

    Args:
        values: some values of a column.
        day_first: whether 01/02/2024 is the first of February; None leaves it open.
    """
    families: dict[str, list[str]] | None = None
    values = list(values)
    for value in values:
        formats = [pair for pair in formats_of(value) if _is_allowed(pair[0], day_first)]
        if not formats and _DIGITS.fullmatch(value.strip()):
            continue  # a placeholder such as 0 or -1 is read as the others are
        shared = {family: [] for family, _ in formats} if families is None else families
        families = {family: shared[family] for family, _ in formats if family in shared}
        for family, form in formats:
            if family in families and form not in families[family]:
                families[family].append(form)
    return _without_unlikely(families or {}, values)


def _is_allowed(family: str, day_first: bool | None) -> bool:
    days, months = family.find("%d"), family.find("%m")
    if day_first is None or days < 0 or months < 0 or family.startswith("%Y"):
        return True
    return (days < months) == day_first


def _without_unlikely(families: dict[str, list[str]], values: list[str]) -> dict[str, list[str]]:
    """Of families with two-digit years, those whose year varies no more than their day where another's does less."""
    short = [family for family in families if "%y" in family]
    if len({family.startswith("%y") for family in short}) < 2:
        return families
    parts = [re.split(r"[-/]", value.strip().split(" ")[0]) for value in values]
    first, last = len({part[0] for part in parts}), len({part[-1] for part in parts})
    years_last = last * 3 <= first
    if not years_last and first * 3 > last:
        return families
    return {f: forms for f, forms in families.items() if f not in short or f.startswith("%y") != years_last}


def has_clock(form: str) -> bool:
    """Whether a format has a time of day."""
    return CLOCK.search(form) is not None


def has_offset(form: str) -> bool:
    """Whether a format has an offset from UTC."""
    return OFFSET.search(form) is not None


def needs_four_digits(form: str) -> bool:
    """Whether a format has a year with its century, which a library may read from two digits."""
    return YEAR_4.search(form) is not None


def zone_pattern(form: str) -> str:
    """A pattern whose one group is the name of the zone in a time of a format with %Z."""
    before, _, after = form.partition("%Z")
    name = r"([A-Za-z][A-Za-z_]*(?:/[A-Za-z0-9_+-]+)*)"
    if not after:
        return name + r"\s*$"
    if not before:
        return r"^\s*" + name
    return r"\s" + name + r"\s+[^A-Za-z]*$" if not re.search(r"%[aAbBhpP]", after) else name


@lru_cache(maxsize=1024)
def zone_of(name: str, default: str | None) -> int | str | None:
    """What a zone's name means: minutes east of UTC, or a zone with clock changes by its name in the IANA database.

    Args:
        name: as it stands beside a time, such as "EST" or "Europe/Berlin".
        default: the zone of times without one; an abbreviation that is in use there is meant as there.

    Returns:
        None where it is not known, or means several zones.
    """
    if default is not None:
        for month in (1, 7):
            moment = datetime(2024, month, 1, tzinfo=ZoneInfo(default))
            offset = moment.utcoffset()
            if moment.tzname() == name and offset is not None:
                return int(offset.total_seconds() // 60)
    if name.upper() in HOURS:
        return HOURS[name.upper()] * 60
    return name if "/" in name and name in available_timezones() else None
