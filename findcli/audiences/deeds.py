"""What people do with a thing, in general English: get or use it, or something else that no purchase tells.

"Customers who will buy cheese", "who cook with cheese" and "who need cheese" ask for much the same; "who will complain
about the cheese" does not, although it is as much about cheese. The two lists are general, as those of topics are: they
name no workspace. A verb that neither has is told by the nearest verb that one of them has.
"""

from __future__ import annotations

import re

USES = frozenset(
    """
buy purchase order reorder get need want require acquire obtain grab pick choose select try taste sample take bring
stock restock replenish shop spend pay repay eat drink sip snack munch chew cook bake roast grill fry barbecue boil brew
steam toast prepare make mix stir pour spread sprinkle season serve use wear put apply burn light smoke feed wash clean
mop sweep dust scrub polish shave brush moisturise treat decorate plant fill refill top replace renew run consume enjoy
love like prefer crave fancy favour gift give carry keep store freeze wrap pack play rent lease hire subscribe book
reserve borrow transfer send charge click tap press visit open browse search look view check redeem cash upgrade
download install host throw celebrate brighten fix mend repair heal soothe relieve cure dry warm heat cool bathe shower
dress diet slim breakfast lunch dine feast camp garden stay go come return collect hail top-up switch lock protect
secure register sign join log order-in barbeque nibble drizzle soak scent sweeten thicken garnish stuff chill drink-up
""".split()  # noqa: SIM905 - a table of words
)
OTHERS = frozenset(
    """
complain criticise criticize praise recommend review rate mention discuss talk speak tell say write blog tweet post
share photograph film draw paint sketch describe sell resell trade swap auction steal shoplift rob lose find misplace
throw-away discard waste bin recycle bury sue prosecute report accuse blame dream imagine invent design patent
develop grow cultivate farm harvest breed raise produce manufacture import export distribute deliver ship cater weigh
count measure study research investigate analyse learn teach win deserve hate dislike loathe fear avoid boycott ban
forget remember notice see hear smell hide protest vote campaign compare ask answer phone call email contact follow
unfollow unsubscribe cancel insure break damage spill drop crush destroy donate inherit lend own possess rescue adopt
marry divorce wed die retire graduate migrate emigrate immigrate cycle commute drive walk jog swim sing dance act
perform publish print translate argue quarrel fight joke laugh cry mourn pray worship believe support oppose sponsor
invest bet gamble judge test inspect audit regulate label advertise promote endorse refund reject refuse ignore
mistake confuse misuse abuse poison contaminate sneeze predict admire thank congratulate apologise
explain understand recognise study sculpt knit sew weave build
""".split()  # noqa: SIM905 - a table of words
)
READS = frozenset(
    {"read", "watch", "listen", "hear", "see", "study", "compare", "follow"}
)  # uses, where pages are recorded
# A modal, or a word that a clause about people begins with; then the verb.
_MODAL = re.compile(
    r"(?:\b(?:will|would|might|may|could)|'ll|\b(?:likely|going|about|ready|planning|wanting|want|hoping)\s+to)"
    r"\s+(?:(?:not|\w+ly)\s+)*(?P<verb>[a-z]+)(?P<away>\s+(?:away|out)\b)?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"\b(?:who|that)\s+(?:(?:often|always|\w+ly)\s+)?(?P<verb>[a-z]+)", re.IGNORECASE)
_ENDINGS = (("ies", "y"), ("es", "e"), ("es", ""), ("s", ""), ("ied", "y"), ("ed", "e"), ("ed", ""), ("d", ""))


def verbs_of(demand: str) -> tuple[list[str], list[str]]:
    """The verbs after a modal ("will complain"), surely verbs, and the first word of each clause about people.

    Args:
        demand: the sentence.
    """
    sure = [
        "throw-away" if match["away"] and match["verb"].lower() == "throw" else _base(match["verb"])
        for match in _MODAL.finditer(demand)
    ]
    return sure, [_base(match["verb"]) for match in _CLAUSE.finditer(demand)]


def _base(word: str) -> str:
    """A verb without its ending, if that is one of the lists."""
    word = word.lower()
    if word in USES | OTHERS:
        return word
    bases = (word.removesuffix(end) + instead for end, instead in _ENDINGS if word.endswith(end))
    return next((base for base in bases if base in USES | OTHERS), word)
