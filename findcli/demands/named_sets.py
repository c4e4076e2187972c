"""Find the sentences whose names hold the words of a phrase: "a bag" in a shop of 300 bags is all of them.

Words compare by stems; a compound holds the word that it ends in ("handbag" is a bag), and two words written as one are
the same ("tea light", "tealight").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from findcli.demands.grammar import ASKING, FRAME, Phrase, particular_words

# After a thing, these begin what it is for, where and when, which names seldom hold.
_BREAKS_WORDS = (
    "for with from in on at to this that these those who which because when while before after during by under as "
    "into around near next over if since"
)
BREAKS = frozenset(_BREAKS_WORDS.split())
IRREGULAR = {
    "children": "child", "childrens": "child", "men": "man", "women": "woman", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "knives": "knife", "wives": "wife", "lives": "life",
}  # fmt: skip
SHORTEST = 3  # letters of a word that ends a compound, and of what stands before it
_WORD = re.compile(r"[^\W\d_]{2,}")
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019\-&][^\W_]+)*")


class Stems:
    """The stems of a text's words of two letters or more; each distinct word is stemmed once."""

    def __init__(self) -> None:
        from snowballstemmer import stemmer

        self._stemmer, self._stems = stemmer("english"), dict[str, str]()

    def __call__(self, text: str) -> list[str]:
        """The stems, in the order of the words."""
        words = _WORD.findall(text.lower())
        for word in words:
            if word not in self._stems:
                self._stems[word] = self._stemmer.stemWord(_singular(word))
        return [self._stems[word] for word in words]


def _singular(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    return f"{word[:-3]}f" if word.endswith("lves") or word.endswith("aves") else word


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
        self.stems = Stems()
        self.of_row = [frozenset(self.stems(name)) for name in names]
        self._rows: dict[str, set[int]] = defaultdict(set)
        self._joined: dict[str, set[int]] = defaultdict(set)
        for i, name in enumerate(names):
            words = self.stems(name)
            for stem in words:
                self._rows[stem].add(i)
            for one, other in zip(_WORD.findall(name.lower()), words[1:], strict=False):
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
        words = _WORD.findall(text.lower())
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
