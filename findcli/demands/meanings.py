"""What the phrases of a demand mean in one vocabulary: a set of sentences, or a few of which one is meant.

A phrase is broad where the names of several sentences hold its words about equally ("a bag" in a shop of 300 bags):
then all of them are meant. A category or department that fits better than any item stays one sentence.

Words of names compare by stems; a compound holds the word that it ends in ("handbag" is a bag), and two words written
as one are the same ("tea light", "tealight").

Legend: n sentences.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from findcli.demands.grammar import ASKING, FRAME, Phrase, particular_words
from findcli.demands.reading import WORTH, Meant
from findcli.demands.retrieval import WORD, LetterLikeness, Retriever, described, spoken_families, stems

KEPT, LEAST_SHARE, SHOWN = 4, 0.1, 5
SOFTER = 2.0  # log odds are divided by this before they become shares, because they are overconfident
RERANKED, RERANKED_IN_ALL = 10, 20  # the likeliest readings that a language model weighs, per phrase and per demand
EQUAL = 0.5  # sentences match about equally if their shares are at least this much of the best one's
ALIKE, MOST_ALIKE = 0.1, 40  # items without shared words belong to a set down to this cosine below the best
PARTLY = 0.45  # mean cosine of names that hold only the last words of a phrase, below which another thing is meant
WIDE = ("category", "department")
ANYTHING = " anything."
# After a thing, these begin what it is for, where and when, which names seldom hold.
_BREAKS_WORDS = (
    "for with from in on at to this that these those who which because when while before after during by under as "
    "into around near next over if since"
)
BREAKS = frozenset(_BREAKS_WORDS.split())
SHORTEST = 3  # letters of a word that ends a compound, and of what stands before it
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019\-&][^\W_]+)*")


class Reranker(Protocol):
    """A language model that weighs readings."""

    name: str

    def adjustments(self, demand: str, things: Sequence[str], /) -> np.ndarray:
        """Log odds to add to those of each thing, float64 (n,)."""


@dataclass(frozen=True)
class Reading:
    """How sure it is that a phrase means each sentence of the vocabulary.

    Attributes:
        log_share: log of the shares, (n,).
        cosine: likeness, (n,).
        shared: the share of the phrase's words that the items contain, (n,).
    """

    log_share: np.ndarray
    cosine: np.ndarray
    shared: np.ndarray

    def closeness(self, row: int) -> float:
        """How close a sentence is to the phrase, as `Meant.closeness` says of a chosen one."""
        return float(self.cosine[row] + WORTH * self.shared[row])

    def normed(self) -> Reading:
        """The same reading with shares that sum to 1."""
        return replace(self, log_share=self.log_share - np.logaddexp.reduce(self.log_share))


def together(readings: Sequence[Reading]) -> Reading:
    """How sure it is that one sentence is meant by all phrases."""
    return Reading(
        np.mean([reading.log_share for reading in readings], 0),
        np.max([reading.cosine for reading in readings], 0),
        np.max([reading.shared for reading in readings], 0),
    ).normed()


@dataclass(frozen=True)
class Chosen:
    """The sentences that a phrase means.

    Attributes:
        any_of: likeliest first, of a set the most frequent first.
        others: other sentences it may mean.
        unused: words of the phrase that no chosen name holds.
    """

    any_of: tuple[Meant, ...]
    others: tuple[Meant, ...] = ()
    unused: tuple[str, ...] = ()


class Meanings:
    """What phrases mean in one vocabulary.

    Args:
        retriever: searches the vocabulary.
        reranker: a language model that weighs readings; None for likeness alone.
    """

    def __init__(self, retriever: Retriever, reranker: Reranker | None = None) -> None:
        self.retriever, self.reranker = retriever, reranker
        vocabulary = retriever.vocabulary
        self.texts: list[str] = vocabulary["text"].to_list()
        self.things = [described(name, items) for name, items in vocabulary.select("name", "items").iter_rows()]
        self.events = vocabulary["events"].to_numpy()
        self.families, self.levels = vocabulary["family"].to_numpy(), vocabulary["level"].to_numpy()
        # "Anything" is asked for by grammar, never by likeness.
        self.is_anything = np.array(
            [level == "" and text.endswith(ANYTHING) for text, level in zip(self.texts, self.levels, strict=True)], bool
        )

    @cached_property
    def names(self) -> NameIndex:
        """The sentences by the words in their names."""
        return NameIndex(self.retriever.vocabulary["name"].to_list())

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of every name, in lower case."""
        names = self.retriever.vocabulary.select("name", "items")
        texts = [name for name, items in names.iter_rows() for name in (name, *items)]
        return frozenset(word for text in texts for word in text.lower().split())

    def anything(self, words: str, *, returns: bool = False) -> tuple[Meant, ...]:
        """The sentences of any event at all, of the family that the words speak of; none if there is no such event."""
        families = ["return"] if returns else [*sorted(spoken_families(words) - {"purchase", "return"}), "purchase"]
        general = self.is_anything if self.is_anything.any() else np.zeros(len(self.texts), bool)
        for family in families:
            rows = np.flatnonzero(general & (self.families == family))
            if len(rows):
                return self._meant(rows)
        return () if returns else self._meant(np.flatnonzero(general & (self.families != "return")))

    def read(self, phrases: Sequence[Phrase]) -> dict[Phrase, Reading]:
        """Read each phrase: by likeness, then weighed by the language model if there is one."""
        distinct = list(dict.fromkeys(phrases))
        if not distinct:
            return {}
        scores = self.retriever.scores(distinct)
        weighed = max(2, min(RERANKED, RERANKED_IN_ALL // len(distinct)))
        readings = {}
        for i, phrase in enumerate(distinct):
            odds = np.where(self.is_anything, -np.inf, scores.odds[i])
            if np.isneginf(odds).all():
                continue
            reading = Reading(odds, scores.cosine[i], scores.shared[i]).normed()
            if self.reranker is not None:
                best = np.argsort(-reading.log_share, kind="stable")[:weighed]
                adjustments = self.reranker.adjustments(phrase.words, [self.things[j] for j in best])
                log_share = reading.log_share.copy()
                log_share[best] += adjustments - adjustments.mean()
                reading = replace(reading, log_share=log_share).normed()
            readings[phrase] = reading
        return readings

    def choose(self, phrase: Phrase, sharp: Reading, *, returns: bool = False) -> Chosen:
        """The sentences that a phrase means, given its reading."""
        reading = replace(sharp, log_share=sharp.log_share / SOFTER).normed()
        among = self._among(phrase, returns=returns)
        if returns:
            outside = ~np.isin(np.arange(len(self.texts)), sorted(among))
            reading = replace(reading, log_share=np.where(outside, -np.inf, reading.log_share))
            if outside.all():
                return Chosen(())
            reading = reading.normed()
        rows, unused, shared = self._set(phrase, reading, among)
        if rows:
            ordered = sorted(rows, key=lambda row: (-self.events[row], self.texts[row]))
            chosen = tuple(self._one(row, reading, 1.0, shared) for row in ordered)
            best = np.argsort(-reading.log_share, kind="stable")[: len(rows) + SHOWN]
            rest = [int(row) for row in best if row not in rows and np.isfinite(reading.log_share[row])][:SHOWN]
            others = tuple(self._one(row, reading, float(np.exp(reading.log_share[row]))) for row in rest)
            return Chosen(chosen, others, unused)
        return self.unsure(reading)

    def unsure(self, reading: Reading) -> Chosen:
        """The likeliest sentences of a reading whose shares are softened, one of which is meant."""
        best = np.argsort(-reading.log_share, kind="stable")[: KEPT + SHOWN]
        best = best[np.isfinite(reading.log_share[best])]
        kept = [i for i in best[:KEPT] if reading.log_share[i] >= reading.log_share[best[0]] + np.log(LEAST_SHARE)]
        total = np.exp(reading.log_share[kept]).sum()
        chosen: list[Meant] = []
        others: list[Meant] = []
        for i in best:
            share = float(np.exp(reading.log_share[i]) / (total if i in kept else 1.0))
            (chosen if i in kept else others).append(self._one(int(i), reading, share))
        return Chosen(tuple(chosen), tuple(others))

    def coverage(self, any_of: Sequence[Meant]) -> float | None:
        """The share of all events of their families that are of a sentence; None where nobody counted."""
        row = {text: i for i, text in enumerate(self.texts)}
        chosen = [row[meant.sentence] for meant in any_of if meant.sentence in row]
        families = {self.families[i] for i in chosen}
        of_all = self.events[self.is_anything & np.isin(self.families, sorted(families))].sum()
        if not len(chosen) or not of_all:
            return None
        return min(1.0, float(self.events[chosen].sum() / of_all))

    def _among(self, phrase: Phrase, *, returns: bool) -> set[int]:
        """The rows that a phrase may mean by its words: of the family that its verb speaks of, else of purchases."""
        spoken = {"return"} if returns else spoken_families(phrase.words) - {"payment", "return"}
        for families in ([spoken] if spoken else []) + ([] if returns else [{"purchase"}]):
            rows = np.flatnonzero(np.isin(self.families, sorted(families)) & ~self.is_anything & (self.levels != ""))
            if len(rows):
                return set(map(int, rows))
        return set() if returns else set(map(int, np.flatnonzero(~self.is_anything & (self.families != "return"))))

    def _set(self, phrase: Phrase, reading: Reading, among: set[int]) -> tuple[list[int], tuple[str, ...], float]:
        """The rows of a phrase that is broad, or surely one; the words not used; the share of words shared."""
        named = self.names.search(phrase, among)
        if named.partly and not self._is_alike(named.rows, reading):
            named = Named(set())
        best = int(reading.log_share.argmax())
        levels = {self.levels[row] for row in among}
        if levels & set(WIDE):
            return self._wide_set(phrase, reading, named.rows, best), (), 0.0
        if named.rows:
            return self._particular(phrase, named.rows) or sorted(named.rows), named.unused, 1.0
        alike = [row for row in among if reading.cosine[row] >= reading.cosine[best] - ALIKE] if best in among else []
        likely = sorted(alike, key=lambda row: -reading.cosine[row])[:MOST_ALIKE]
        return (likely if len(likely) > 1 else []), (), 0.0

    def _is_alike(self, rows: set[int], reading: Reading) -> bool:
        """Whether rows that hold only the last words of a phrase are like the whole of it."""
        by_letters = isinstance(self.retriever.likeness, LetterLikeness)
        return by_letters or bool(reading.cosine[sorted(rows)].mean() >= PARTLY)

    def _particular(self, phrase: Phrase, named: set[int]) -> list[int]:
        """The one row whose whole name stands in a phrase, if that is more than a word or two that others have too."""
        said = set(self.names.stems(phrase.content))
        whole = [row for row in named if len(self.names.of_row[row]) > 2 and self.names.of_row[row] <= said]
        return sorted(whole, key=lambda row: -len(self.names.of_row[row]))[:1]

    def _wide_set(self, phrase: Phrase, reading: Reading, named: set[int], best: int) -> list[int]:
        """The rows at the best one's level that match about equally and share a word."""
        said, whole = frozenset(self.names.stems(phrase.object)), frozenset(self.names.stems(phrase.content))
        exact = [row for row in named if self.names.of_row[row] == said and self.levels[row] in WIDE]
        if exact:
            return exact
        done = [row for row in np.flatnonzero((self.levels == "") & ~self.is_anything) if len(whole) > 1]
        if events := [int(row) for row in done if whole <= self.names.of_row[row]]:
            return events
        if self.levels[best] == "item" and best in named:
            items = [row for row in named if self.levels[row] == "item"]
            return items if len(items) > 1 else []
        least = reading.log_share[best] + np.log(EQUAL)
        equal = [
            int(row)
            for row in np.flatnonzero(reading.log_share >= least)
            if self.levels[row] == self.levels[best] and self.families[row] == self.families[best]
        ]
        # What they share must be more than a word that only tells what kind of thing it is: "frozen" fish and pizza.
        kinds = frozenset(self.names.stems(" ".join(phrase.object.split()[:-1])))
        alike = len(equal) > 1 and (set(equal) <= named or self.names.shared(equal) - kinds)
        return equal if alike else []

    def _meant(self, rows: np.ndarray) -> tuple[Meant, ...]:
        return tuple(Meant(self.texts[i], 1.0, None, events=int(self.events[i])) for i in rows)

    def _one(self, row: int, reading: Reading, share: float, shared: float = 0.0) -> Meant:
        shares = max(shared, float(reading.shared[row]))
        return Meant(self.texts[row], share, float(reading.cosine[row]), shares, int(self.events[row]))


@dataclass(frozen=True)
class Named:
    """The rows that a phrase names.

    Attributes:
        rows: the rows.
        unused: the words of the phrase that they do not hold.
        partly: whether these say what kind of thing is meant: a "dog food" is not any food.
    """

    rows: set[int]
    unused: tuple[str, ...] = ()
    partly: bool = False


class NameIndex:
    """The rows of a vocabulary by the words in their names.

    Args:
        names: the names, one a row.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.stems = stems()
        self.of_row = [frozenset(self.stems(name)) for name in names]
        self._rows: dict[str, set[int]] = defaultdict(set)
        self._joined: dict[str, set[int]] = defaultdict(set)
        for i, name in enumerate(names):
            words = self.stems(name)
            for stem in words:
                self._rows[stem].add(i)
            for one, other in zip(WORD.findall(name.lower()), words[1:], strict=False):
                self._joined[one + other].add(i)

    def rows(self, stem: str) -> set[int]:
        """The rows whose names hold a word: itself, in two words, or at the end of a compound."""
        rows = self._rows.get(stem, set()) | self._joined.get(stem, set())
        if len(stem) >= SHORTEST:
            for other, its in self._rows.items():
                if other.endswith(stem) and self._is_word(other[: -len(stem)]):
                    rows = rows | its
        return rows

    def _is_word(self, first: str) -> bool:
        return len(first) >= SHORTEST and (first in self._rows or len(first) > SHORTEST)

    def with_all(self, text: str) -> set[int]:
        """The rows whose names hold every word of a text."""
        words = WORD.findall(text.lower())
        if not words:
            return set()
        rows = set.intersection(*(self.rows(stem) for stem in self.stems(text)))
        for i in range(len(words) - 1):  # "tea light" written as one word
            (joined,) = self.stems(words[i] + words[i + 1])
            if joined in self._rows:
                rows |= self.with_all(" ".join([*words[:i], words[i] + words[i + 1], *words[i + 2 :]]))
        return rows

    def search(self, phrase: Phrase, among: set[int]) -> Named:
        """The rows that a phrase names.

        All words of what it names, else those nearest to its end, which in English is the head: "scented bath candles"
        are candles, whatever else they are.

        Args:
            phrase: the phrase.
            among: the rows that may be meant.
        """
        words = named_words(phrase)
        for begin in range(len(words)):
            rows = self.with_all(" ".join(words[begin:])) & among
            if rows:
                further = [
                    word for word in phrase.content.split() if word in particular_words(phrase) and word not in words
                ]
                narrower = rows & self.with_all(" ".join(further)) if further else set()
                if len(narrower) >= max(2, len(rows) // 10):
                    return Named(narrower, tuple(words[:begin]), begin > 0)
                return Named(rows, (*words[:begin], *further), begin > 0)
        return Named(set())

    def shared(self, rows: Iterable[int]) -> frozenset[str]:
        """The words that all of some names hold."""
        return frozenset.intersection(*(self.of_row[row] for row in rows))


def named_words(phrase: Phrase) -> list[str]:
    """The words of the thing that a phrase names: "a lunch bag for the kids" names a lunch bag."""
    tokens = [token.lower() for token in _TOKEN.findall(phrase.words)]
    last = max((i for i, token in enumerate(tokens) if token in ASKING), default=-1)
    words: list[str] = []
    content = set(phrase.content.split())
    particular = particular_words(phrase) or content
    for token in tokens[last + 1 :] if particular & set(tokens[last + 1 :]) else tokens:
        if token in particular:
            words.append(token)
        elif words and token in BREAKS and token in FRAME | BREAKS:
            break
    return words
