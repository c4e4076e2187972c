"""Parse what a demand asks for, by English grammar alone: its parts, which of them must not hold, and what joins them.

A closed list of function words and of words for people and wishes ("customers who are likely to buy ...") frames what
a demand is about; the rest is its content. Nothing here knows what any workspace sells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from findcli.demands.levels import MARKS, Level, levels_in, take_levels
from findcli.demands.people import take_places, take_standing, take_traits
from findcli.demands.periods import Horizon, take_horizon
from findcli.demands.tense import Before, take_past
from findcli.errors import FindCLIError

# The frame: words for people, function words, and the verbs of wishing and of the five families of sentences.
PEOPLE = (
    "people persons person users user customers customer shoppers shopper buyers "
    "buyer purchasers purchaser clients client consumers "
    "consumer households household homes folks folk individuals guests members audience ppl those anyone anybody "
    "couple couples someone somebody everyone everybody men women families"
)
FUNCTION = (
    "whoever a an the some any all each every this that these those which who whom "
    "whose who'll who'd what when where it "
    "its they them their theirs they'll he she his her we us our you your i me my one ones of for to from with at "
    "by on in into about as is are was were be been being am do does did have has had will would shall should can "
    "could may might must 'll 'd 's 're just also really very too so please pls then there here out up off down "
    "over again always often usually regularly lot lots much quite rather likely probably most more other potential "
    "prospective"
)
WISHES = (
    "ask asks asking request requests requesting find show give list get gets getting "
    "got need needs needing want wants wanting wanted would-be like likes "
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
    r"|(?:churn(?:s|ed|ing|ers)?|laps(?:e|es|ed|ing)|leav(?:e|es|ing)\s+us(?!\s+\w+s\b)|leav(?:e|es|ing)(?=\s*$)|at\s+risk(?:\s+of\s+\w+(?:\s+us)?)?"
    r"|drop(?:s|ping)?\s+off(?=\s*$)|(?:go|going|become|becoming)\s+(?:inactive|dormant))\b"
)
NEGATION = re.compile(
    r"[,;]?\s*\b(?:(?:but|and|yet|who|that|which)\s+)?"
    r"(?:(?:(?:do|does|did|will|would|should|can|is|are|was|were)\s+(?:not|never)|(?:do|does|did|wo|would|is|are|ca)n[o']?[t']t?)\s+"
    r"|(?:not|no(?!\s+longer)|never|without|excluding|except(?:\s+for)?|minus|apart\s+from|rather\s+than|instead\s+of|other\s+than)\s+"
    rf"|{CEASING})",
    re.IGNORECASE,
)
# The verbs of the families, in all their forms: "people who tap on flights" asks for clicks.
VERBS = {
    "click": "click clicks clicking clicked tap taps tapping tapped press presses pressing pressed",
    "search": "search searches searching searched google googles googling look looks looking looked query querying",
    "browse": "visit visits visiting visited browse browses browsing browsed open opens opening opened view views "
    "viewing viewed check checks checking checked use uses using used",
    "payment": "pay pays paying paid payment payments",
    "return": "return returns returning returned refund refunds refunding refunded",
    "purchase": "buy buys buying bought purchase purchases purchasing purchased order orders ordering ordered",
}  # fmt: skip
_DOING = frozenset(form for forms in VERBS.values() for form in forms.split())
# "Anything" names nothing in particular: alone it asks for any event.
_ANYTHING_WORDS = (
    "anything something things thing stuff products product items item goods article articles order orders purchase "
    "purchases whatever nothing else everything day days week weeks month months "
    "year years daily weekly monthly next merchandise transaction transactions visit visits "
    "online"
)
ANYTHING = frozenset(_ANYTHING_WORDS.split())
# What an event is done by: without a thing, it is any event that is asked for.
ACTION = re.compile(
    r"\b(?:buy\w*|bought|purchas\w+|order\w*|shop|shops|shopping|spend\w*|spent|pay|pays|paying|visit\w*|brows\w+|search\w*|click\w*|"
    r"return\w*|refund\w*|active|engage|do|act|something|anything)\b",
    re.IGNORECASE,
)
AGAIN = re.compile(
    r"\b(?:(?:place|places|placing|make|makes|making)\s+)?(?:again(?!st)|once more|"
    r"one more time|another time|(?:come|comes|coming|be|keep|keeps) (?:back|coming "
    r"back)|re-?order(?:s|ing)?|"
    r"re-?purchas(?:e|es|ing)|re-?buy(?:s|ing)?|repeat(?=\s+(?:customers?|buyers?|purchasers?|purchases?|orders?|business|shoppers?|clients?))|"
    r"(?:returning|return|second[- ]time)(?=\s+(?:customers?|buyers?|shoppers?|clients?|users?))|(?:another|"
    r"a second|second|next|a further|one more) (?:order|purchase)|"
    r"returns?(?=\s*(?:$|[,.;?!]|(?:to (?:us|the (?:shop|store|site)|our \w+)|again|"
    r"soon|for|and|but|or|who)\b)))(?!\w)",
    re.IGNORECASE,
)
RETURNS = re.compile(
    r"\b(?:return(?:s|ed|ing)?|(?:send|sends|sending|bring|brings|bringing|give|gives|giving)(?:\s+\w+){0,4}?\s+back|refund(?:s|ed|ing)?|"
    r"(?:send|sends|sending|sent|bring|brings|bringing|brought)\s+back)\b",
    re.IGNORECASE,
)
OFTEN = re.compile(
    r"\b(?:often|a lot|a great deal|usually|regularly|frequently|always|every (?:day|week|month|year)|"
    r"(?:weekly|monthly|daily)(?=\s*(?:$|\band\b|\bor\b)))\b",
    re.IGNORECASE,
)
_AGAIN_AFTER = re.compile(r"[,;]?\s*\bbut\s+(?!not|no|never|do|does)(?=\w)", re.IGNORECASE)
_BOTH = re.compile(
    r"\s*(?:,?\s*\bas well as\b|\btogether with\b|\balong with\b|\bplus\b|,?\s*\band also\b)\s*", re.IGNORECASE
)
_AND = re.compile(r"\s*,?\s*(?:\band\b|&)\s*", re.IGNORECASE)
_OR = re.compile(r"\s*(?:,?\s*\b(?:and/or|or|nor)\b|[,;/])\s*", re.IGNORECASE)
# After "and", these begin something of its own that must hold too; a noun goes on with the list.
_OF_ITS_OWN = re.compile(
    r"(?:who|that|which|will|would|'ll|also|then|to|are|is|likely|going|plan|want|need|buy|buys|buying|purchase|purchases|"
    r"purchasing|order|orders|ordering|spend|spends|spending|pay|pays|paying|visit|visits|visiting|browse|browses|search|searches|"
    r"searching|click|clicks|clicking|return|returns|send|use|drink|drinks|eat|eats|cook|cooks|come)\b",
    re.IGNORECASE,
)
# What is to be done with the audience is no part of who they are: "win back inactive customers".
TO_DO = re.compile(
    r"^(?:please\s+)?(?:find|list|show|give|get|target|reach|contact|remind|win\s+back|activate|reactivate|re-engage)\s+"
    r"(?:me\s+|us\s+)?(?=.)",
    re.IGNORECASE,
)
_PURCHASE = re.compile(
    r"\b(?:make|makes|making|place|places|placing)\s+(?=(?:an?|any|some)\s+(?:order|purchase)s?\b)", re.IGNORECASE
)
_SUCH_AS = re.compile(r",?\s*\b(?:such as|including|e\.g\.|for example|for instance)\s*", re.IGNORECASE)
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
        phrases: the things; none means anything at all.
        negated: whether none of them may hold.
        level: how much of them there must be; None: any.
        returns: whether things that come back are meant.
        again: whether it was done before.
        listed: whether "and" joins the things.
        examples: whether all things but the first are examples of it: "jewellery such as rings".
        apart: whether the demand says that it must hold beside others: "both tea and coffee".
        words: its words in the demand.
    """

    phrases: tuple[Phrase, ...]
    negated: bool
    level: Level | None = None
    returns: bool = False
    again: bool = False
    listed: bool = False
    examples: bool = False
    apart: bool = False
    words: str = ""


@dataclass(frozen=True)
class Was:
    """What a demand says of the past.

    Attributes:
        before: its words, and when.
        parts: what was or was not done; all of them must hold.
    """

    before: Before
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Parsed:
    """A parsed demand.

    Attributes:
        demand: the sentence.
        parts: all of them must hold; empty when the demand names nothing.
        whole: the demand without horizon, amount and negated parts.
        horizon: how far ahead it looks, if it says so.
        past: what must have been before.
        stops: whether it asks for people who stop doing something.
        traits: what it says of people that only a profile can tell.
        unused: words of it that change nothing.
        places: where it says people are from, which only a profile can tell.
    """

    demand: str
    parts: tuple[Part, ...]
    whole: Phrase | None
    horizon: Horizon | None
    past: tuple[Was, ...] = ()
    stops: bool = False
    traits: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


def parse_demand(demand: str, *, currency: str = "dollars", subject: str = "user", pieces: str = "") -> Parsed:
    """Parse a demand.

    Args:
        demand: the sentence, as typed.
        currency: the workspace's word for money.
        subject: the workspace's word for its users, which frames a demand as "users" does.
        pieces: its word for what is bought, such as the "CDs" of a shop that tells no titles.
    """
    plain = " ".join(demand.replace("\u2019", "'").split()).strip(" .?!:;,\"'")
    plain = re.sub(rf"\b{re.escape(subject)}s?\b", "users", plain, flags=re.IGNORECASE)
    plain = _PURCHASE.sub("do ", TO_DO.sub("", plain))
    if pieces:
        plain = re.sub(rf"\b{re.escape(pieces.rstrip('s'))}s?\b", "items", plain, flags=re.IGNORECASE)
    plain = re.sub(r"(?i)(?<=\b(?:rather|sooner|prefer)\b)(.*)\bthan\b", r"\1 rather than", plain)
    plain, places = take_places(plain)
    ahead, past = take_past(plain)
    was = tuple(Was(before, _parts_of_past(before, currency)) for before in past)
    ahead, horizon = take_horizon(ahead)
    ahead = re.sub(r"(?i)\b(buy|order|purchase|spend|do)\s+nothing\b", r"not \1 anything", ahead)
    request, levels = take_levels(ahead, currency)
    request, levels = take_standing(request, levels)
    request, traits = take_traits(request)
    often = OFTEN.findall(request)
    request = " ".join(OFTEN.sub(" ", request).split())
    wanted, unwanted = _split_negated(request)
    parts = [part for text in wanted for part in _positive(text, levels)]
    head = next((part.phrases[0].content for part in parts if part.phrases), "")
    excluded = [part for text in unwanted for part in _excluded(text, levels, head=head)]
    stops = re.search(rf"\b(?:{CEASING})", request, re.IGNORECASE) is not None
    if excluded or was:
        parts = [part for part in parts if part.phrases or part.level or part.returns or _does(part) or not excluded]
    if not parts and not excluded and NEGATION.search(request):
        excluded = [Part((), negated=True, words=request)]
    whole = _phrase(" ".join(wanted)) or (_phrase(request) if not excluded and not was else None)
    unused = () if any(part.level for part in parts) else tuple(often)
    return Parsed(demand, (*parts, *excluded), whole, horizon, was, stops, tuple(traits), unused, tuple(places))


def _parts_of_past(before: Before, currency: str) -> tuple[Part, ...]:
    text, levels = take_levels(before.text, currency)
    parts = _positive(text, levels) or [Part((), negated=False, words=before.words)]
    return tuple(replace(part, negated=before.negated) for part in parts)


def content_words(text: str) -> list[str]:
    """The words of a text without its frame, in lower case."""
    words = [word.lower() for word in _WORD.findall(text)]
    return [word for word in words if word not in FRAME and not any(word == f"{each}'s" for each in FRAME)]


def _split_negated(text: str) -> tuple[list[str], list[str]]:
    """The stretches of a demand that must hold, and those that must not; "but" after a negation ends it."""
    first, *others = NEGATION.split(text)
    wanted, unwanted = [first], []
    for stretch in others:
        negated, *resumed = _AGAIN_AFTER.split(stretch)
        unwanted.append(negated)
        wanted += resumed
    return [each.strip() for each in wanted if each.strip()], [each.strip() for each in unwanted if each.strip()]


def _positive(text: str, levels: list[Level]) -> list[Part]:
    """The parts of a stretch: "or" and lists are alternatives; "both" and a further verb make further parts."""
    both = re.search(r"\b(?:both|together)\b", text, re.IGNORECASE) is not None
    text = re.sub(r"\b(?:either|both|together(?!\s+with))\b", " ", text, flags=re.IGNORECASE)
    examples = _SUCH_AS.search(text) is not None
    text = _SUCH_AS.sub(" or ", text)
    parts = []
    pieces = _BOTH.split(text)
    for piece in pieces:
        for stretch, listed in _apart(_AND.split(piece), both=both):
            parts += _part(stretch, levels, listed=listed, examples=examples)
    return [replace(part, apart=True) for part in parts] if both or len(pieces) > 1 else parts


def _apart(pieces: list[str], *, both: bool) -> list[tuple[str, bool]]:
    """What "and" joins: each part by itself, or as a list of alternatives, and whether it is such a list."""
    if both and "," in pieces[0] and not re.search(r"\bor\b", " ".join(pieces), re.IGNORECASE):
        pieces = [each for piece in pieces for each in piece.split(",")]
    joined: list[tuple[str, bool]] = []
    for piece in pieces:
        named = [bool(content_words(MARKS.sub(" ", each))) for each in (joined[-1][0], piece)] if joined else []
        leveled = joined and MARKS.search(joined[-1][0]) and MARKS.search(piece)
        if not joined or both or leveled or _OF_ITS_OWN.match(piece.strip()) or not all(named):
            joined.append((piece, False))
        else:
            joined[-1] = (f"{joined[-1][0]} or {piece}", True)
    return joined


def _part(text: str, levels: list[Level], *, listed: bool, examples: bool) -> list[Part]:
    """The part of a stretch; one for each level, all of which must hold."""
    rest, asked = levels_in(text, levels)
    again = AGAIN.search(rest) is not None
    rest = AGAIN.sub(" buy ", rest)
    returns = RETURNS.search(rest) is not None
    if returns:
        rest = RETURNS.sub(lambda match: " ".join(["buy", *match[0].split()[1:-1]]), rest)
    phrases = tuple(phrase for each in _OR.split(rest) if (phrase := _phrase(each)) and not _is_anything(phrase))
    bounds = [each for each in asked if each.measure != "count" or each.least != 1 or each.below]
    if not phrases and not (asked or again or returns or ACTION.search(rest)):
        return []
    words = " ".join(rest.split())
    part = Part(phrases, False, None, returns, again, listed, examples, words=words)
    return [replace(part, level=level) for level in bounds] or [part]


def _excluded(text: str, levels: list[Level], *, head: str) -> list[Part]:
    """What must not hold of a negated stretch, one part each; "one" and "them" mean the thing asked for before it."""
    rest, asked = levels_in(text, levels)
    returns = RETURNS.search(rest) is not None and not AGAIN.search(rest)
    rest = (RETURNS if returns else AGAIN).sub(" buy ", rest)
    pieces = [each for piece in _OR.split(rest) for each in _AND.split(piece)]
    if head and re.search(r"\b(?:one|ones|them|it)$", rest.strip(), re.IGNORECASE):
        pieces[-1] = f"{pieces[-1].strip().rsplit(maxsplit=1)[0]} {head.split()[-1]}"
    phrases = [phrase for piece in pieces if (phrase := _phrase(piece))]
    named = [phrase for phrase in phrases if not _is_anything(phrase)]
    level = asked[0] if asked else None
    if not named:
        wanted = asked or phrases or returns or ACTION.search(rest)
        return [Part((), negated=True, level=level, returns=returns, words=text)] if wanted else []
    return [Part((phrase,), negated=True, level=level, returns=returns, words=phrase.words) for phrase in named]


def _does(part: Part) -> bool:
    return not _DOING.isdisjoint(part.words.lower().split())


def _is_anything(phrase: Phrase) -> bool:
    return not particular_words(phrase)


def particular_words(phrase: Phrase) -> set[str]:
    """The words of a phrase that name something in particular: neither "anything" nor what is done with it."""
    return set(phrase.content.split()) - ANYTHING - _DOING


def _phrase(text: str) -> Phrase | None:
    text = MARKS.sub(" ", text)
    content = " ".join(content_words(text))
    if not content:
        return None
    words = _WORD.findall(text)
    verb = max((i for i, word in enumerate(words) if word.lower() in ASKING), default=-1)
    return Phrase(" ".join(text.split()), content, " ".join(content_words(" ".join(words[verb + 1 :]))) or content)


def require_demands(demands: Sequence[str]) -> None:
    """Refuse an empty demand, and an empty list of demands.

    Raises:
        FindCLIError: a demand is empty, or there is none.
    """
    empty = [i for i, demand in enumerate(demands, 1) if not demand.strip()]
    if empty or not demands:
        message = f"demand {empty[0]} is empty" if empty else "there is no demand"
        raise FindCLIError(message, hint='write a sentence, such as "users likely to rent phones"')
