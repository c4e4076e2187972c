"""Which words a phrase shares with what is sold under a name: the sparse side of hybrid retrieval.

Vectors blur rare words ("parsley" is like any herb); words alone know no synonym. Shapes: n sentences, p phrases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from findcli.rewriting.grammar import Phrase


class SharedWords:
    """Which share of a phrase's words the items of a sentence have, by their stems, weighted by inverse frequency.

    Args:
        vocabulary: that of `vocabulary.build_vocabulary`.
    """

    def __init__(self, vocabulary: pl.DataFrame) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        below = [" ".join(items) for items in vocabulary["items"].to_list()]
        documents = [f"{name} {items}" for name, items in zip(vocabulary["name"].to_list(), below, strict=True)]
        self._stems = _Stems()
        words = TfidfVectorizer(analyzer=self._stems, binary=True, norm=None)
        try:
            words.fit(documents)
        except ValueError:  # no document has a word
            self._row: dict[str, int] = {}
            self._has = np.zeros((len(documents), 0))
            self._weight, self._rarest = np.zeros(0), 1.0
            return
        self._row, self._weight = words.vocabulary_, words.idf_
        self._has, self._rarest = (words.transform(below) > 0).tocsc(), float(words.idf_.max())

    def __call__(self, phrases: Sequence[Phrase]) -> np.ndarray:
        """The shares in [0, 1], float64 (p, n); a word that no sentence has weighs as the rarest."""
        return np.stack([self._one(phrase) for phrase in phrases])

    def _one(self, phrase: Phrase) -> np.ndarray:
        stems = list(dict.fromkeys(self._stems(phrase.content)))
        known = [self._row[stem] for stem in stems if stem in self._row]
        whole = self._weight[known].sum() + self._rarest * (len(stems) - len(known))
        if not known or not whole:
            return np.zeros(self._has.shape[0])
        share: np.ndarray = np.asarray(self._has[:, known] @ self._weight[known]).ravel() / whole
        return share


class _Stems:
    """The stems of a text's words of two letters or more; each distinct word is stemmed once."""

    def __init__(self) -> None:
        from snowballstemmer import stemmer

        self._stem, self._known = stemmer("english"), dict[str, str]()

    def __call__(self, text: str) -> list[str]:
        words = re.findall(r"[^\W\d_]{2,}", text.lower())
        for word in words:
            if word not in self._known:
                self._known[word] = self._stem.stemWord(word)
        return [self._known[word] for word in words]
