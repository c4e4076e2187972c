"""Score the sentences of a vocabulary for a phrase: by several views of both sides, and by each sentence's own prior.

A phrase is viewed whole and without its frame; a sentence by its words, by the name in it, by that name with its items,
and by its items alone. As in hybrid retrieval, a text model's vectors and shared words both count: vectors blur rare
words ("parsley" is like any herb); words alone know no synonyms.

Legend: n sentences, m items, D width of the text model, p phrases.

Tested in tests/demands/test_rewriter.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from findcli.demands.grammar import VERBS, Phrase

CONTEXT_ITEMS = 6
IRREGULAR = {
    "children": "child", "childrens": "child", "men": "man", "women": "woman", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "knives": "knife", "wives": "wife", "lives": "life",
}  # fmt: skip
WORD = re.compile(r"[^\W\d_]{2,}")
Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Weights:
    """The evidence for a sentence, in log odds, a number per reason; tuned on separate demands (examples/demands).

    Attributes:
        likeness: per unit of cosine, mean over the views.
        items: for the share of the phrase's words that its items contain, rare words counting more.
        events: per factor of e in how often it came true, since marketers ask for what is common.
        department: for naming a whole department.
        item: for naming an item.
        typical: for naming an item, times the cosine of that item with its category: "eggs" says better what "eggs -
            large" means, but "meal delivery" does not say what "pizza" means.
        verb: for a verb of its family in the phrase.
        plain: for a sentence about a purchase, when the phrase has no verb of another family.
    """

    likeness: float = 26.7
    items: float = 5.2
    events: float = 0.62
    department: float = -4.5
    item: float = -0.8
    typical: float = -3.8
    verb: float = 4.0
    plain: float = 3.8


WEIGHTS = Weights()


@dataclass(frozen=True)
class Views:
    """A vocabulary as unit vectors of a text model, float32.

    Attributes:
        sentences: the sentences themselves, (n, D).
        names: the names in them, (n, D).
        contexts: each name with its most frequent items, (n, D).
        items: the items, (m, D).
        starts: where each sentence's items begin in `members`, int64 (n + 1,).
        members: rows of `items`, int64.
    """

    sentences: np.ndarray
    names: np.ndarray
    contexts: np.ndarray
    items: np.ndarray
    starts: np.ndarray
    members: np.ndarray

    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors to store: in half precision, which moves a cosine by .0005 at most."""
        wide = ("sentences", "names", "contexts", "items")
        halves = {name: getattr(self, name).astype(np.float16) for name in wide}
        return halves | {"starts": self.starts, "members": self.members}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray]) -> Views:
        """The views that `tensors` stored."""
        return cls(**{k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in tensors.items()})


def build_views(vocabulary: pl.DataFrame, encode: Encode) -> Views:
    """Encode a vocabulary, each distinct text once.

    Args:
        vocabulary: as `vocabulary.build_vocabulary` returns it.
        encode: returns the vectors of texts, (n, D), of any length.
    """
    texts, names = vocabulary["text"].to_list(), vocabulary["name"].to_list()
    below: list[list[str]] = vocabulary["items"].to_list()
    contexts = [
        f"{name}: {', '.join(items[:CONTEXT_ITEMS])}" if items else name
        for name, items in zip(names, below, strict=True)
    ]
    items = sorted({item for each in below for item in each})
    distinct = list(dict.fromkeys([*texts, *names, *contexts, *items]))
    vectors = _unit(encode(distinct))
    row = {text: i for i, text in enumerate(distinct)}
    place = {item: i for i, item in enumerate(items)}
    kinds = {"sentences": texts, "names": names, "contexts": contexts, "items": items}
    return Views(
        **{kind: vectors[[row[text] for text in chosen]] for kind, chosen in kinds.items()},
        starts=np.cumsum([0, *map(len, below)], dtype=np.int64),
        members=np.array([place[item] for each in below for item in each], np.int64),
    )


class Retriever:
    """Scores the sentences of a vocabulary for phrases.

    Args:
        vocabulary: as `vocabulary.build_vocabulary` returns it, n rows.
        likeness: `VectorLikeness`, or `LetterLikeness` without a pretrained text model.
        weights: the evidence for a sentence.
    """

    def __init__(
        self, vocabulary: pl.DataFrame, likeness: VectorLikeness | LetterLikeness, *, weights: Weights = WEIGHTS
    ) -> None:
        self.vocabulary, self.likeness, self.weights = vocabulary, likeness, weights
        self.words = SharedWords(vocabulary)
        self._families = vocabulary["family"].to_numpy()
        self._priors = self._compute_priors()

    def _compute_priors(self) -> np.ndarray:
        """The log odds of each sentence whatever the phrase, (n,)."""
        w, level = self.weights, self.vocabulary["level"].to_numpy()
        events = np.log(np.maximum(self.vocabulary["events"].to_numpy(), 1.0))
        rows = {
            name: i for i, (name, at) in enumerate(zip(self.vocabulary["name"], level, strict=True)) if at == "category"
        }
        typical = np.array([
            self.likeness.of_names(i, rows[above]) if at == "item" and above in rows else 0.0
            for i, (at, above) in enumerate(zip(level, self.vocabulary["category"], strict=True))
        ])  # fmt: skip
        by_level = w.department * (level == "department") + (level == "item") * (w.item + w.typical * typical)
        priors: np.ndarray = w.events * (events - events.max(initial=0.0)) + by_level
        return priors

    def scores(self, phrases: Sequence[Phrase]) -> Scores:
        """Score each sentence for each phrase."""
        w, cosine, shared = self.weights, self.likeness(phrases), self.words(phrases)
        verbs = np.stack([self._verb(phrase) for phrase in phrases])
        return Scores(w.likeness * cosine + w.items * shared + self._priors + verbs, cosine, shared)

    def commonest(self, k: int) -> list[int]:
        """The k sentences that came true most often, most frequent first, as rows of the vocabulary."""
        return [int(i) for i in np.argsort(-self.vocabulary["events"].to_numpy(), kind="stable")[:k]]

    def _verb(self, phrase: Phrase) -> np.ndarray:
        words = phrase.words
        spoken = spoken_families(words)
        odds: np.ndarray = self.weights.verb * np.isin(self._families, sorted(spoken))
        if not spoken - {"payment", "purchase"}:
            odds = odds + self.weights.plain * (self._families == "purchase")
        return odds


@dataclass(frozen=True)
class Scores:
    """The scores of sentences for phrases.

    Attributes:
        odds: log odds, up to a constant per phrase, float64 (p, n).
        cosine: mean over the views, float64 (p, n).
        shared: the share of a phrase's words that their items contain, float64 (p, n).
    """

    odds: np.ndarray
    cosine: np.ndarray
    shared: np.ndarray


class VectorLikeness:
    """Likeness by a text model's vectors.

    Args:
        views: the vocabulary's vectors.
        encode: returns the vectors of a few texts.
    """

    def __init__(self, views: Views, encode: Encode) -> None:
        self.views, self.encode = views, encode
        self._centroids = self._compute_centroids()

    def _compute_centroids(self) -> np.ndarray:
        views = self.views
        sums = views.names.copy()
        sizes = np.diff(views.starts)
        for i in np.flatnonzero(sizes):
            sums[i] = views.items[views.members[views.starts[i] : views.starts[i + 1]]].mean(0)
        return _unit(sums)

    def __call__(self, phrases: Sequence[Phrase]) -> np.ndarray:
        """Mean cosine over the views, float64 (p, n)."""
        distinct = list(dict.fromkeys(text for p in phrases for text in (p.words, p.content)))
        vectors = dict(zip(distinct, _unit(self.encode(distinct)), strict=True))
        return np.stack([self._one(vectors[p.words], vectors[p.content]) for p in phrases])

    def _one(self, words: np.ndarray, content: np.ndarray) -> np.ndarray:
        views = self.views
        cosines = (
            views.names @ words, views.sentences @ words, views.contexts @ content, self._centroids @ content,
            self._best_item(content),
        )  # fmt: skip
        return np.asarray(np.mean(cosines, axis=0, dtype=np.float64))

    def _best_item(self, vector: np.ndarray) -> np.ndarray:
        """The cosine of each sentence's nearest item, or of its name when it has no items, (n,)."""
        views, sizes = self.views, np.diff(self.views.starts)
        cosines: np.ndarray = (views.names @ vector).astype(np.float64)
        if len(views.members):
            with_items = np.flatnonzero(sizes)
            cosines[with_items] = np.maximum.reduceat((views.items @ vector)[views.members], views.starts[with_items])
        return cosines

    def of_names(self, one: int, other: int) -> float:
        """The cosine of two sentences' names."""
        return float(self.views.names[one] @ self.views.names[other])


class LetterLikeness:
    """Likeness by runs of three and four letters, for lack of a pretrained text model; it knows no synonyms.

    Args:
        vocabulary: as `vocabulary.build_vocabulary` returns it.
    """

    def __init__(self, vocabulary: pl.DataFrame) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._runs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True)
        names = vocabulary["name"].to_list()
        self._names = self._runs.fit_transform([name if name.strip() else "-" for name in names])
        below = [" ".join(items) or name for items, name in zip(vocabulary["items"].to_list(), names, strict=True)]
        self._below = self._runs.transform(below)

    def __call__(self, phrases: Sequence[Phrase]) -> np.ndarray:
        """The cosine, four fifths with names and one fifth with items, float64 (p, n)."""
        objects = self._runs.transform([phrase.object for phrase in phrases])
        cosines: np.ndarray = (0.8 * (objects @ self._names.T) + 0.2 * (objects @ self._below.T)).toarray()
        return cosines.astype(np.float64)

    def of_names(self, one: int, other: int) -> float:
        """The cosine of two sentences' names."""
        return float((self._names[one] @ self._names[other].T).sum())


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return unit


def spoken_families(text: str) -> set[str]:
    """The families whose verbs a text has."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return {family for family, forms in VERBS.items() if words & set(forms.split())}


def described(name: str, items: Sequence[str]) -> str:
    """Write a name with a few of its items, for a language model to read: "hot drinks: tea, coffee"."""
    others = [item for item in items[:DESCRIBED] if item != name]
    return f"{name}: {', '.join(others)}" if others else name


DESCRIBED = 5
_SOMETHING = "something"  # scikit-learn refuses a vocabulary without words


class SharedWords:
    """How many words a phrase shares with the items under a name, compared by stems.

    Args:
        vocabulary: as `vocabulary.build_vocabulary` returns it.
    """

    def __init__(self, vocabulary: pl.DataFrame) -> None:
        from scipy.sparse import csr_array

        below = [" ".join(items) for items in vocabulary["items"].to_list()]
        either = [f"{name} {items}" for name, items in zip(vocabulary["name"].to_list(), below, strict=True)]
        self._stems = stems()
        texts = [*either, _SOMETHING]
        counts = Counter(stem for text in texts for stem in set(self._stems(text)))
        self._row = {stem: row for row, stem in enumerate(counts)}
        # The smoothed inverse document frequency, as if one more text held every word.
        self._weight = np.log((1 + len(texts)) / (1 + np.array([*counts.values()], float))) + 1
        places = [[self._row[stem] for stem in dict.fromkeys(self._stems(text))] for text in below]
        starts = np.cumsum([0, *map(len, places)])
        flat = np.array([row for rows in places for row in rows], np.int64)
        shape = (len(below), len(self._row))
        self._below = csr_array((np.ones(len(flat), bool), flat, starts), shape=shape).tocsc()

    def __call__(self, phrases: Sequence[Phrase]) -> np.ndarray:
        """The share of a phrase's words that a sentence's items contain, float64 (p, n).

        Rare words count more, by inverse frequency; a word that no sentence contains counts as the rarest.
        """
        return np.stack([self._one(phrase) for phrase in phrases])

    def _one(self, phrase: Phrase) -> np.ndarray:
        stems = list(dict.fromkeys(self._stems(phrase.content)))
        rows = [self._row[stem] for stem in stems if stem in self._row]
        whole = self._weight[rows].sum() + self._weight.max() * (len(stems) - len(rows))
        covered: np.ndarray = np.asarray(self._below[:, rows] @ self._weight[rows])
        return covered / max(float(whole), 1e-12)


class Stems:
    """The stems of a text's words of two letters or more; each distinct word is stemmed once."""

    def __init__(self) -> None:
        from snowballstemmer import stemmer

        self._stemmer, self._stems = stemmer("english"), dict[str, str]()

    def __call__(self, text: str) -> list[str]:
        """The stems, in the order of the words."""
        words = WORD.findall(text.lower())
        for word in words:
            if word not in self._stems:
                self._stems[word] = self._stemmer.stemWord(_singular(word))
        return [self._stems[word] for word in words]


@cache
def stems() -> Stems:
    """The stems that a process has worked out: most words stand in many names."""
    return Stems()


def _singular(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    return f"{word[:-3]}f" if word.endswith("lves") or word.endswith("aves") else word
