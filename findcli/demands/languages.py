"""Recognise the language of a demand by its small words and its script; demands are parsed by English grammar alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import cache

LANGUAGES = ("german", "french", "spanish", "italian", "portuguese", "dutch", "polish", "swedish", "danish", "turkish")
# What marketers write of people and purchases: short demands have hardly another word that tells languages apart.
FRAMES = {
    "german": "kunden kundinnen kunde käufer nutzer leute kaufen kauft gekauft bestellen werden nächsten",
    "french": "clients clientes client acheteurs acheter achètent achèteront acheté commander gens vont prochain",
    "spanish": "clientes cliente compradores comprar compran comprarán comprado pedir gente próximo",
    "italian": "clienti cliente acquirenti comprare comprano compreranno comprato ordinare persone prossimo",
    "portuguese": "clientes cliente compradores comprar compram comprarão comprado pessoas próximo novo",
    "dutch": "klanten klant kopers kopen koopt gekocht bestellen mensen zullen volgende",
    "polish": "klienci kupią kupić kupują zamówić",
    "swedish": "kunder köpa köper köpt beställa nästa",
    "danish": "kunder købe køber købt bestille næste",
    "turkish": "müşteriler alacak sat\u0131n alan",
}
_ENGLISH_WORDS = "or and but not"
ENGLISH = frozenset(_ENGLISH_WORDS.split())  # whatever other languages make of these words
MULTILINGUAL = 100_000  # tokens in the vocabulary of a text model of many languages; models of English have 30-60,000
_WORD = re.compile(r"[^\W\d_]{2,}")


def foreign_language(demand: str, known: Collection[str] = ()) -> str | None:
    """The language of a demand in English words, "German", or its script, "Cyrillic"; None if it may be English.

    Args:
        demand: the sentence.
        known: words of the workspace's own names, in lower case, which tell nothing.
    """
    letters = [unicodedata.name(letter, "").split(" ")[0] for letter in demand if letter.isalpha()]
    scripts = Counter(letters).most_common(1)
    if scripts and scripts[0][0] != "LATIN":
        words = _WORD.findall(demand.lower())
        return None if any(word in known for word in words) else _script(scripts[0][0])
    words = [word for word in _WORD.findall(demand.lower()) if word not in known]
    if any(word in ENGLISH or word in _small_words("english") for word in words):
        return None
    counts = {language: len(_small_words(language) & set(words)) for language in LANGUAGES}
    best = max(LANGUAGES, key=lambda language: counts[language])
    return best.capitalize() if counts[best] >= 2 else None


def without_frame(demand: str, language: str) -> list[str]:
    """The words of a demand that are no small words of its language, in lower case."""
    small = _small_words(language.lower()) if language.lower() in FRAMES else frozenset()
    return [word for word in _WORD.findall(demand.lower()) if word not in small]


def _script(name: str) -> str:
    return "Chinese or Japanese" if name in ("CJK", "HIRAGANA", "KATAKANA") else name.capitalize()


@cache
def _small_words(language: str) -> frozenset[str]:
    from stop_words import get_stop_words

    if language == "english":
        # Apart from those that other languages have too, such as "die" and "de".
        return frozenset(get_stop_words("english")).difference(*(_small_words(other) for other in LANGUAGES))
    return frozenset(get_stop_words(language)) | frozenset(FRAMES[language].split())
