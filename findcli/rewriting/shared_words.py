"""Which words a phrase shares with what is sold under a name: the sparse side of hybrid retrieval.

Vectors blur rare words ("parsley" is like any herb); words alone know no synonym. Shapes: n sentences, p phrases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from findcli.rewriting.grammar import Phrase

_SOMETHING = "something"  # a vocabulary without a word is none to scikit-learn


class SharedWords:
    """How far the words of phrases and of a vocabulary are the same, by their stems.

    Args:
        vocabulary: that of `vocabulary.build_vocabulary`.
    """

    def __init__(self, vocabulary: pl.DataFrame) -> None:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

        names = vocabulary["name"].to_list()
        below = [" ".join(items) for items in vocabulary["items"].to_list()]
        self._stems = _Stems()
        words = CountVectorizer(analyzer=self._stems, binary=True, dtype=np.float64).fit([*names, *below, _SOMETHING])
        self._row: dict[str, int] = words.vocabulary_
        self._names, self._below = (words.transform(texts).tocsc() for texts in (names, below))
        either = self._names.maximum(self._below) if names else words.transform([_SOMETHING])
        self._weight: np.ndarray = TfidfTransformer().fit(either).idf_
        self._lengths = np.maximum(np.asarray(self._names.sum(1)).ravel(), 1)

    def __call__(self, phrases: Sequence[Phrase]) -> tuple[np.ndarray, np.ndarray]:
        """The share of a phrase's words that the items have, and the share of a name's words that the phrase has.

        Of a phrase's words rare ones count more, by inverse frequency; one that no sentence has counts as the rarest.

        Returns:
            Two in [0, 1], float64 (p, n).
        """
        pairs = [self._one(phrase) for phrase in phrases]
        return np.stack([items for items, _ in pairs]), np.stack([names for _, names in pairs])

    def _one(self, phrase: Phrase) -> tuple[np.ndarray, np.ndarray]:
        stems = list(dict.fromkeys(self._stems(phrase.content)))
        known = [self._row[stem] for stem in stems if stem in self._row]
        whole = self._weight[known].sum() + self._weight.max() * (len(stems) - len(known))
        items = self._below[:, known] @ self._weight[known]
        return items / max(whole, 1e-12), np.asarray(self._names[:, known].sum(1)).ravel() / self._lengths


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
