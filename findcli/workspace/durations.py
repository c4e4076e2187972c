"""Durations as in the workspace file ("26w", "63d", "12h"), and instants as on the command line."""

import re
from datetime import UTC, datetime, timedelta

from findcli.errors import FindCLIError

PATTERN = r"^[1-9][0-9]{0,3}[hdw]$"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Turn "26w" into a timedelta; only hours, days and weeks, since months differ in length.

    Raises:
        ValueError: the text is not a whole number from 1 to 9999 followed by h, d or w.
    """
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration such as '26w', '63d' or '12h'")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def parse_instant(text: str) -> datetime:
    """Parse an instant from the command line: an ISO date or time, in UTC if it names no zone.

    Returns:
        Naive UTC; a date means its midnight.

    Raises:
        FindCLIError: the text is no date or time, or outside the calendar in UTC.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise FindCLIError(
            f"{text!r} is not a date", hint="write a date such as 2017-10-30 or 2017-10-30T12:00"
        ) from error
    try:
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise FindCLIError(
            f"{text!r} is outside the calendar in UTC", hint="write a date between the years 2 and 9998"
        ) from error
