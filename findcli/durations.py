"""Lengths of time as the workspace file writes them: "26w", "63d", "12h"."""

import re
from datetime import timedelta

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
