"""Whether a number answers the demand that was asked, or another one.

A demand that was read loosely, in part, or against another horizon still ranks users, who may be worth a look; but its
probability would be that of another question, so it gets none. What is not understood is said in one line.

Three signs tell that a demand is not about what it was read as. It leaves words unused. It is more like a topic that
people ask about in general than like anything it was read as (`other_topics.py`). Or what stands where a demand says
who its people are ("nurses who ...") or what they will do ("... who will complain about ...") is like none of it. The
bars were chosen on the demands for tuning in examples/demands; examples/results/sizes.md has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np

from findcli.audiences.other_topics import TOPICS
from findcli.demands.clauses import CLOSE
from findcli.demands.grammar import AGAIN, FRAME, content_words
from findcli.demands.periods import take_horizon
from findcli.demands.reading import BY_YOU, Rewriting
from findcli.demands.retrieval import VectorLikeness
from findcli.demands.tense import take_past
from findcli.models.text.cache import cached_vectors
from findcli.models.text.space import TextSpace
from findcli.scoring.engine import Engine
from findcli.workspace.durations import parse_duration

NEAR = 0.1  # of the horizon that was trained, by which a demand's may differ
OUTSIDE = 0.02  # by how much more a demand may be like another topic than like its own names
KNOWN = 0.8  # cosine with a name of the workspace from which a topic is not another one
ALIKE = 0.28  # cosine from which words about people and deeds go with what is read
_WHO = re.compile(
    r"\b(?:who|that|which|whose|with|will|would|'ll|likely|going|about to|(?:buy|order|shopp|look|want|need)ing)\b",
    re.IGNORECASE,
)
_WILL = re.compile(
    r"(?:\b(?:will|would|might|may|could)|'ll|\b(?:likely|going|about|ready|planning|wanting|want|hoping)\s+to)"
    r"\s+(?:\w+ly\s+)?(?P<verb>[a-z]+)",
    re.IGNORECASE,
)
_SEX = re.compile(r"^\W*(?:the\s+|all\s+)?(?P<word>women|men|ladies|girls|boys|gentlemen)\b", re.IGNORECASE)
_UNUSED = re.compile(r"not used: (?P<words>.+?)(?:[;,] (?:which|say|no )|$)")
_IDLE = frozenset(
    "and or but nor not no never before after during while because if than owner owners parent parents".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Doubt:
    """Why no number answers a demand.

    Attributes:
        words: what of it was not understood.
        why: what is the matter with them.
    """

    words: str
    why: str


def why_no_number(engine: Engine, rewriting: Rewriting, *, where: str | None = None) -> str:
    """One line on what was and was not understood, if no number answers a demand; else nothing.

    Args:
        engine: that read it.
        rewriting: how it was read.
        where: the filter that its words write exactly.
    """
    doubts = doubts_of(engine, rewriting, where=where)
    if not doubts:
        return ""
    read = ", and ".join(dict.fromkeys(clause.words for clause in rewriting.clauses))
    return f"understood: {read}; {'; '.join(_said(each) for each in doubts)}: ranked only, with no expected number"


def doubts_of(engine: Engine, rewriting: Rewriting, *, where: str | None = None) -> list[Doubt]:
    """What of a demand a number would not answer; empty where it stands as it is, or the user wrote its sentences."""
    if not rewriting.clauses or rewriting.by == BY_YOU:
        return []
    doubts = [*_of_horizon(rewriting, engine), *_of_unused(rewriting, where)]
    likeness = engine.rewriter.retriever.likeness
    if not doubts and isinstance(likeness, VectorLikeness):
        doubts = _of_meaning(engine, rewriting, likeness)
    return doubts


def _said(doubt: Doubt) -> str:
    return f'not understood: "{doubt.words}", {doubt.why}' if doubt.words else doubt.why


def _of_horizon(rewriting: Rewriting, engine: Engine) -> list[Doubt]:
    """Another length of time than the one that probabilities are about."""
    horizon = take_horizon(rewriting.demand)[1]
    if horizon is None or horizon.length is None:
        return []
    future = parse_duration(engine.model.aligned.manifest.settings["future"])
    if abs(horizon.length - future) <= NEAR * future:
        return []
    days = future / timedelta(days=1)
    return [Doubt(horizon.words, f"for numbers are known of {days / 7:g} weeks alone")]


def _of_unused(rewriting: Rewriting, where: str | None) -> list[Doubt]:
    """Words that change nothing."""
    doubts = [
        Doubt(match["words"].strip('"'), "which nothing here tells")
        for note in rewriting.notes
        if (match := _UNUSED.match(note))
    ]
    sex = _SEX.match(rewriting.demand)
    if sex and where is None and not doubts:
        doubts.append(Doubt(sex["word"], "which nothing here tells"))
    return doubts


def _of_meaning(engine: Engine, rewriting: Rewriting, likeness: VectorLikeness) -> list[Doubt]:
    """A demand, or what it says of people and deeds, that is not like what it was read as."""
    searched = [clause for clause in rewriting.clauses if any(each.cosine is not None for each in clause.any_of)]
    if not searched or _is_sentence(rewriting):
        return []
    if min(clause.closeness for clause in searched) < CLOSE:
        return [Doubt("", "read loosely: nothing here is very much like it")]
    names = _names(engine, [each.sentence for clause in rewriting.clauses for each in clause.any_of])
    ahead = AGAIN.sub(" ", take_past(rewriting.demand)[0])
    words = [word for word in content_words(ahead) if word not in _IDLE]
    doubtful = [word for word in _tested(ahead, words) if not _is_in(word, names)]
    space: TextSpace = engine.model.space
    vectors = _unit(space.few([*names, " ".join(words) or rewriting.demand, *doubtful]))
    own, whole, each = vectors[: len(names)], vectors[len(names)], vectors[len(names) + 1 :]
    topics = _topics(space)
    alike = np.where(_is_known(topics, likeness.views.names), -1.0, topics @ whole)
    if alike.max() > (own @ whole).max() + OUTSIDE:
        return [Doubt("", f"it may be about {TOPICS[int(alike.argmax())]}, of which nothing here tells")]
    far = [word for word, vector in zip(doubtful, each, strict=True) if float((own @ vector).max()) < ALIKE]
    return [Doubt(" ".join(far), "which is like nothing that was read")] if far else []


def _is_sentence(rewriting: Rewriting) -> bool:
    """Whether the demand is a sentence of the vocabulary."""
    return all(each.cosine is None or each.cosine == 1 for clause in rewriting.clauses for each in clause.any_of)


def _names(engine: Engine, sentences: Sequence[str]) -> list[str]:
    """The names in sentences, and the most frequent items below each."""
    vocabulary = engine.rewriter.retriever.vocabulary
    rows = {text: (name, items) for text, name, items in vocabulary.select("text", "name", "items").iter_rows()}
    named = [rows[sentence] for sentence in sentences if sentence in rows]
    return list(dict.fromkeys(text for name, items in named for text in (name, *items[:8])))


def _tested(demand: str, words: Sequence[str]) -> list[str]:
    """The words that tell who people are and what they will do."""
    who, will = _WHO.search(demand), _WILL.search(demand)
    subject = demand[: who.start()] if who else ""
    verb = will["verb"].lower() if will and will["verb"].lower() not in FRAME else ""
    people = [word for word in content_words(subject) if word in words]
    return list(dict.fromkeys([*people, *([verb] if verb in words else [])]))


def _is_in(word: str, names: Sequence[str]) -> bool:
    """Whether a word stands in a name, whatever its ending."""
    stem = word[: max(4, len(word) - 3)].lower()
    return any(part.startswith(stem) for name in names for part in re.findall(r"[^\W\d_]+", name.lower()))


def _is_known(topics: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Whether a workspace has a name that is like each topic: unit vectors (T, D) and vectors (n, D) -> bool (T,)."""
    known: np.ndarray = (_unit(names) @ topics.T).max(0) >= KNOWN
    return known


def _topics(space: TextSpace) -> np.ndarray:
    """Unit vectors of the other topics, kept beside the text model's run."""
    return _vectors_of_topics(space, space.run.manifest.digest())


@lru_cache(maxsize=2)
def _vectors_of_topics(space: TextSpace, digest: str) -> np.ndarray:
    folder = space.run.folder.parent / "cache" / f"topics-{digest[:16]}"
    return _unit(cached_vectors(folder, TOPICS, space.encoder))


def _unit(vectors: np.ndarray) -> np.ndarray:
    units: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return units
