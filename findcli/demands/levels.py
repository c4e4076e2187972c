"""Parse how much a demand asks for: amounts, counts, different things, first times ("spend over 50", "5+ times").

What is taken out of a demand leaves a mark, one character of Unicode's private use, so that the part of the demand
that it belongs to is known once the demand is split. A number without a unit after "spend" is money.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from findcli.data.templates import Measure
from findcli.demands.periods import WORDS

SEVERAL = 3.0  # "several times" and "many different things", said in a note
FIRST_MARK = 0xE000
MARKS = re.compile(r"[\ue000-\uf8ff]")
_ONES = {word: float(n) for word, n in WORDS.items() if word not in ("a", "an", "few", "couple of")}
_N = r"(?P<n>\d[\d,]*|" + "|".join(_ONES) + ")"
_MANY = r"several|multiple|many|numerous|various|a (?:variety|range|number|lot) of|lots of"
_MORE = r"(?:at least|a minimum of|minimum|no (?:less|fewer) than|not (?:less|fewer) than)"
_ABOVE = r"(?:more than|over|above|upwards of|in excess of|exceeding|beyond|north of|>)"
_BELOW = r"(?:less than|fewer than|under|below|<)"
_MOST = r"(?:at most|up to|no more than|not more than|a maximum of|maximum)"
_NOUN = r"(?:orders?|purchases?|transactions?|visits?|bookings?|trips?|baskets?)"
_MAKE = r"(?:(?:place|places|placing|make|makes|making|have|having)\s+)?"
_THINGS = r"(?:things?|products?|items?|articles?|goods)"
_NO_THINGS = (
    r"(?:day|week|month|year|hour|minute|percent|people|customer|kid|child|person|adult|user)s?\b|times|and\b|or\b|"
    r"who\b|that\b"
)
_FORMS: tuple[tuple[Measure, str], ...] = (
    ("first", r"for (?:the|their) (?:very )?first time|(?:the|their) (?:very )?first time|(?:are "
        r"|is )?new to|first[- ]time|(?:(?:place|make|makes|making)\s+)?(?:the|their|a) "
        r"(?:very )?first (?:order|purchase)"),
    ("distinct", rf"(?:{_MORE}\s+)?{_N}(?:\+| or more)?\s+(?:different|distinct|various)(?:\s+(?:kinds|"
        rf"types|sorts) of)?(?:\s+{_THINGS})?"),
    ("distinct", rf"(?P<many>{_MANY})\s+(?:different|distinct)(?:\s+(?:kinds|types|sorts) of)?(?:\s+{_THINGS})?"),
    ("count", rf"(?P<above>{_ABOVE})\s+(?:(?P<once>once)|(?P<twice>twice)|{_N} times)"),
    ("count", rf"(?P<below>{_BELOW})\s+(?:(?P<once>once)|(?P<twice>twice)|{_N} (?:times|{_NOUN}))"),
    ("count", rf"(?P<most>{_MOST}|only)\s+(?:(?P<once>once)|(?P<twice>twice)|{_N} (?:times|{_NOUN}))"),
    ("count", rf"(?:{_MORE}\s+)?(?:(?P<once>once)|(?P<twice>twice)|(?P<thrice>thrice)|{_N}\s?(?:\+\s*|"
        r"or more )?(?:times|x\b))(?! a\b| per\b)(?: or more(?: often)?)?"),
    ("count", rf"(?P<many>{_MANY}) times|(?P<rep>repeatedly|more and more)"),
    ("count", rf"{_MAKE}(?P<above>{_ABOVE})\s+{_N} {_NOUN}"),
    ("count", rf"{_MAKE}(?:{_MORE}\s+)?{_N}\s?(?:\+|or more)?\s*{_NOUN}(?: or more)?"),
    ("count", rf"{_MAKE}(?P<many>{_MANY}) {_NOUN}"),
    ("count", rf"(?P<things>)(?:{_MORE}|(?P<above>{_ABOVE}))\s+{_N}(?=\s+(?!{_NO_THINGS})[a-z])"),
    ("count", rf"(?P<things>){_N}(?:\+| or more)(?=\s+(?!{_NO_THINGS})[a-z])"),
)  # fmt: skip
_NO_AGE = r"(?<!\baged )(?<!\bage )(?<!\bage of )"
_PATTERNS = [(measure, re.compile(rf"(?<![\w-]){_NO_AGE}(?:{form})(?!\w)", re.IGNORECASE)) for measure, form in _FORMS]
_HUNDREDS = re.compile(rf"\b(?:(a|{'|'.join(_ONES)})\s+)?(hundred|thousand)(?!s)\b", re.IGNORECASE)
_SIGN = r"[$£€¥]"
_SPEND = r"(?:spend(?:s|ing)?|spent|pay(?:s|ing)?|paid|shell(?:s|ing)? out)"
_WORTH = (
    r"(?:\s+(?:worth(?: of)?|in total|altogether|or more|or above|and more|and above|per (?:order|customer|person)))*"
)
_ON = r"(?:\s+(?:on|for|in|of|at)\b)?"


@dataclass(frozen=True)
class Level:
    """How much a demand asks for.

    Attributes:
        words: its words in the demand.
        measure: of what.
        least: the least; None: as much as the best users, which only a workspace knows.
        below: whether less than that is asked for.
        note: how it was read, where that is not plain.
    """

    words: str
    measure: Measure
    least: float | None = 1.0
    below: bool = False
    note: str = ""


def take_levels(text: str, currency: str) -> tuple[str, list[Level]]:
    """Take the levels out of a text: the rest, with a mark for each, and the levels in the order of their marks.

    Args:
        text: the demand, or a part of it.
        currency: the workspace's word for money, singular or plural.
    """
    levels: list[Level] = []
    text = _HUNDREDS.sub(_hundreds, text)

    def take(level: Callable[[re.Match[str]], list[Level]]) -> Callable[[re.Match[str]], str]:
        def one(match: re.Match[str]) -> str:
            parsed = level(match)
            levels.extend(replace(each, words=" ".join(match[0].split())) for each in parsed)
            marks = range(len(levels) - len(parsed), len(levels))
            return f" {''.join(map(mark, marks))} " if parsed else match[0]

        return one

    for pattern in _amounts(currency):
        text = pattern.sub(take(_amount), text)
    for measure, pattern in _PATTERNS:
        text = pattern.sub(take(lambda match, measure=measure: _number(measure, match)), text)  # type: ignore[misc]
    return text, levels


def _hundreds(match: re.Match[str]) -> str:
    """A number of hundreds or thousands in digits."""
    return f"{_ONES.get((match[1] or 'one').lower(), 1) * (100 if match[2].lower() == 'hundred' else 1000):g}"


def mark(i: int) -> str:
    """The mark of the i-th level."""
    return chr(FIRST_MARK + i)


def levels_in(text: str, levels: list[Level]) -> tuple[str, list[Level]]:
    """Take the marks out of a text: the rest, and the levels that they stand for."""
    marks = [ord(each) - FIRST_MARK for each in MARKS.findall(text)]
    return MARKS.sub(" ", text), [levels[i] for i in marks if i < len(levels)]


def _amounts(currency: str) -> list[re.Pattern[str]]:
    one = currency.lower().rstrip("s")
    units = dict.fromkeys(
        [f"{re.escape(one)}s?", "dollars?", "euros?", "pounds?", "usd", "eur", "gbp", "bucks?", "quid", "cents?", _SIGN]
    )
    unit = "|".join(units)
    number = r"\d[\d,]*(?:\.\d+)?"
    signed = rf"(?P<sign>{_SIGN})\s?(?P<before>{number})(?P<k1>k)?\+?"
    amount = rf"(?:{signed}|(?P<after>{number})(?P<k2>k)?\+?\s?(?P<unit>{unit}))"
    bare = r"(?P<bare>\d[\d,]*(?:\.\d+)?)(?P<k3>k)?\+?"
    order = rf"(?:an?\s+)?{_NOUN}(?:\s+(?:of|for|worth))?"
    bound = rf"(?:(?P<below>{_BELOW}|{_MOST})|{_ABOVE}|{_MORE}|from|>=?|about|around)"
    ends = rf"{_WORTH}{_ON}(?![\w+])(?!\s+(?:times|different|{_NOUN}))"
    between = rf"between\s+{_SIGN}?(?P<least>{number})\s+(?:and|to)\s+{_SIGN}?(?P<most>{number})(?:\s?(?:{unit}))?"
    return [
        re.compile(rf"(?<![\w-])(?:(?:{_SPEND}|{order}|worth)\s+)(?:from\s+)?{between}{ends}", re.IGNORECASE),
        re.compile(rf"(?<![\w-])(?:(?:{_SPEND}|{order}|worth)\s+)?{bound}\s*{amount}{ends}", re.IGNORECASE),
        re.compile(rf"(?<![\w-])(?:{_SPEND}|worth)\s+(?:{bound}\s*)?(?:{amount}|{bare}){ends}", re.IGNORECASE),
        re.compile(rf"(?<![\w-]){order}\s+{amount}{ends}", re.IGNORECASE),
        re.compile(rf"(?<![\w-]){order}\s+{bound}\s*{bare}{ends}", re.IGNORECASE),
    ]


def _amount(match: re.Match[str]) -> list[Level]:
    g = match.groupdict()
    if g.get("most"):
        least, most = (float(str(g[name]).replace(",", "")) for name in ("least", "most"))
        return [Level("", "amount", least), Level("", "amount", most, below=True)]
    number = next((g[key] for key in ("before", "after", "bare") if g.get(key)), None)
    if number is None:
        return []
    least = float(number.replace(",", "")) * (1000 if g.get("k1") or g.get("k2") or g.get("k3") else 1)
    order = re.match(rf"(?:an?\s+)?{_NOUN}", match[0], re.IGNORECASE)
    note = f'"{" ".join(match[0].split())}" is read as all purchases together, not each' if order else ""
    return [Level("", "amount", least, below=g.get("below") is not None, note=note)]


def _number(measure: Measure, match: re.Match[str]) -> list[Level]:
    if measure == "first":
        return [Level("", "first")]
    g = match.groupdict()
    words = " ".join(match[0].split())
    if g.get("many") or g.get("rep"):
        return [Level("", measure, SEVERAL, note=f'"{words}" is read as at least {SEVERAL:g}')]
    number = g.get("n") or ""
    least = next((n for name, n in (("once", 1.0), ("twice", 2.0), ("thrice", 3.0)) if g.get(name)), None)
    if least is None:
        least = float(number.replace(",", "")) if number[:1].isdigit() else _ONES[number.lower()]
    least += bool(g.get("above") or g.get("most"))
    if g.get("below") or g.get("most"):
        return [Level("", measure, least, below=True)]
    note = f'"{words}" is read as at least {least:g} times' if g.get("things") is not None else ""
    return [Level("", measure, least, note=note)]
