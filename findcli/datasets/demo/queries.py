"""Searches of the demo world: every intent's phrases in several word orders, with typos, or half finished.

Tested in tests/datasets/test_demo.py.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from findcli.datasets.demo.world import INTENTS

CLEAN, MISSPELT, UNFINISHED = 0.6, 0.25, 0.15
VAGUE = 0.3


@dataclass(frozen=True)
class Pool:
    """All searches of a scenario, intent by intent.

    Attributes:
        texts: as typed, (Q,).
        topics: the topic that the search engine understood, or None, (Q,).
        cumulative: cumulative probabilities, those of intent k from k to k + 1, (Q,).
    """

    texts: list[str]
    topics: list[str | None]
    cumulative: NDArray[np.float64]


def build_pool(words: dict[str, Any]) -> Pool:
    """Make the searches of a scenario from its words alone, so that every seed shares them."""
    rng = np.random.default_rng(0)
    searches: list[tuple[str, str | None]] = []
    cumulative = []
    for k, (name, intent) in enumerate(INTENTS.items()):
        clear = _phrases(**words["intents"][name])
        vague = words["vague"][intent.vague]
        chances = np.array([(1 - VAGUE) / len(clear)] * len(clear) + [VAGUE / len(vague)] * len(vague))
        topics = [intent.topic] * len(clear) + [None] * len(vague)
        for text, topic in zip([*clear, *vague], topics, strict=True):
            searches += [(text, topic), (misspell(rng, text), None), (_break_off(rng, text), None)]
        cumulative.append(k + np.cumsum(np.outer(chances, (CLEAN, MISSPELT, UNFINISHED)).ravel()))
    texts, resolved = zip(*searches, strict=True)
    return Pool(list(texts), list(resolved), np.concatenate(cumulative))


def _phrases(heads: list[str], tails: list[str]) -> list[str]:
    after = [f"{head} {tail}" for head in heads for tail in tails]
    before = [f"{tail} {head}" for head in heads for tail in tails[::2]]
    return [*heads, *after, *before]


def _break_off(rng: np.random.Generator, text: str) -> str:
    return text[: int(rng.integers(3, max(4, len(text))))].strip()


def misspell(rng: np.random.Generator, text: str) -> str:
    """Drop, double or swap one letter."""
    at = int(rng.integers(1, max(2, len(text) - 1)))
    slip = rng.integers(3)
    if slip == 0:
        return text[:at] + text[at + 1 :]
    if slip == 1:
        return text[:at] + text[at] + text[at:] if at < len(text) else text
    return text[: at - 1] + text[at : at + 1] + text[at - 1] + text[at + 1 :]
