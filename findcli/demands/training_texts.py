"""Texts to tune the demand rewriter on, written from the workspace's own sources alone (FIND, zero-shot part).

Stage 1 teaches the domain as dialogues: what belongs to what, what goes with what, and what training users wanted next.
Stage 2 teaches how marketers ask: a small grammar of paraphrases over the vocabulary, with typos, pairs each demand
with the thing it means: a name, and items below it other than those the demand mentions.

Tested in tests/demands/test_tune.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.demands.retrieval import described

FRAMES = {
    "purchase": (
        "people who will buy {}", "customers who need {}", "{} buyers", "who wants {}?", "households that use {}", "{}",
        "shoppers looking for {} next month", "users likely to purchase {} soon", "find me customers for {}",
        "anyone running out of {}", "families that like {}", "those who cannot do without {}", "ppl who get {}",
    ),
    "click": ("users who will tap on {}", "people who click {}", "who would open the page about {}?"),
    "browse": ("people who open {}", "users who will visit {}", "regulars of {}"),
    "search": ("people searching for {}", "who looks for {}?", "users that google {}"),
    "payment": ("customers who pay {}", "people paying {} next time"),
}  # fmt: skip
SLIPS = 0.15
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Pair:
    """A demand and the thing it means, as `described` writes it."""

    demand: str
    thing: str


@dataclass(frozen=True)
class Shelf:
    """What a name of the vocabulary covers.

    Attributes:
        name: a category, department or other name.
        family: the family of its sentence.
        items: the items below it; the name itself when there are none.
        weight: how often it is drawn, relative to other shelves.
    """

    name: str
    family: str
    items: tuple[str, ...]
    weight: float


def shelves_of(vocabulary: pl.DataFrame) -> list[Shelf]:
    """The names to write demands for: all except items of a category, which their category covers."""
    kept = vocabulary.filter(pl.col("category").is_null(), pl.col("level") != "text")
    rows = kept.select("name", "family", "items", "events").iter_rows()
    return [Shelf(name, family, tuple(items) or (name,), float(events) ** 0.5) for name, family, items, events in rows]


def write_pair(shelf: Shelf, items: Sequence[str], rng: np.random.Generator) -> Pair:
    """Write one demand for a shelf, by the shelf's name or by one or two of its items.

    Args:
        shelf: what the demand means.
        items: the items of the shelf that the demand may name.
        rng: draws the frame, the words and the typos.
    """
    words, rest = [spoken(shelf.name)], [item for item in shelf.items if item != shelf.name]
    if items and rng.random() < 0.7:
        count = min(len(items), 1 if rng.random() < 0.7 else 2)
        named = [items[i] for i in rng.choice(len(items), count, replace=False)]
        words, rest = [spoken(item) for item in named], [item for item in rest if item not in named]
    subject = rng.choice([" and ", " or "]).join(words)
    frames = FRAMES.get(shelf.family, FRAMES["purchase"])
    demand = frames[int(rng.integers(len(frames)))].format(subject)
    return Pair(_slip(demand, rng) if rng.random() < SLIPS else demand, described(shelf.name, rest))


def write_dialogue(
    shelves: Sequence[Shelf], together: Mapping[str, Sequence[str]], timelines: Sequence[Sequence[str]],
    rng: np.random.Generator,
) -> str:  # fmt: skip
    """Write two to four turns about the vocabulary.

    Args:
        shelves: the vocabulary.
        together: for each category, those that training users buy with it.
        timelines: categories of training users in time order, before `train_until`.
        rng: draws the turns.
    """
    shelf = shelves[int(rng.integers(len(shelves)))]
    items = [str(item) for item in rng.permutation(shelf.items)[:3]]
    turns = [
        (f"What belongs to {spoken(shelf.name)}?", ", ".join(spoken(item) for item in items)),
        (f"Where do I find {spoken(items[0])}?", shelf.name),
    ]
    if shelf.name in together:
        turns.append((f"What do customers of {spoken(shelf.name)} also want?", ", ".join(together[shelf.name])))
    if timelines:
        line = timelines[int(rng.integers(len(timelines)))]
        end = int(rng.integers(1, len(line)))
        turns.append(
            (f"A customer wanted {', '.join(map(spoken, line[max(0, end - 3) : end]))}. What next?", line[end])
        )
    return "".join(f"Question: {question}\nAnswer: {answer}\n" for question, answer in turns)


def spoken(name: str) -> str:
    """A name as a person would say it: its words, without punctuation."""
    return " ".join(_WORDS.findall(name.lower())) or name


def _slip(text: str, rng: np.random.Generator) -> str:
    """Make a typo: drop a letter, double it, or swap it with the next."""
    if len(text) < 3:
        return text
    i = int(rng.integers(1, len(text) - 1))
    typos = (text[:i] + text[i + 1 :], text[:i] + text[i] + text[i:], text[:i] + text[i + 1] + text[i] + text[i + 2 :])
    return typos[int(rng.integers(len(typos)))]
