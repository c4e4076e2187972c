"""Whether a number answers the demand that was asked, or another one.

A demand that was read loosely, in part, or against another horizon still ranks users, who may be worth a look; but its
probability would be that of another question, so it gets none. What is not understood is said in one line.

Four signs tell that a demand is not about what it was read as. It leaves words unused. It is more like a topic that
people ask about in general than like anything it was read as (`other_topics.py`). What it says of its people ("nurses
who ...", "people with a driving licence who ...") is like none of it, or much more like such a topic. Or they are to do
something else than get or use it (`deeds.py`). The bars were chosen on the demands for tuning in examples/demands;
examples/results/sizes.md has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np

from findcli.audiences.deeds import OTHERS, READS, USES, verbs_of
from findcli.audiences.other_topics import TOPICS
from findcli.demands.clauses import CLOSE
from findcli.demands.grammar import AGAIN, ASKING, TO_DO, VERBS, content_words
from findcli.demands.levels import MARKS
from findcli.demands.people import take_standing
from findcli.demands.periods import NUMBER, take_horizon
from findcli.demands.reading import BY_YOU, Rewriting
from findcli.demands.retrieval import VectorLikeness
from findcli.demands.tense import take_past
from findcli.models.text.cache import cached_vectors
from findcli.models.text.space import TextSpace
from findcli.scoring.engine import Engine
from findcli.workspace.durations import parse_duration

NEAR = 0.1  # of the horizon that was trained, by which a demand's may differ
OUTSIDE = 0.04  # by how much more a demand may be like another topic than like its own names
TRUST = 1.0  # how much more, for each point that it is closer to what it was read as than it must be
APART = 0.36  # the same of what it says of its people
KNOWN = 0.8  # cosine with a name of the workspace from which a topic is not another one
ALIKE = 0.28  # cosine from which what it says of its people goes with what is read
CLOSELY = 0.45  # cosine from which a verb does, whatever it means
DEED = 0.02  # by how much more like a deed of the other kind a verb may be
NEIGHBOURS = 3  # verbs of a kind that a verb is compared with
_DEED_IN = "customers who will {} it"
_WHO = re.compile(
    r"\b(?:who|that|which|whose|with|will|would|'ll|likely|going|about to|(?:buy|order|shopp|look|want|need)ing)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(rf"\b(?:{'|'.join(sorted(ASKING))})\b", re.IGNORECASE)
# Verbs of a family that mean nothing else: "looking for" and "use" are said of any thing.
_OF_FAMILY = {
    "browse": frozenset({"browse", "browses", "browsing", "open", "opens", "opening"}),
    "search": frozenset({"search", "searches", "searching", "google", "googles", "googling"}),
    "click": frozenset(VERBS["click"].split()),
}
_SEX = re.compile(r"^\W*(?:the\s+|all\s+)?(?P<word>women|men|ladies|girls|boys|gentlemen)\b", re.IGNORECASE)
_UNUSED = re.compile(r"not used: (?P<words>.+?)(?:[;,] (?:which |say|no )|$)")
_TIMES = re.compile(rf'"(?P<words>[^"]*\b(?:{NUMBER})\b[^"]*)" is read as at least [0-9.]+ times')  # of pieces
_UNLIKE = re.compile(r"not used: (?P<words>.+?), which nothing is like")
_IDLE = frozenset(
    [
        "and",
        "or",
        "but",
        "nor",
        "not",
        "no",
        "never",
        "before",
        "after",
        "during",
        "while",
        "because",
        "if",
        "than",
        "owner",
        "owners",
        "parent",
        "parents",
        "new",
        "behind",
        "near",
        "stop",
        "stops",
        "stopped",
        "stopping",
    ]
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
    doubts = [*_of_horizon(rewriting, engine), *_of_unused(rewriting, where), *_of_family(engine, rewriting)]
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
        if not _UNLIKE.match(note) and (match := _UNUSED.match(note))
    ]
    doubts += [
        Doubt(match["words"], "of which the times are counted, not the pieces")
        for note in rewriting.notes
        if (match := _TIMES.match(note))
    ]
    sex = _SEX.match(rewriting.demand)
    if sex and where is None and not doubts:
        doubts.append(Doubt(sex["word"], "which nothing here tells"))
    return doubts


def _of_family(engine: Engine, rewriting: Rewriting) -> list[Doubt]:
    """A verb of events that the workspace does not record: who opens a newsletter, where nobody browses."""
    families = set(engine.rewriter.retriever.vocabulary["family"])
    said = re.findall(r"[a-z]+", rewriting.demand.lower())
    unknown = [word for family, forms in _OF_FAMILY.items() if family not in families for word in said if word in forms]
    return [Doubt(unknown[0], "which no event here records")] if unknown else []


def _of_meaning(engine: Engine, rewriting: Rewriting, likeness: VectorLikeness) -> list[Doubt]:
    """A demand, or what it says of people and deeds, that is not like what it was read as."""
    searched = [clause for clause in rewriting.clauses if any(each.cosine is not None for each in clause.any_of)]
    if not searched or _is_sentence(rewriting):
        return []
    if min(clause.closeness for clause in searched) < CLOSE:
        return [Doubt("", "read loosely: nothing here is very much like it")]
    ahead = TO_DO.sub("", AGAIN.sub(" ", take_past(rewriting.demand)[0]))
    names = _names(engine, [each.sentence for clause in rewriting.clauses for each in clause.any_of])
    content = " ".join(word for word in content_words(ahead) if word not in _IDLE) or rewriting.demand
    people = MARKS.sub(" ", take_standing(_about_people(ahead), [])[0])
    unlike = [each for note in rewriting.notes if (match := _UNLIKE.match(note)) for each in match["words"].split(", ")]
    phrases = [phrase for each in (people, *unlike) if (phrase := _not_in(each.strip('"'), names))]
    sure, perhaps = verbs_of(ahead)
    uses = USES | READS if "browse" in set(engine.rewriter.retriever.vocabulary["family"]) else USES
    verbs = [verb for verb in dict.fromkeys([*sure, *perhaps]) if verb not in uses and not _is_in(verb, names)]
    space: TextSpace = engine.model.space
    read = _AsRead(space, names, [content, *phrases, *verbs])
    closeness = min(clause.closeness for clause in searched)
    topic = read.topic_of(content, likeness.views.names, OUTSIDE + TRUST * (closeness - CLOSE))
    if topic:
        return [Doubt("", f"it may be about {topic}, of which nothing here tells")]
    far = [phrase for phrase in dict.fromkeys(phrases) if read.is_far(phrase)]
    if far:
        return [Doubt(" ".join(far), "which is like nothing that was read")]
    described = people.strip() and read.likeness(phrases[0]) >= CLOSELY if phrases else True
    other = [
        verb
        for verb in verbs
        if read.likeness(verb) < CLOSELY
        and (read.is_other_deed(verb) if verb in sure else verb in OTHERS and not described)
    ]
    return [Doubt(" ".join(other), "which is something else to do than was read")] if other else []


class _AsRead:
    """How like a few texts are what a demand was read as, and what it was not.

    Args:
        space: whose text model tells.
        names: what the demand was read as.
        texts: the texts.
    """

    def __init__(self, space: TextSpace, names: Sequence[str], texts: Sequence[str]) -> None:
        deeds = [_DEED_IN.format(text) for text in texts]
        vectors = _unit(space.few([*names, *texts, *deeds]))
        self.space, self.topics = space, _topics(space)
        self._own, rest = vectors[: len(names)], vectors[len(names) :]
        self._texts = dict(zip(texts, rest[: len(texts)], strict=True))
        self._deeds = dict(zip(texts, rest[len(texts) :], strict=True))

    def likeness(self, text: str) -> float:
        """The cosine with the nearest name."""
        return float((self._own @ self._texts[text]).max())

    def topic_of(self, text: str, known: np.ndarray, margin: float) -> str:
        """The topic that a text is more like by a margin, unless a known name is like it; nothing without one."""
        alike = np.where(_is_known(self.topics, known), -1.0, self.topics @ self._texts[text])
        return TOPICS[int(alike.argmax())] if alike.max() > self.likeness(text) + margin else ""

    def is_far(self, text: str) -> bool:
        """Whether a text is like nothing that was read, or much more like a topic."""
        own, topic = self.likeness(text), float((self.topics @ self._texts[text]).max())
        return own < ALIKE or (own < CLOSELY and topic > own + APART)

    def is_other_deed(self, verb: str) -> bool:
        """Whether a verb tells of something else than getting or using a thing."""
        if verb in OTHERS:
            return True
        uses, others = _deeds(self.space)
        nearest = [float(np.sort(each @ self._deeds[verb])[-NEIGHBOURS:].mean()) for each in (uses, others)]
        return nearest[1] > nearest[0] + DEED


def _is_sentence(rewriting: Rewriting) -> bool:
    """Whether the demand is a sentence of the vocabulary."""
    return all(each.cosine is None or each.cosine == 1 for clause in rewriting.clauses for each in clause.any_of)


def _names(engine: Engine, sentences: Sequence[str]) -> list[str]:
    """The names in sentences, and the most frequent items below each."""
    vocabulary = engine.rewriter.retriever.vocabulary
    rows = {text: (name, items) for text, name, items in vocabulary.select("text", "name", "items").iter_rows()}
    named = [rows[sentence] for sentence in sentences if sentence in rows]
    return list(dict.fromkeys(text for name, items in named for text in (name, *items[:8])))


def _about_people(demand: str) -> str:
    """What a demand says of people before it says what they want: "people with a cold who need ..."."""
    asks, who = list(_ASKS.finditer(demand)), _WHO.search(demand)
    end = asks[-1].start() if asks else who.start() if who else 0
    return demand[:end]


def _not_in(words: str, names: Sequence[str]) -> str:
    """The content of words, if none of it stands in a name."""
    content = [word for word in content_words(words) if word not in _IDLE]
    return "" if any(_is_in(word, names) for word in content) else " ".join(content)


def _is_in(word: str, names: Sequence[str]) -> bool:
    """Whether a word stands in a name, whatever its ending."""
    stem = (word[: max(5, len(word) - 3)] if len(word) > 5 else word.removesuffix("s")).lower()
    return any(part.startswith(stem) for name in names for part in re.findall(r"[^\W\d_]+", name.lower()))


def _is_known(topics: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Whether a workspace has a name that is like each topic: unit vectors (T, D) and vectors (n, D) -> bool (T,)."""
    known: np.ndarray = (_unit(names) @ topics.T).max(0) >= KNOWN
    return known


def _topics(space: TextSpace) -> np.ndarray:
    """Unit vectors of the other topics, kept beside the text model's run."""
    return _kept_vectors(space, space.run.manifest.digest(), "topics", TOPICS)


def _deeds(space: TextSpace) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the verbs of getting and using, and of the others."""
    uses, others = (tuple(_DEED_IN.format(verb) for verb in sorted(verbs)) for verbs in (USES, OTHERS))
    vectors = _kept_vectors(space, space.run.manifest.digest(), "deeds", (*uses, *others))
    return vectors[: len(uses)], vectors[len(uses) :]


@lru_cache(maxsize=4)
def _kept_vectors(space: TextSpace, digest: str, name: str, texts: tuple[str, ...]) -> np.ndarray:
    folder = space.run.folder.parent / "cache" / f"{name}-{digest[:16]}"
    return _unit(cached_vectors(folder, texts, space.encoder))


def _unit(vectors: np.ndarray) -> np.ndarray:
    units: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return units
