"""Split what a demand says of the past from what it asks of the future: "bought candles in May and will buy mugs"."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from findcli.demands.levels import MARKS, take_levels
from findcli.demands.periods import CERTAIN, NUMBER, UNIT, Moment, Period, length_of, take_period

_DONE = (
    r"bought|purchased|ordered|reordered|spent|paid|returned|sent back|brought back|visited|browsed|clicked|"
    r"searched|shopped|(?:made|placed)(?=\s+(?:[\w+]+\s+){0,4}(?:purchase|order|visit|booking)s?\b)"
)
_SINCE_HAVE = (
    rf"{_DONE}|come(?: back)?|been (?:back|active|buying|purchasing|ordering|shopping|spending)|tried|used|had|got|"
    r"made|placed|seen|looked|heard from"
)
_BASE = r"buy|purchase|order|reorder|spend|pay|return|send back|visit|browse|click|search|shop|place|make|come"
_NOUN = r"order|purchase|transaction|visit|buy|shop"
_HAVE = r"(?:have|has|had|'ve|having)"
_ADVERB = r"(?:already|ever|also|just|only|recently|so far|previously|once|all|usually|often)"
_NO = r"(?:not yet|not|never|n't)"
_FORMS = (
    rf"(?:have|has|had)n't\s+(?:{_ADVERB}\s+)*(?P<no1>)(?:{_SINCE_HAVE})",
    rf"{_HAVE}\s+(?:{_ADVERB}\s+)*(?:(?P<no2>{_NO})\s+(?:{_ADVERB}\s+)*)?(?:{_SINCE_HAVE})",
    rf"(?:did\s+(?P<no3>not|never)|did(?P<no4>n't))\s+(?:{_ADVERB}\s+)*(?:{_BASE})",
    rf"(?P<no5>never|not|haven't|hasn't)\s+(?:{_ADVERB}\s+)*(?:{_DONE}|tried|had|got)",
    rf"(?P<used>used)\s+to\s+(?:{_BASE})",
    rf"last\s+(?:{_DONE})(?P<last2>)",
    rf"(?:{_ADVERB}\s+)*(?:{_DONE})",
    rf"(?P<no6>no|without(?:\s+(?:an?|any))?|zero)\s+(?:{_NOUN})s?(?=\s+(?:(?:with)?in|for|since|during|over|this|last)\b)",
    rf"(?:whose|with (?:a|the|their)|and (?:whose|the))?\s*(?:last|latest|most recent)\s+(?:{_NOUN})\s*(?:was|"
    r"is|were|lies|dates(?: back)?|came|happened|took place|made|placed)?(?P<last>)",
    r"(?:previous|past|former|existing|earlier|prior)\s+(?:buyers|purchasers|customers)\s+of",
)
_VERB = re.compile(rf"(?<![\w'-])(?:{'|'.join(_FORMS)})(?![\w-])", re.IGNORECASE)
# A form of "be" or "will have" before a participle makes it no past: "will have bought", "to be ordered".
_PASSIVE = re.compile(
    r"\b(?:be|being|are|is|get|gets|were|was|will|would|may|might|could|should|must)\s+(?:\w+ly\s+)?$", re.IGNORECASE
)
_MODAL = (
    r"will|would|'ll|won't|wouldn't|are|is|aren't|isn't|likely|going|plan\w*|want\w*|need\w*|about|expected|ready|should|"
    r"may(?=\s+[a-z])|might|could|can|do|does|don't|doesn't|have|has|haven't|hasn't|'ve|never|not|no|did|didn't|next|soon|again|whose|"
    rf"{_DONE}|buy|buys|buying|purchase|purchasing|order|orders|ordering|spend|spending|come|return|stop|quit"
)
_BOUNDARY = re.compile(
    rf"\s*(?:[,;]|\b(?:and|but|or|yet|who|that|which|then|to)\b)[\s,]*"
    rf"(?:(?:and|but|yet|who|that|which|also|then|now|still|therefore|so|people|customers|those)\s+)*(?=(?:{_MODAL})(?!\w))",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(
    r"^[\s,]*(?:but|and|yet)?\s*(?:not|never|nothing)\s+(?=since|in|for|after|during|over|within)", re.IGNORECASE
)
# "But no mug" after "bought a bag" says what else was not bought.
_OTHER_THING = re.compile(
    rf"^[\s,]*(?:but|and|yet)\s+(?:no|not|never|without)\s+(?!(?:{_MODAL}|{_BASE}|{_SINCE_HAVE})\b)"
    rf"(?P<thing>(?:(?!\s*(?:[,;]|\b(?:and|but|who|that)\b)).)+)",
    re.IGNORECASE,
)
_AGO = re.compile(
    r"(?P<more>more than|longer than|over|at least)?\s*(?P<less>less than|within|not "
    rf"more than|under)?\s*(?:the (?:last|past) )?(?P<n>{NUMBER}) (?P<u>{UNIT})s?(?: "
    r"ago| or (?:more|longer) ago)?",
    re.IGNORECASE,
)
_DORMANT = re.compile(
    r"\b(?:inactive|dormant|lapsed|silent|sleeping|lost|idle|win(?:ning)?[- ]?back|"
    r"re-?activat(?:e|ed|ion))\b(?:\s+(?P<who>customers|customer|clients|users|shoppers|"
    r"buyers|people|members|households))?"
    rf"(?:\s+(?:for|since)\s+(?:more than |over |at least |the last )?(?P<n>{NUMBER}) (?P<u>{UNIT})s?)?",
    re.IGNORECASE,
)
_NEWCOMERS = re.compile(
    r"\b(?:new|newly (?:acquired|won)|recently acquired|first[- ]time)\s+(?:customers|clients|users|"
    r"shoppers|buyers|members|households)\b",
    re.IGNORECASE,
)
_ONCE = re.compile(
    r"\b(?:one[- ]?(?:time|off)|single[- ]?(?:purchase|order|time))\s+(?:customers|"
    r"buyers|shoppers|clients|purchasers|users)\b"
    r"|\b(?:only\s+)?(?:one|a single)\s+(?:purchase|order)\s+only\b|\bonly\s+(?:one|a single)\s+(?:purchase|order)\b"
    r"|\b(?:(?:have|has)\s+)?(?:only\s+(?:ever\s+)?(?:bought|ordered|purchased|shopped)|"
    r"(?:bought|ordered|purchased|shopped)\s+(?:only|just))\s+once\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Before:
    """What a demand says of the past.

    Attributes:
        words: its words in the demand, with the verb.
        text: what was done: the words without verb and period.
        negated: whether it was not done.
        period: when; None: as long ago as the model looks ahead.
    """

    words: str
    text: str
    negated: bool
    period: Period | None


def take_past(demand: str) -> tuple[str, list[Before]]:
    """Take the past out of a demand: what is left for the future, and what was, in the order of the words."""
    rest, past = _take_kinds_of_people(demand)
    while True:
        match = next((m for m in _VERB.finditer(rest) if not _PASSIVE.search(rest[: m.start()])), None)
        if match is None:
            break
        stop = _BOUNDARY.search(rest, match.end())
        end = stop.start() if stop else len(rest)
        before = [_resolved(each, past) for each in _before(match, rest[match.end() : end])]
        tail = rest[end:]
        past += before
        ellipsis = _ELLIPSIS.match(tail)
        if ellipsis:
            period_text = re.split(r"[,;]| and | but ", tail[ellipsis.end() :], maxsplit=1)
            _, period = take_period(period_text[0], negated=True)
            if re.match(r"since(?: then)?$", period_text[0].strip(), re.IGNORECASE) and before[-1].period is not None:
                period = Period(period_text[0].strip(), since=before[-1].period.before)
            things = MARKS.sub(" ", take_levels(before[-1].text, "dollars")[0])
            past.append(Before(tail[: ellipsis.end()] + period_text[0], things, negated=True, period=period))
            tail = tail[ellipsis.end() + len(period_text[0]) :]
        other = None if ellipsis else _OTHER_THING.match(tail)
        if other and past[-1].period is not None:
            past.append(Before(other[0].strip(), other["thing"], negated=True, period=past[-1].period))
            tail = tail[other.end() :]
        head = re.sub(r"\s*\b(?:and|but|or|who|that|which|yet)\s*$", "", rest[: match.start()])
        joint = re.match(r"\s*(?:[,;]|and|but|yet|then|or)*\s*", tail, re.IGNORECASE)
        tail = (
            tail[joint.end() :] if joint and not re.match(r"\s*but\s+(?:no|not|never)\b", tail, re.IGNORECASE) else tail
        )
        rest = f"{head} {tail}".strip()
    return _with_stray_period(rest, past)


def _before(match: re.Match[str], text: str) -> list[Before]:
    groups = match.groupdict()
    words = " ".join(f"{match[0]} {text}".split())
    if groups["last"] is not None or groups["last2"] is not None:
        return _last_order(words, text)
    if groups["used"] is not None:
        return [Before(words, text, negated=False, period=Period()), Before(words, text, negated=True, period=None)]
    negated = any(groups[f"no{i}"] is not None for i in range(1, 7))
    spent = re.search(r"\b(?:spent|spend|paid)\b", match[0], re.IGNORECASE)
    back = re.search(r"\b(?:return\w*|sent back|send back|brought back)\b", match[0], re.IGNORECASE)
    # "Have not returned since May" is of people who did not come back, not of things.
    back = back if take_period(text, negated=negated)[0].strip() else None
    other = _OTHER_FAMILY.search(match[0])
    verb = "spent " if spent else "returned " if back else f"{other[0]} " if other else ""
    rest, period = take_period(f"{verb}{text}", negated=negated)
    # What is left of two periods, as in "ever bought before", says no more.
    further, second = take_period(rest, negated=negated)
    return [Before(words, further if second is not None else rest, negated, period or second or Period())]


def _resolved(before: Before, past: list[Before]) -> Before:
    """What was bought before, if that is what "it" and "them" mean."""
    return replace(before, text=past[-1].text) if past and before.text.strip().lower() in _IT else before


_OTHER_FAMILY = re.compile(r"\b(?:visit|brows|click|search)\w*", re.IGNORECASE)
_IT = ("it", "them", "one", "any", "any of them", "this", "these")


def _last_order(words: str, text: str) -> list[Before]:
    """When a last order was: more than 6 months ago says none since, "in May" says one then and none after."""
    ago = _AGO.search(text)
    if ago:
        period = Period(" ".join(ago[0].split()), since=Moment(length_of(ago["n"], ago["u"])))
        within = ago["less"] is not None or re.search(r"\b(?:last|past)\b", ago[0], re.IGNORECASE) is not None
        return [Before(words, "", not within, period)]
    _, named = take_period(text)
    period = named or Period()
    if period.before is None:
        return [Before(words, "", negated=False, period=period)]
    after = Before(words, "", negated=True, period=Period(period.words, since=period.before))
    return [after] if period.since is None else [Before(words, "", negated=False, period=period), after]


def _take_kinds_of_people(demand: str) -> tuple[str, list[Before]]:
    """People who are named after what they did: the inactive, the new, and those of one purchase."""
    past: list[Before] = []

    def dormant(match: re.Match[str]) -> str:
        if (
            not match["who"]
            and not match["n"]
            and not re.search(r"\b(?:are|who're|been|is)\s+$", demand[: match.start()])
        ):
            return match[0]
        period = None if not match["u"] else Period(match[0], since=Moment(length_of(match["n"], match["u"])))
        past.append(Before(match[0], "", negated=True, period=period))
        return "customers"

    def new(match: re.Match[str]) -> str:
        past.append(Before(match[0], "", negated=True, period=NEW))
        return "customers"

    def once(match: re.Match[str]) -> str:
        past.append(Before(match[0], "", negated=False, period=Period()))
        past.append(Before(match[0], "at least 2 times", negated=True, period=Period()))
        return "customers"

    rest = _ONCE.sub(once, demand)
    rest = _DORMANT.sub(dormant, rest)
    return _NEWCOMERS.sub(new, rest), past


NEW = Period("new")  # of customers: none longer ago than the model looks ahead


def _with_stray_period(rest: str, past: list[Before]) -> tuple[str, list[Before]]:
    """Give a verb the period that stands apart from it ("last month bought tea"); "tea last month" needs no verb."""
    without, period = take_period(rest)
    if period is None or not period.words:
        return rest, past
    for i, before in enumerate(past):
        if before.period is NEW:
            return without, [
                *past[:i],
                replace(before, period=Period(period.words, before=period.since)),
                *past[i + 1 :],
            ]
        if (
            before.period is not None
            and not before.period.words
            and before.period.since is None
            and before.period is not NEW
        ):
            return without, [*past[:i], replace(before, period=period), *past[i + 1 :]]
    if past or CERTAIN.search(rest) is None:
        return rest, past
    return "", [Before(rest, without, negated=False, period=period)]
