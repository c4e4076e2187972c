"""Read a parsed demand: the clauses that must hold ahead, what must have been before, and what was not used.

Tested in tests/demands/test_rewriter.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from findcli.data.questions import Question, QuestionWriter
from findcli.data.templates import Measure, Template
from findcli.demands import offers
from findcli.demands.grammar import Parsed, Part, Phrase, Was
from findcli.demands.levels import Level
from findcli.demands.meanings import KEPT, SHOWN, SOFTER, Chosen, Meanings, together
from findcli.demands.reading import AS_IT_STANDS, Clause, Meant, Past, Rewriting
from findcli.demands.retrieval import LetterLikeness
from findcli.demands.tense import NEW

APART = -4.0  # things joined by "and" stay apart if one sentence for all of them costs this much log odds on average
SPELT_ALIKE = 0.35  # without a text model a phrase means only what it nearly spells
CLOSE = 0.42  # a phrase is read loosely, and gets no probability, when its sentences are less close than this
_DIGIT = re.compile(r"\d")
NO_RETURNS = "no event of this workspace is a return"


@dataclass(frozen=True)
class Context:
    """What demands are read in.

    Attributes:
        meanings: of phrases in the vocabulary.
        by: what reads, as reports name it.
        future: how far ahead the model was trained to look.
        currency: the workspace's word for money.
        floor: the least closeness of an answerable demand.
        templates: of the workspace; they say which levels there are, and how they are written.
        bounds: the highest amount and count of anything that the model was trained on.
        as_of: the date that the past is relative to.
    """

    meanings: Meanings
    by: str
    future: timedelta
    currency: str
    floor: float | None = None
    templates: Sequence[Template] = ()
    bounds: Mapping[Measure, float] = field(default_factory=dict)
    as_of: datetime | None = None

    def has(self, family: str, measure: Measure) -> bool:
        """Whether events of a family can be asked for by a measure."""
        if not self.templates or measure not in ("amount", "distinct"):
            return True
        return (family, measure) in self._measures()

    def leveled(self, clause: Clause, measure: Measure, least: float) -> Clause:
        """The clause at a level, with the sentences that say so, and its coverage."""
        question = Question(tuple(meant.sentence for meant in clause.any_of), measure, least)
        written = () if measure == "any" else QuestionWriter(self.templates).write(question)
        coverage = self.meanings.coverage(clause.any_of) if clause.is_set else None
        return replace(clause, measure=measure, least=least, written=written, coverage=coverage)

    def refused(self, demand: str, why: str, notes: Sequence[str] = (), nearest: Sequence[Meant] = ()) -> Rewriting:
        """A demand that cannot be answered, with demands that can."""
        instead = offers.demands(self.meanings, self._measures(), self.bounds, self.currency)
        return Rewriting(demand, AS_IT_STANDS, (), False, tuple(nearest), tuple(notes), why=why, instead=instead)

    def _measures(self) -> set[tuple[str, Measure]]:
        return {(template.family, template.measure) for template in self.templates}


class ParsedDemand:
    """A parsed demand, as it is read in one vocabulary.

    Args:
        context: the vocabulary, and what is known of its workspace.
        parsed: the demand.
    """

    def __init__(self, context: Context, parsed: Parsed) -> None:
        self.context, self.parsed, self.meanings = context, parsed, context.meanings
        self.notes: list[str] = []
        self.why = ""
        parts = [*parsed.parts, *(part for was in parsed.past for part in was.parts)]
        whole = [parsed.whole] if parsed.whole is not None and len(parsed.parts) > 1 else []
        lists = [phrase for part in parts if (phrase := _as_one(part)) is not None]
        phrases = [phrase for part in parts for phrase in part.phrases]
        self.readings = self.meanings.read([*phrases, *lists, *whole]) if self.meanings.texts else {}

    def rewriting(self) -> Rewriting:
        """The rewriting."""
        parsed, demand = self.parsed, self.parsed.demand
        if not (parsed.parts or parsed.past) or not self.meanings.texts:
            of_people = (*parsed.traits, *parsed.places)
            why = f"{_listed(of_people)} is something that only a profile tells" if of_people else ""
            nothing = [] if of_people else ["it names nothing to look for"]
            return self.context.refused(demand, why, [*nothing, *self._horizon()])
        clauses, past = self._clauses(), [each for was in parsed.past for each in self._was(was)]
        if self.why:
            return self.context.refused(demand, self.why, [*self._horizon(), *self._unused()])
        past += self._implied(clauses)
        if not clauses:
            clauses = [self._anything(Part((), negated=False))]
            self.notes.append("it asks nothing of the future: users are ranked by the chance of buying anything")
        read = [*clauses, *(each.clause for each in past)]
        notes = tuple(dict.fromkeys([*self._about_stops(), *self._horizon(), *self.notes, *self._unused()]))
        meant = (each for clause in read for each in (*clause.any_of[:SHOWN], *clause.others))
        nearest = tuple(sorted(meant, key=lambda each: -each.closeness)[:SHOWN])
        answerable = self._answerable(read)
        if not answerable:
            if answerable is None:
                return Rewriting(demand, AS_IT_STANDS, (), None, nearest, notes)
            return self.context.refused(demand, "", notes, nearest)
        if any(clause.closeness < CLOSE for clause in read):
            loosely = "read loosely: these are the nearest sentences of the vocabulary, but they are not very close"
            notes = (*notes, loosely)
        return Rewriting(demand, self.context.by, tuple(clauses), answerable, nearest, notes, tuple(past))

    def _answerable(self, clauses: Sequence[Clause]) -> bool | None:
        """Whether each clause is close to something; None when letters cannot tell a synonym from an unrelated word."""
        if self._by_letters:
            return True if min(clause.any_of[0].closeness for clause in clauses) >= SPELT_ALIKE else None
        floor = self.context.floor
        return floor is None or min(clause.closeness for clause in clauses) >= floor

    @property
    def _by_letters(self) -> bool:
        return isinstance(self.meanings.retriever.likeness, LetterLikeness)

    def _clauses(self) -> list[Clause]:
        wanted = [part for part in self.parsed.parts if not part.negated]
        one = self._one_for_all(wanted)
        return [*([one] if one is not None else map(self._clause, wanted)), *map(self._clause, self._unwanted())]

    def _unwanted(self) -> list[Part]:
        return [part for part in self.parsed.parts if part.negated]

    def _one_for_all(self, parts: Sequence[Part]) -> Clause | None:
        """One clause for several parts, if one sentence fits everything that they name."""
        phrases = [phrase for part in parts for phrase in part.phrases]
        if len(parts) < 2 or any(part.apart or part.level or part.returns or not part.phrases for part in parts):
            return None
        return self._joined(self.parsed.whole, phrases)

    def _joined(self, whole: Phrase | None, phrases: Sequence[Phrase]) -> Clause | None:
        readings = [self.readings[phrase] for phrase in phrases if phrase in self.readings]
        if len(readings) < 2:
            return None
        one = together([self.readings[whole], *readings] if whole in self.readings else readings)
        best = int(one.log_share.argmax())
        if self.meanings.levels[best] == "item" and not set(self.meanings.levels) & {"category", "department"}:
            return None
        if np.mean([reading.log_share[best] - reading.log_share.max() for reading in readings]) <= APART:
            return None
        least = SPELT_ALIKE if self._by_letters else self.context.floor or 0.0
        unlike = [p.content for p in phrases if p in self.readings and self.readings[p].closeness(best) < least]
        if len(unlike) < len(readings):
            self.notes += [f"not used: {_listed(unlike)}, which nothing is like"] if unlike else []
        chosen = self.meanings.unsure(replace(one, log_share=one.log_share / SOFTER).normed())
        words = whole.words if whole is not None else self.parsed.demand
        return Clause(words, negated=False, any_of=chosen.any_of, others=chosen.others)

    def _clause(self, part: Part) -> Clause:
        """The clause of a part."""
        if not part.phrases:
            return self._anything(part)
        together = self._joined(_as_one(part), part.phrases) if part.listed else None
        if together is not None:
            return self._at_level(together, part)
        chosen = [
            self.meanings.choose(phrase, self.readings[phrase], returns=part.returns)
            for phrase in part.phrases
            if phrase in self.readings
        ]
        if len(chosen) > 1:
            kept = self._without_unlike(chosen)
            if part.examples and chosen[0] in kept and len(kept) > 1 and not _is_named(chosen[0]):
                kept.remove(chosen[0])
            dropped = [p.content for p, c in zip(part.phrases, chosen, strict=False) if c not in kept]
            self.notes += (
                [f"not used: {_listed(dropped)}, which nothing is like"] if dropped and not part.examples else []
            )
            self._note_loose(part, chosen, kept)
            chosen = kept
        merged = _merged(chosen)
        named = bool(merged.any_of) and all(meant.share == 1 for meant in merged.any_of)
        words = " or ".join(phrase.object if named else phrase.words for phrase in part.phrases)
        if not merged.any_of:
            self.why = NO_RETURNS if part.returns else f'no name in this workspace is like "{words}"'
            return Clause(words, part.negated, ())
        if merged.unused:
            self.notes.append(f"not used: {_listed(merged.unused)}, which no such name holds")
        return self._at_level(Clause(words, part.negated, merged.any_of, merged.others), part)

    def _note_loose(self, part: Part, chosen: Sequence[Chosen], kept: Sequence[Chosen]) -> None:
        """Name the alternatives that are read loosely beside others that are not, which hide them in the whole."""
        close = {
            phrase.content: _closeness(each) >= CLOSE
            for phrase, each in zip(part.phrases, chosen, strict=False) if each in kept
        }  # fmt: skip
        loose = [content for content, is_close in close.items() if not is_close]
        if loose and len(loose) < len(close):
            self.notes.append(f"read loosely: {_listed(loose)}, which nothing is very close to")

    def _without_unlike(self, chosen: Sequence[Chosen]) -> list[Chosen]:
        """The alternatives of a list that something is like; all of them, if that is none."""
        floor = self.context.floor or 0.0
        like = [each for each in chosen if each.any_of and _closeness(each) >= floor]
        return like or list(chosen)

    def _anything(self, part: Part) -> Clause:
        any_of = self.meanings.anything(part.words, returns=part.returns)
        if part.returns and not any_of:
            self.why = NO_RETURNS
        if any_of:
            least = part.level is not None
            clause = Clause("anything", part.negated, any_of)
            if part.negated and not least and len(any_of) == 1:
                return self.context.leveled(replace(clause, negated=False), "none", 1.0)
            return self._at_level(clause, part)
        # A vocabulary without a sentence of any event: the most frequent ones stand for it.
        common = self.meanings.retriever.commonest(KEPT)
        any_of = tuple(Meant(self.meanings.texts[i], 1.0, None) for i in common)
        if part.negated:
            self.notes.append("read as users who will do none of the most frequent things")
        return self._at_level(Clause("anything", part.negated, any_of), part)

    def _at_level(self, clause: Clause, part: Part) -> Clause:
        """The clause with what is asked of its events."""
        level = part.level
        if level is None:
            return self.context.leveled(clause, "any", 1.0)
        asked, level = level, self._known(level) if level.least is None else level
        if level is None or not self.context.has(self._family(clause), level.measure):
            lacking = "no source of these events has amounts" if level else "no bound of them was trained on"
            if part.phrases:
                self.notes.append(f'not used: "{asked.words}"; {lacking}')
            else:
                self.why = f'"{asked.words}" asks how much or how often; {lacking}'
            return self.context.leveled(clause, "any", 1.0)
        if level.note:
            self.notes.append(level.note)
        if level.below:
            if len(self.parsed.parts) == 1:
                self.notes.append(f'"{level.words}" counts users of none at all too')
            clause = replace(clause, negated=not clause.negated)
        least = level.least if level.least is not None else 1.0
        return self.context.leveled(clause, level.measure, least)

    def _known(self, level: Level) -> Level | None:
        """How much the good and the loyal do: the highest bound that the model was trained on."""
        measures: list[Measure] = ["amount", "count"] if level.measure == "amount" else ["count", "amount"]
        for measure in measures:
            if measure in self.context.bounds:
                least = self.context.bounds[measure]
                much = f"spend more than {least:g} {self.context.currency}" if measure == "amount" else (
                    f"buy at least {least:g} times"
                )  # fmt: skip
                within = f"within {in_words(self.context.future)}, the highest bound that the model was trained on"
                note = f'"{level.words}" is read as those who will {much} {within}'
                chosen = "; choose how many with --top-percent or --top-k"
                return replace(
                    level, measure=measure, least=least, note=note + chosen * bool(_DIGIT.search(level.words))
                )
        return None

    def _family(self, clause: Clause) -> str:
        row = self.meanings.texts.index(clause.any_of[0].sentence) if clause.any_of else 0
        return str(self.meanings.families[row])

    def _was(self, was: Was) -> list[Past]:
        """What must have been, part by part."""
        period, as_of = was.before.period, self.context.as_of or datetime.now()
        clauses = [self._clause(part) for part in was.parts]
        # Of the past, nothing is the contrary of any.
        plain = [replace(c, measure="any", negated=True, written=()) if c.measure == "none" else c for c in clauses]
        if period is None:
            self.notes.append(f'"{was.before.words}" gives no length of time: read as {in_words(self.context.future)}')
            return [Past(clause, was.before.words, since=as_of - self.context.future) for clause in plain]
        if period is NEW:
            self.notes.append(
                f'"{was.before.words}" is read as nothing longer ago than {in_words(self.context.future)}'
            )
            return [Past(clause, was.before.words, before=as_of - self.context.future) for clause in plain]
        since = None if period.since is None else period.since.at(as_of)
        before = None if period.before is None else period.before.at(as_of)
        return [Past(clause, period.words, since, before) for clause in plain]

    def _implied(self, clauses: Sequence[Clause]) -> list[Past]:
        """What "again" and "stop" say of the past: it was done before."""
        wanted = [part for part in self.parsed.parts if not part.negated]
        past = [
            Past(replace(clause, measure="any", least=1.0, written=()), "again")
            for part, clause in zip(wanted, clauses, strict=False)
            if part.again and part.phrases
        ]
        if self.parsed.stops:
            named = [c for c in clauses if c.negated and c.words != "anything"]
            past += [Past(replace(c, negated=False, measure="any", least=1.0, written=()), "stop") for c in named]
        return past

    def _about_stops(self) -> list[str]:
        if not self.parsed.stops or not any(part.phrases for part in self._unwanted()):
            return []
        return ["stopping is read as having done it before and not doing it within the window"]

    def _unused(self) -> list[str]:
        parsed = self.parsed
        notes = [f'not used: "{word}"; say how often, such as "at least 3 times"' for word in parsed.unused]
        if parsed.traits:
            notes.append(f"not used: {_listed(parsed.traits)}, which only a profile tells: filter by it with --where")
        if parsed.places:
            notes.append(f"not used: {_listed(parsed.places)}, since no attribute of the profile holds such a value")
        return notes

    def _horizon(self) -> list[str]:
        horizon = self.parsed.horizon
        return [] if horizon is None else [_horizon_note(horizon.words, horizon.length, self.context.future)]


def _as_one(part: Part) -> Phrase | None:
    """The whole of a list as one phrase: "lawn and garden" may be one thing."""
    if not part.listed or len(part.phrases) < 2:
        return None
    return Phrase(part.words, " ".join(p.content for p in part.phrases), " ".join(p.object for p in part.phrases))


def _is_named(chosen: Chosen) -> bool:
    """Whether names hold the words of a phrase."""
    return bool(chosen.any_of) and all(meant.share == 1 and meant.shared == 1 for meant in chosen.any_of)


def _closeness(chosen: Chosen) -> float:
    return Clause("", negated=False, any_of=chosen.any_of).closeness if chosen.any_of else 0.0


def _merged(chosen: Sequence[Chosen]) -> Chosen:
    """Alternatives together, in their order."""
    kept: dict[str, Meant] = {}
    others: dict[str, Meant] = {}
    for into, lists in ((kept, [c.any_of for c in chosen]), (others, [c.others for c in chosen])):
        for meant in (each for one in lists for each in one):
            if meant.sentence not in into or into[meant.sentence].share < meant.share:
                into[meant.sentence] = meant
    rest = sorted((m for text, m in others.items() if text not in kept), key=lambda m: -m.share)
    unused = tuple(word for each in chosen for word in each.unused)
    return Chosen(tuple(kept.values()), tuple(rest[:SHOWN]), unused)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def in_words(length: timedelta) -> str:
    """A length of time in words: "9 weeks", "5 days"."""
    days = length / timedelta(days=1)
    number, unit = (days / 7, "week") if days >= 7 and days % 7 == 0 else (days, "day")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _horizon_note(words: str, length: timedelta | None, future: timedelta) -> str:
    trained = f"within {in_words(future)}, as the model was trained"
    if length is None:
        return f'{trained}; "{words}" gives no length of time'
    if abs(length - future) <= future / 10:
        return f'{trained}, which is "{words}"'
    return f'{trained}; "{words}" is {"shorter" if length < future else "longer"}: ranked anyway'
