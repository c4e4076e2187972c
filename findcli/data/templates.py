"""Sentences and event texts: five families of templates, whose slots are the predicate behind a sentence (FIND Eq 4).

A sentence such as "The user purchased {category} amounting more than {amount} dollars." is true of a user if the events
of the future window in that category sum to more than that amount; without `{amount}`, if there is one such event.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from findcli.workspace.settings import SLOTS, Source

VERBS = {
    "purchase": "purchased",
    "browse": "visited",
    "search": "searched for",
    "click": "clicked",
    "payment": "paid for",
    "exposure": "was sent",
}
TEMPLATES = {
    "purchase": (
        "The user purchased {category}.",
        "The user purchased {item}.",
        "The user purchased {department}.",
        "The user bought at {merchant}.",
        "The user purchased {category} amounting more than {amount} {currency}.",
        "The user purchased {department} amounting more than {amount} {currency}.",
        "The user made purchases amounting more than {amount} {currency}.",
    ),
    "payment": (
        "The user paid {status}.",
        "The user paid by {channel}.",
        "The user purchased {category} and paid {status}.",
    ),
    "browse": ("The user visited {category}.", "The user visited {item}.", "The user visited {department}."),
    "search": ("The user searched for {category}.", "The user searched for {item}.", "The user searched for {text}."),
    "click": ("The user clicked {category}.", "The user clicked {item}.", "The user clicked {department}."),
    "exposure": (),
}
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Template:
    """One template over one source.

    Attributes:
        family: purchase, payment, browse, search or click.
        source: the source whose events it is about.
        text: the words, with slots in braces.
        slots: the slots that must match, in the order of the text, without `{amount}` and `{currency}`.
        bounded: whether `{amount}` is a lower bound.
    """

    family: str
    source: str
    text: str
    slots: tuple[str, ...]
    bounded: bool


def source_templates(source: Source) -> list[Template]:
    """The templates of a source: the sentences in its settings, or those of its families that its columns can fill."""
    if source.sentences is not None:
        return [_template(source.families[0], source, text) for text in source.sentences]
    templates = [_template(family, source, text) for family in source.families for text in TEMPLATES[family]]
    return [t for t in templates if _fillable(t, source)]


def _template(family: str, source: Source, text: str) -> Template:
    names = _SLOT.findall(text)
    return Template(family, source.name, text, tuple(n for n in names if n in SLOTS), bounded="amount" in names)


def _fillable(template: Template, source: Source) -> bool:
    filled = all(getattr(source, slot) is not None for slot in template.slots)
    return filled and (source.has_amount or not template.bounded)


def sentence_text(template: Template, *, currency: str) -> pl.Expr:
    """Render the sentence of rows that hold the template's slots (and `bound`), with names in lower case.

    Returns:
        A String expression; null where a slot is null.
    """
    parts = _SLOT.split(template.text.replace("{currency}", currency))
    return _joined(parts, lambda name: _bound_text() if name == "amount" else pl.col(name).str.to_lowercase())


def _joined(parts: list[str], value: Callable[[str], pl.Expr]) -> pl.Expr:
    """Join words and slots in turn, as `_SLOT.split` returns them; null if a slot is null.

    NOTE: polars 2.1's `pl.format` panics on some filtered columns with nulls ("assertion failed: i < self.len()").
    """
    pieces = [value(part) if i % 2 else pl.lit(part) for i, part in enumerate(parts)]
    return pl.concat_str(pieces) if len(pieces) > 1 else pieces[0]


def _bound_text() -> pl.Expr:
    whole = pl.col("bound").round(0) == pl.col("bound")
    return (
        pl.when(whole).then(pl.col("bound").cast(pl.Int64).cast(pl.String)).otherwise(pl.col("bound").cast(pl.String))
    )


def event_text(source: Source) -> pl.Expr:
    """Render an event of a history: the family's verb and every slot it has, from the particular to the general.

    Searches are their text alone, since they have their own encoder (Eq 10); slots that are null are left out.
    """
    if source.event is not None:
        return _joined(_SLOT.split(source.event), lambda name: pl.col(name).str.to_lowercase().fill_null("something"))
    if is_search(source) and source.text is not None:
        return pl.col("text").str.to_lowercase().fill_null("")
    order = ("item", "category", "department", "merchant", "text", "status", "channel")
    present = [pl.col(slot).str.to_lowercase() for slot in order if getattr(source, slot) is not None]
    verb = f"The user {VERBS[source.families[0]]} "
    return (
        pl.lit(verb) + pl.concat_str(present, separator=", ", ignore_nulls=True)
        if present
        else pl.lit(verb + "something")
    )


def is_search(source: Source) -> bool:
    """Whether a source feeds the search modality instead of the behaviour sequence."""
    return "search" in source.families


def round_bound(amount: pl.Expr) -> pl.Expr:
    """Round a lower bound as a person would write it: one or two leading digits (1, 2, 5, 10, 15, 20, ...)."""
    magnitude = pl.lit(10.0).pow(amount.clip(lower_bound=1e-9).log10().floor())
    return ((amount / magnitude * 2).round(0) / 2 * magnitude).round(2)
