"""How a demand was read, in the words of those who asked: no term of machine learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from findcli.demands.reading import Clause, Past, Rewriting

MOST = 6  # things that are named one by one
LEVELS = {
    "count": "at least {:g} times in all",
    "distinct": "at least {:g} different things in all",
    "amount": "amounting to more than {:g} in all",
    "first": "for the first time",
}


@dataclass(frozen=True)
class Read:
    """One thing that a demand was read as.

    Attributes:
        words: its words in the demand.
        meaning: what it was read as, such as "purchased tea".
        members: what it holds, if that is many things: the most frequent ones.
        more: how many others it holds.
    """

    words: str
    meaning: str
    members: tuple[str, ...] = ()
    more: int = 0


def in_words(sentence: str, subject: str) -> str:
    """A sentence as something that was done: "purchased tea"."""
    return sentence.removeprefix(f"The {subject} ").removesuffix(".")


def done(sentence: str, subject: str) -> str:
    """The words of what was done: "purchased something", of an event and of a concept without a name alike."""
    words = in_words(sentence, subject)
    return f"{words.removesuffix(' anything')} something" if words.endswith(" anything") else words


def readings(rewriting: Rewriting, subject: str) -> list[Read]:
    """What a demand was read as, a line for each thing it asks for."""
    ahead = [_read(clause, subject) for clause in rewriting.clauses]
    return [*ahead, *(_before(past, subject) for past in rewriting.past)]


def _read(clause: Clause, subject: str) -> Read:
    things = [in_words(meant.sentence, subject) for meant in clause.any_of]
    level = LEVELS.get(clause.measure, "").format(clause.least)
    never = clause.negated != (clause.measure == "none")
    begin = "not: " if never else ""
    if len(things) == 1:
        return Read(clause.words, begin + ", ".join(filter(None, [things[0], level])))
    kind = f"{begin}any of {len(things)} things" + (f", {level}" if level else "")
    return Read(clause.words, kind, tuple(things[:MOST]), max(0, len(things) - MOST))


def _before(past: Past, subject: str) -> Read:
    read = _read(past.clause, subject)
    since = "" if past.since is None else f" from {past.since:%Y-%m-%d}"
    before = "" if past.before is None else f" until {past.before:%Y-%m-%d}"
    when = since + before or " at any time"
    return Read(past.words or past.clause.words, f"only who did before,{when}: {read.meaning}", read.members, read.more)


def refused(rewriting: Rewriting | None, subject: str) -> tuple[str, Sequence[str]]:
    """Why a demand cannot be answered, and what could be asked instead; nothing if it can."""
    if rewriting is None or rewriting.answerable is not False:
        return "", ()
    why = rewriting.why or "nothing in the data is like it"
    near = [in_words(meant.sentence, subject) for meant in rewriting.nearest]
    return why, (*rewriting.instead, *near)
