"""Words about people: the good and the loyal, which findcli forecasts, traits and places that only a profile can tell.

Such words stand before a word for people ("VIP customers") or alone ("our VIPs"); before anything else they say nothing
of people ("a good book", "VIP purse").
"""

from __future__ import annotations

import re

from findcli.demands.levels import SEVERAL, Level, mark

_PEOPLE = (
    r"(?:customers?|clients?|shoppers?|users?|people|buyers?|households?|consumers?|members?|accounts?|guests?|"
    r"families|persons?|students?|subscribers?|visitors?|ones)"
)
_GOOD = (
    r"(?:(?:very |our |most |the |really )*(?:best|good|great|v\.?i\.?p\.?s?|top|valuable|"
    r"valued|profitable|important|key|"
    r"high[- ](?:value|spending|spend|ticket)|highest[- ](?:value|spending)|big[- "
    r"]spending|heavy|biggest|lucrative|a-list|prime))"
)
_LOYAL = r"(?:(?:very |our |most |the |really )*(?:loyal|regular|frequent|faithful|committed|devoted|engaged|active))"
_MUCH = r"(?:spend|spends|spending|buy|buys|buying|purchase|order)\s+(?:a lot|lots|much|heavily|(?:the )?most)(?! of)"
_TOP = rf"(?:top|best)\s+\d+\s*(?:%|percent)?(?:\s+of)?(?:\s+(?:our|the|all))*\s+(?:{_PEOPLE}|spenders|buyers)"
# Of things: "best wine customers", "loyal coffee drinkers".
_FANS = r"(?:customers|buyers|shoppers|clients|drinkers|eaters|lovers|users|fans|purchasers)"
_OF_THINGS = re.compile(
    rf"(?<![\w-])(?:our |the )?(?P<word>best|biggest|heaviest|most (?:loyal|frequent|valuable)|loyal|frequent|top)\s+"
    rf"(?=(?!of\b)[\w-]+(?:\s+[\w-]+)?\s+{_FANS}\b)",
    re.IGNORECASE,
)
_STANDING = re.compile(
    rf"(?<![\w-])(?:(?P<good>{_GOOD})\s+(?:and\s+(?:{_LOYAL}|{_GOOD})\s+)?(?:{_PEOPLE})|"
    r"(?P<vips>(?:our |the )?v\.?i\.?p'?s|v\.i\.p\.)(?!\s*\w)"
    rf"|(?P<vips2>v\.?i\.?ps)\b|(?P<spenders>(?:big|high|heavy|top|best|biggest)[- ](?:spenders?|rollers?|payers?))"
    rf"|(?P<loyal>{_LOYAL})\s+(?:{_PEOPLE})|(?P<much>{_MUCH}|{_TOP})|(?P<regulars>(?:our "
    r"|the )?regulars|loyalists))(?![\w-])",
    re.IGNORECASE,
)
_TRAIT = re.compile(
    rf"(?<![\w-])(?P<trait>(?:(?:very|really|our|most)\s+)*(?:rich|wealthy|affluent|well-off|poor|happy|unhappy|satisfied|"
    rf"dissatisfied|angry|young|younger|old|older|elderly|senior|middle-aged|single|divorced|male|female|local|foreign|rural|urban|"
    rf"online|offline|educated|employed|unemployed|retired|healthy|smart|busy|"
    r"difficult|(?:low|lower|high|higher|middle)[- ](?:income|class|earning)|price-sensitive|"
    rf"environmentally conscious|tech-savvy|mobile|influential))\s+(?={_PEOPLE}\b)",
    re.IGNORECASE,
)
_AGES = re.compile(
    r"\b(?:aged?|over|under|above|below|older than|younger than)\s+(?:of\s+)?(?:over "
    r"|under )?\d{2}(?:\s*(?:-|to|and)\s*\d{2}|\+)?(?:\s+years?(?: old| of age)?)?"
    r"(?!\s*(?:times|dollars|euros|pounds|%|[$£€]|\d))",
    re.IGNORECASE,
)
# What comes from somewhere or is there: "customers from France", "people living in the north or the south".
_TIMES = (
    r"(?:last|past|previous|this|next|now|today|yesterday|\d+|(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)"
    r"(?:[a-z]{2,6})?)\b"
)
_ENDS = (
    r"(?:who|that|which|whose|with|will|would|likely|to|aged|over|under|buying|ordering|purchasing|returning|interested|"
    r"looking|about)\b"
)
_AND_THEN = r"and(?=\s+(?:who|will|would|are|buy|order|want|need)\b)"
_PLACED = re.compile(
    rf"(?<![\w-])(?P<people>{_PEOPLE}|women|men|ladies|adults|anyone|everyone|those)\s+"
    r"(?P<place>(?:(?:who|that)\s+(?:are|come|live)\s+)?(?:not\s+)?"
    r"(?:from|(?:(?:based|located|residing|resident|living)\s+)?(?:(?<=living )in|(?<=based )in|(?<=located )in|"
    r"(?<=residing )in|(?<=resident )in|(?<=live )in|in(?=\s+(?:the\s+)?(?-i:[A-Z])))|outside(?:\s+of)?)\s+"
    rf"(?!whom|which|us\b|our\b|(?:the\s+)?{_TIMES})[\w'.-]+(?:(?:\s*,\s*|\s+)[\w'.-]+){{0,5}}?)"
    rf"(?:\s+{_AND_THEN}|(?=\s*(?:$|[;:?!]|,\s*(?:who|that)\b|\s{_ENDS})))",
    re.IGNORECASE,
)
_SOMEBODY = r"(?:women|men|people|customers|shoppers|users|clients|households|adults|buyers|ladies|guys|anyone|those)"
_AGED = re.compile(rf"(?<=\b)({_SOMEBODY})\s+(?:who are |aged )?({_AGES.pattern})", re.IGNORECASE)


def take_standing(text: str, levels: list[Level]) -> tuple[str, list[Level]]:
    """Take the good and the loyal out of a text: the rest, with a mark for each, and all levels.

    Args:
        text: the demand.
        levels: those that were taken before.
    """
    taken = list(levels)

    def one(match: re.Match[str]) -> str:
        loyal = match["loyal"] or match["regulars"]
        taken.append(Level(" ".join(match[0].split()), "count" if loyal else "amount", None))
        return f"customers {mark(len(taken) - 1)} "

    def of_things(match: re.Match[str]) -> str:
        word = " ".join(match["word"].split())
        note = f'"{word}" is read as at least {SEVERAL:g} times'
        taken.append(Level(word, "count", SEVERAL, note=note))
        return f"{mark(len(taken) - 1)} "

    return _OF_THINGS.sub(of_things, _STANDING.sub(one, text)), taken


def take_traits(text: str) -> tuple[str, list[str]]:
    """Take what only a profile can tell of people out of a text: the rest, and its words."""
    traits = [match["trait"] for match in _TRAIT.finditer(text)]
    rest = _TRAIT.sub("", text)
    ages = [match[2] for match in _AGED.finditer(rest)]
    rest = _AGED.sub(r"\1", rest)
    genders = [] if not re.fullmatch(r"\W*(?:women|men|ladies|girls|boys)\W*", rest, re.IGNORECASE) else [rest.strip()]
    return rest, [*traits, *ages, *genders]


def take_places(text: str) -> tuple[str, list[str]]:
    """Take where people are from out of a text: the rest, and its words."""
    places = [" ".join(match["place"].split()) for match in _PLACED.finditer(text)]
    return _PLACED.sub(r"\g<people>", text), places
