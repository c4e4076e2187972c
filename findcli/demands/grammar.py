"""Parse what a demand asks for, by English grammar alone: its parts, which of them must not hold, and what joins them.

A closed list of function words and of words for people and wishes ("customers who are likely to buy ...") frames what
a demand is about; the rest is its content. Nothing here knows what any workspace sells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from findcli.demands.horizons import Amount, Horizon, take_amount, take_horizon
from findcli.errors import FindCLIError

# The frame: words for people, function words, and the verbs of wishing and of the five families of sentences.
PEOPLE = (
    "people persons person users user customers customer shoppers shopper buyers buyer clients client consumers "
    "consumer households household homes folks folk individuals guests members audience ppl those anyone anybody "
    "someone somebody everyone everybody men women families"
)
FUNCTION = (
    "a an the some any all each every this that these those which who whom whose who'll who'd what when where it "
    "its they them their theirs they'll he she his her we us our you your i me my one ones of for to from with at "
    "by on in into about as is are was were be been being am do does did have has had will would shall should can "
    "could may might must 'll 'd 's 're just also really very too so please pls then there here out up off down "
    "over again always often usually regularly quite rather likely probably most more other"
)
WISHES = (
    "find show give list get gets getting got need needs needing want wants wanting wanted would-be like likes "
    "liking love loves enjoy enjoys enjoying prefer prefers looking look looks interested keen fond fans fan "
    "lovers lover enthusiasts going go about ready planning plan plans intending intend intends hoping expected "
    "expecting willing bound prone apt buy buys buying bought purchase purchases purchasing purchased order "
    "orders ordering shop shopping pick picks picking spend spends spending acquire stock try tries trying start "
    "starts starting come comes coming back"
)
# What a demand asks for follows the last of these: "parents of infants who need formula milk".
ASKING = frozenset(
    word
    for forms in (
        "need needs needing want wants wanting get gets getting buy buys buying bought acquire",
        "purchase purchases purchasing purchased order orders ordering try tries trying spend spends spending",
    )
    for word in forms.split()
)
FRAME = frozenset(f"{PEOPLE} {FUNCTION} {WISHES}".split())
# Ceasing is negation before a verb of the five families ("stop buying") and in verbs that need no other ("churn").
CEASING = (
    r"(?:about\s+to\s+)?(?:stop(?:s|ped|ping)?|ceas(?:e|es|ed|ing)|quit(?:s|ting)?|g(?:ive|ives|iving|ave)\s+up|no\s+longer)\s+"
    r"(?=(?:buy|purchas|order|shop|spend|com(?:e|ing)|visit|us(?:e|ing)|pay|brows|click|search)\w*)"
    r"|(?:churn(?:s|ed|ing)?|laps(?:e|es|ed|ing)|leav(?:e|es|ing)\s+us(?!\s+\w+s\b)|(?:go|going|become|becoming)\s+(?:inactive|dormant))\b"
)
NEGATION = re.compile(
    r"[,;]?\s*\b(?:(?:but|and|yet|who|that|which)\s+)?"
    r"(?:(?:(?:do|does|did|will|would|should|can|is|are|was|were)\s+(?:not|never)|(?:do|does|did|wo|would|is|are|ca)n[o']?[t']t?)\s+"
    r"|(?:not|no(?!\s+longer)|never|without|excluding|except(?:\s+for)?|minus|apart\s+from|rather\s+than|instead\s+of|other\s+than)\s+"
    rf"|{CEASING})",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"[,;]?\s*\bbut\s+(?!not|no|never|do|does)(?=\w)", re.IGNORECASE)
_BOTH = re.compile(
    r"\s*(?:,?\s*\bas well as\b|\btogether with\b|\balong with\b|\bplus\b|,?\s*\band also\b|&)\s*", re.IGNORECASE
)
_AND = re.compile(r"\s*,?\s*\band\b\s*", re.IGNORECASE)
_OR = re.compile(r"\s*(?:,?\s*\b(?:and/or|or|nor)\b|[,;/])\s*", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['\u2019\-&][^\W_]+)*")


@dataclass(frozen=True)
class Phrase:
    """One thing that a demand names.

    Attributes:
        words: its words in the demand, including the frame.
        content: the words outside the frame, in lower case; never empty.
        object: the content after the last verb of asking; all of it when there is no such verb.
    """

    words: str
    content: str
    object: str


@dataclass(frozen=True)
class Part:
    """Alternatives: any one of the things will do.

    Attributes:
        phrases: the things; none means anything at all, which only a negated part can mean.
        negated: whether none of them may hold.
    """

    phrases: tuple[Phrase, ...]
    negated: bool


@dataclass(frozen=True)
class Parsed:
    """A parsed demand.

    Attributes:
        demand: the sentence.
        parts: all of them must hold; empty when the demand names nothing.
        whole: the demand without horizon, amount and negated parts.
        horizon: how far ahead it looks, if it says so.
        amount: the least it asks for, if it says so.
        stops: whether it asks for people who stop doing something.
    """

    demand: str
    parts: tuple[Part, ...]
    whole: Phrase | None
    horizon: Horizon | None
    amount: Amount | None
    stops: bool = False


def parse_demand(demand: str, *, currency: str = "dollars") -> Parsed:
    """Parse a demand.

    Args:
        demand: the sentence, as typed.
        currency: the workspace's word for money.
    """
    plain = " ".join(demand.replace("\u2019", "'").split()).strip(" .?!:;,\"'")
    plain = re.sub(r"(?i)(?<=\b(?:rather|sooner|prefer)\b)(.*)\bthan\b", r"\1 rather than", plain)
    without_time, horizon = take_horizon(plain)
    request, amount = take_amount(without_time, currency)
    wanted, unwanted = _split_negated(" ".join(request.split()))
    parts = [part for text in wanted for part in _positive(text)]
    head = parts[0].phrases[0].content if parts else ""
    excluded = [phrase for text in unwanted for phrase in _phrases(text, head=head)]
    stops = re.search(rf"\b(?:{CEASING})", request, re.IGNORECASE) is not None
    if not parts and not excluded and NEGATION.search(request):
        return Parsed(demand, (Part((), negated=True),), None, horizon, amount, stops)
    whole = _phrase(" ".join(wanted)) or (_phrase(plain) if not excluded else None)
    if whole is not None and not parts:
        parts = [Part((whole,), negated=False)]
    parts += [Part((phrase,), negated=True) for phrase in excluded]
    return Parsed(demand, tuple(parts), whole, horizon, amount, stops)


def content_words(text: str) -> list[str]:
    """The words of a text without its frame, in lower case."""
    words = [word.lower() for word in _WORD.findall(text)]
    return [word for word in words if word not in FRAME and not any(word == f"{each}'s" for each in FRAME)]


def _split_negated(text: str) -> tuple[list[str], list[str]]:
    """The stretches of a demand that must hold, and those that must not; "but" after a negation ends it."""
    first, *others = NEGATION.split(text)
    wanted, unwanted = [first], []
    for stretch in others:
        negated, *resumed = _AGAIN.split(stretch)
        unwanted.append(negated)
        wanted += resumed
    return [each.strip() for each in wanted if each.strip()], [each.strip() for each in unwanted if each.strip()]


def _positive(text: str) -> list[Part]:
    """The parts of a stretch: "and" separates parts, "or" alternatives; commas act as their list's last joint."""
    text = re.sub(r"\b(?:either|both)\s+", "", text, flags=re.IGNORECASE)
    together = [each for piece in _BOTH.split(text) for each in _AND.split(piece)]
    if len(together) > 1 and "," in together[0] and not re.search(r"\bor\b", text, re.IGNORECASE):
        together = [piece for each in together for piece in each.split(",")]
    alternatives = (tuple(phrase for each in _OR.split(piece) if (phrase := _phrase(each))) for piece in together)
    return [Part(phrases, negated=False) for phrases in alternatives if phrases]


def _phrases(text: str, *, head: str) -> list[Phrase]:
    """The things that a negated stretch names; "one" and "them" mean the thing the demand asks for before it."""
    pieces = [each for piece in _OR.split(text) for each in _AND.split(piece)]
    if head and re.search(r"\b(?:one|ones|them|it)$", text, re.IGNORECASE):
        pieces[-1] = f"{pieces[-1].rsplit(maxsplit=1)[0]} {head.split()[-1]}"
    return [phrase for piece in pieces if (phrase := _phrase(piece))]


def _phrase(text: str) -> Phrase | None:
    content = " ".join(content_words(text))
    if not content:
        return None
    words = _WORD.findall(text)
    verb = max((i for i, word in enumerate(words) if word.lower() in ASKING), default=-1)
    return Phrase(text.strip(), content, " ".join(content_words(" ".join(words[verb + 1 :]))) or content)


def require_demands(demands: Sequence[str]) -> None:
    """Refuse an empty demand, and an empty list of demands.

    Raises:
        FindCLIError: a demand is empty, or there is none.
    """
    empty = [i for i, demand in enumerate(demands, 1) if not demand.strip()]
    if empty or not demands:
        message = f"demand {empty[0]} is empty" if empty else "there is no demand"
        raise FindCLIError(message, hint='write a sentence, such as "users likely to rent phones"')
