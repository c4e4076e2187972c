"""Which words a phrase shares with what is sold under a name: the sparse side of hybrid retrieval.

Vectors blur rare words ("parsley" is like any herb); words alone know no synonym. Shapes: n sentences, p phrases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from findcli.demands.grammar import Phrase

_SOMETHING = "something"  # a vocabulary without a word is none to scikit-learn


class SharedWords:
    """How far the words of phrases are those of what is sold under a name, by their stems.

    Args:
        vocabulary: that of `vocabulary.build_vocabulary`.
    """

    def __init__(self, vocabulary: pl.DataFrame) -> None:
        from scipy.sparse import csc_array
        from sklearn.feature_extraction.text import TfidfVectorizer

        below = [" ".join(items) for items in vocabulary["items"].to_list()]
        either = [f"{name} {items}" for name, items in zip(vocabulary["name"].to_list(), below, strict=True)]
        self._stems = _Stems()
        words = TfidfVectorizer(analyzer=self._stems, binary=True, norm=None).fit([*either, _SOMETHING])
        self._row, self._weight = words.vocabulary_, words.idf_
        self._below = (words.transform(below) > 0).tocsc() if below else csc_array((0, len(self._row)))

    def __call__(self, phrases: Sequence[Phrase]) -> np.ndarray:
        """The share of a phrase's words that a sentence's items have, float64 (p, n).

        Rare words count more, by inverse frequency; one that no sentence has counts as the rarest.
        """
        return np.stack([self._one(phrase) for phrase in phrases])

    def _one(self, phrase: Phrase) -> np.ndarray:
        stems = list(dict.fromkeys(self._stems(phrase.content)))
        known = [self._row[stem] for stem in stems if stem in self._row]
        whole = self._weight[known].sum() + self._weight.max() * (len(stems) - len(known))
        covered: np.ndarray = np.asarray(self._below[:, known] @ self._weight[known])
        return covered / max(float(whole), 1e-12)


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
