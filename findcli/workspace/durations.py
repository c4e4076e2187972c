"""Durations as in the workspace file ("26w", "63d", "12h"), and instants as on the command line."""

import re
from datetime import UTC, datetime, timedelta

from findcli.errors import FindCLIError

PATTERN = r"^[1-9][0-9]{0,3}[hdw]$"
FIRST_YEAR, LAST_YEAR = 1700, 2240  # 64-bit nanoseconds cover these years
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Turn "26w" into a timedelta; only hours, days and weeks, since months differ in length.

    Raises:
        ValueError: the text is not a whole number from 1 to 9999 followed by h, d or w.
    """
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration such as '26w', '63d' or '12h'")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def in_calendar(value: datetime) -> datetime:
    """Convert an instant to naive UTC, if windows before and after it can be computed.

    Raises:
        ValueError: its year is before `FIRST_YEAR` or after `LAST_YEAR`.
    """
    try:
        instant = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        instant = datetime.max
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"{value} is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant


def parse_instant(text: str) -> datetime:
    """Parse an instant from the command line: an ISO date or time, in UTC if it names no zone.

    Returns:
        Naive UTC; a date means its midnight.

    Raises:
        FindCLIError: the text is no date or time, or its year is outside `FIRST_YEAR` to `LAST_YEAR`.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise FindCLIError(
            f"{text!r} is not a date", hint="write a date such as 2017-10-30 or 2017-10-30T12:00"
        ) from error
    try:
        return in_calendar(value)
    except ValueError as error:
        hint = f"write a date from {FIRST_YEAR} to {LAST_YEAR}"
        raise FindCLIError(f"{text!r} is outside the calendar of findcli", hint=hint) from error
