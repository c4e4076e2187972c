"""Sentences and event texts: families of templates; slots and measure are the predicate of a sentence (FIND Eq 4).

A sentence says of the events of the future window that hold its slots ("The user purchased {category}.") how much of
them there is: any at all, or a level of them, such as a sum or a number of times ("... at least {count} times.").
A sentence without slots is about every event of its family ("The user purchased anything.").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import polars as pl

from findcli.workspace.settings import SLOTS, Settings, Source

# What a sentence measures: whether there is an event; how many instants with one; how many different items or
# categories; the sum of amounts; whether it is the first ever; or that there is none.
Measure = Literal["any", "count", "distinct", "amount", "first", "none"]
MEASURES: tuple[Measure, ...] = ("any", "count", "distinct", "amount", "first", "none")
BOUNDED: tuple[Measure, ...] = ("count", "distinct", "amount")

VERBS = {
    "purchase": "purchased",
    "return": "returned",
    "browse": "visited",
    "search": "searched for",
    "click": "clicked",
    "payment": "paid for",
    "exposure": "was sent",
}
_ANYTHING = ("The {subject} {verb} anything.", "The {subject} {verb} nothing.")
_OFTEN = (
    "The {subject} {verb} anything at least {count} times.",
    "The {subject} {verb} {category} at least {count} times.",
    "The {subject} {verb} at least {distinct} different things.",
)
_FIRST = (
    "The {subject} {verb} anything for the first time.",
    "The {subject} {verb} {category} for the first time.",
)
_THINGS = ("The {subject} {verb} {category}.", "The {subject} {verb} {item}.", "The {subject} {verb} {department}.")
_SUMS = (
    "The {subject} {verb} {category} amounting more than {amount} {unit}.",
    "The {subject} {verb} {department} amounting more than {amount} {unit}.",
)
_SUM = "The {subject} {verb} things amounting more than {amount} {unit}."
TEMPLATES = {
    "purchase": (
        *_THINGS, "The {subject} bought at {merchant}.", *_SUMS,
        "The {subject} made purchases amounting more than {amount} {unit}.", *_ANYTHING, *_OFTEN, *_FIRST,
    ),
    "return": (*_THINGS[:2], _ANYTHING[0]),
    "payment": (
        "The {subject} paid {status}.", "The {subject} paid by {channel}.",
        "The {subject} purchased {category} and paid {status}.", *_ANYTHING, _OFTEN[0],
    ),
    "browse": (*_THINGS, *_SUMS[:1], _SUM, *_ANYTHING, *_OFTEN, *_FIRST),
    "search": (*_THINGS[:2], "The {subject} {verb} {text}.", *_ANYTHING, _OFTEN[0], _FIRST[0]),
    "click": (*_THINGS, *_SUMS[:1], _SUM, *_ANYTHING, *_OFTEN, *_FIRST),
    "exposure": (),
}  # fmt: skip
PAID_FOR = frozenset(_ANYTHING + _OFTEN)  # of payments only where the same events are not purchases too
RETURNED = "returned"
SLOT = re.compile(r"\{(\w+)\}")
_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_MEASURES: dict[str, Measure] = {"amount": "amount", "count": "count", "distinct": "distinct"}


@dataclass(frozen=True)
class Template:
    """One template over one source.

    Attributes:
        family: purchase, return, payment, browse, search or click.
        source: the source whose events it is about, as the event log names it.
        text: the words, with slots in braces; subject, verb and unit are filled in.
        slots: the slots that must match, in the order of the text.
        measure: what it says of the matching events.
        single: the template of one such event, with the same slots: what a level is a level of.
        counted: the slot whose different values are counted, if the measure is "distinct".
    """

    family: str
    source: str
    text: str
    slots: tuple[str, ...]
    measure: Measure = "any"
    single: str = ""
    counted: str | None = None

    @property
    def bounded(self) -> bool:
        """Whether the text has a least amount, count or number of different things."""
        return self.measure in BOUNDED


def workspace_templates(settings: Settings) -> list[Template]:
    """The templates of all sources of a workspace, source by source."""
    return [template for source in settings.sources for template in source_templates(source, settings)]


def source_templates(source: Source, settings: Settings) -> list[Template]:
    """The templates of a source: the sentences in its settings, or those of its families that its columns can fill.

    Args:
        source: the source.
        settings: gives the subject of sentences and the word for money.
    """
    words = {
        "subject": settings.workspace.subject,
        "unit": source.unit or settings.workspace.currency,
        "currency": source.unit or settings.workspace.currency,
    }
    if source.sentences is not None:
        return _of_texts(source, source.families[0], source.name, source.sentences, words)
    templates = []
    for family in (*source.families, *(("return",) if source.may_return else ())):
        texts = [text for text in TEMPLATES[family] if not (text in PAID_FOR and _is_double(family, source))]
        name = returns_of(source.name) if family == "return" else source.name
        verb = source.verb if source.verb is not None and family == source.families[0] else VERBS[family]
        templates += _of_texts(source, family, name, texts, words | {"verb": verb})
    return [template for template in templates if _fillable(template, source)]


def _is_double(family: str, source: Source) -> bool:
    return family == "payment" and len(source.families) > 1


def returns_of(source: str) -> str:
    """What the event log calls the returns of a source."""
    return f"{source}, {RETURNED}"


def _of_texts(
    source: Source, family: str, name: str, texts: tuple[str, ...] | list[str], words: dict[str, str]
) -> list[Template]:
    templates = []
    for text in texts:
        filled = _fill(text, words)
        slots = tuple(slot for slot in SLOT.findall(filled) if slot in SLOTS)
        templates.append(Template(family, name, filled, slots, _measure(text), filled, _counted(source)))
    singles: dict[tuple[str, ...], str] = {}
    for each in templates:
        if each.measure == "any":
            singles.setdefault(each.slots, each.text)
    anything = _fill(_ANYTHING[0], {"verb": VERBS[family]} | words)
    return [
        each if each.measure == "any" else _of(each, singles.get(each.slots, "" if each.slots else anything))
        for each in templates
    ]


def _of(template: Template, single: str) -> Template:
    return Template(
        template.family, template.source, template.text, template.slots, template.measure, single, template.counted
    )


def _fill(text: str, words: dict[str, str]) -> str:
    return SLOT.sub(lambda match: words.get(match[1], match[0]), text)


def _measure(text: str) -> Measure:
    """What a text measures: by its slots or, of the built-in ones, by their end."""
    bounds = [_MEASURES[name] for name in SLOT.findall(text) if name in _MEASURES]
    if bounds:
        return bounds[0]
    return "none" if text == _ANYTHING[1] else "first" if text in _FIRST else "any"


def _counted(source: Source) -> str | None:
    """The slot whose values are different things: the most particular one."""
    return next((slot for slot in ("item", "category", "department") if getattr(source, slot) is not None), None)


def _fillable(template: Template, source: Source) -> bool:
    filled = all(getattr(source, slot) is not None for slot in template.slots)
    if template.measure == "distinct":
        return filled and template.counted is not None
    return filled and (source.has_amount or template.measure != "amount")


@cache
def template_pattern(text: str) -> re.Pattern[str]:
    """The pattern of the sentences that a template writes, to be matched as a whole.

    Args:
        text: words, with slots in braces.

    Returns:
        A pattern that Rust's regular expressions read too. It has a group of each slot's name, the first time that it
        occurs, and the group `least` for the number of a level.
    """
    written, seen = [], set()
    for i, piece in enumerate(SLOT.split(text)):
        if i % 2 == 0:
            written.append(re.escape(piece))
            continue
        name, value = ("least", _NUMBER) if piece in BOUNDED else (piece, ".+")
        written.append(f"(?:{value})" if name in seen else f"(?P<{name}>{value})")
        seen.add(name)
    return re.compile("".join(written), re.DOTALL)


def sentence_text(template: Template) -> pl.Expr:
    """Render the sentence of rows that hold the template's slots (and `bound`), with names in lower case.

    Returns:
        A String expression; null where a slot is null.
    """
    parts = SLOT.split(template.text)
    return _joined(parts, lambda name: _bound_text() if name in _MEASURES else pl.col(name).str.to_lowercase())


def _joined(parts: list[str], value: Callable[[str], pl.Expr]) -> pl.Expr:
    """Join words and slots in turn, as `SLOT.split` returns them; null if a slot is null.

    NOTE: polars 2.1's `pl.format` panics on some filtered columns with nulls ("assertion failed: i < self.len()").
    """
    pieces = [value(part) if i % 2 else pl.lit(part) for i, part in enumerate(parts)]
    return pl.concat_str(pieces) if len(pieces) > 1 else pieces[0]


def _bound_text() -> pl.Expr:
    whole = pl.col("bound").round(0) == pl.col("bound")
    return (
        pl.when(whole).then(pl.col("bound").cast(pl.Int64).cast(pl.String)).otherwise(pl.col("bound").cast(pl.String))
    )


def event_text(source: Source, *, subject: str = "user") -> pl.Expr:
    """Render an event of a history: the family's verb and every slot it has, from the particular to the general.

    Searches are their text alone, since they have their own encoder (Eq 10); slots that are null are left out.

    Args:
        source: the source; its returns, which `source` of the event log tells, read as such.
        subject: whom sentences are about.
    """
    if source.event is not None:
        return _joined(SLOT.split(source.event), lambda name: pl.col(name).str.to_lowercase().fill_null("something"))
    if is_search(source) and source.text is not None:
        return pl.col("text").str.to_lowercase().fill_null("")
    order = ("item", "category", "department", "merchant", "text", "status", "channel")
    present = [pl.col(slot).str.to_lowercase() for slot in order if getattr(source, slot) is not None]
    things = pl.concat_str(present, separator=", ", ignore_nulls=True) if present else pl.lit("something")
    verb = pl.lit(f"The {subject} {source.verb or VERBS[source.families[0]]} ")
    if source.may_return:
        back = pl.lit(f"The {subject} {VERBS['return']} ")
        verb = pl.when(pl.col("source") == returns_of(source.name)).then(back).otherwise(verb)
    return verb + things


def is_search(source: Source) -> bool:
    """Whether a source feeds the search modality instead of the behaviour sequence."""
    return "search" in source.families


def round_bound(amount: pl.Expr) -> pl.Expr:
    """Round a lower bound as a person would write it: one or two leading digits (1, 2, 5, 10, 15, 20, ...)."""
    magnitude = pl.lit(10.0).pow(amount.clip(lower_bound=1e-9).log10().floor())
    return ((amount / magnitude * 2).round(0) / 2 * magnitude).round(2)
