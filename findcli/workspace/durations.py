"""Lengths of time as the workspace file writes them ("26w", "63d", "12h"), and instants as the command line does."""

import re
from datetime import UTC, datetime, timedelta

from findcli.errors import FindCLIError

PATTERN = r"^[1-9][0-9]{0,3}[hdw]$"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Turn "26w" into a timedelta; hours, days and weeks only, since months differ in length.

    Raises:
        ValueError: the text is not a positive whole number followed by h, d or w.
    """
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration such as '26w', '63d' or '12h'")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def parse_instant(text: str) -> datetime:
    """Read an instant as the command line gives it: an ISO date or time, with a zone or in UTC.

    Returns:
        Naive UTC; a date is its midnight.

    Raises:
        FindCLIError: the text is neither.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise FindCLIError(
            f"{text!r} is not a date", hint="write one such as 2017-10-30 or 2017-10-30T12:00"
        ) from error
    try:
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise FindCLIError(f"{text!r} lies beyond the calendar in UTC", hint="write an earlier date") from error
