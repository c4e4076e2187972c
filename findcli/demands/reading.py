"""What a demand was read as: sentences, how much of them, how they combine, and what must have been so before.

A person may write the sentences: "The user purchased tea. and not The user purchased coffee." (`--rewrite`).

Tested in tests/demands/test_rewriter.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from findcli.data.questions import Question, QuestionParser
from findcli.data.templates import Measure, Template
from findcli.errors import FindCLIError

AS_IT_STANDS, BY_YOU, BY_LIKENESS = "as it stands", "you", "likeness of texts"
WORTH = 0.36  # cosine that matching all words of a phrase is worth; by logistic regression, answerable or not
EXAMPLE = 'for example: "The user purchased tea. or The user purchased coffee. and not The user purchased sugar."'
_JOINT = re.compile(r"(?<=\.)\s+(and\s+not|and|or)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Meant:
    """A sentence of the vocabulary that a phrase may mean.

    Attributes:
        sentence: its text.
        share: how sure it is that the phrase means it, in (0, 1]; where the phrase is unsure they sum to 1, in a set
            that is meant as a whole each is 1.
        cosine: its likeness to the phrase; None when the user wrote the sentence or grammar alone implies it.
        shared: the share of the phrase's words that it or its items contain, in [0, 1].
        events: how many events made it true; 0 if nobody counted.
    """

    sentence: str
    share: float
    cosine: float | None
    shared: float = 0.0
    events: int = 0

    @property
    def closeness(self) -> float:
        """How close it is to the phrase, by likeness and by shared words; 1 when it was not searched for."""
        return 1.0 if self.cosine is None else self.cosine + WORTH * self.shared


@dataclass(frozen=True)
class Clause:
    """One thing that a demand asks for.

    Attributes:
        words: its words in the demand.
        negated: whether it must not hold.
        any_of: the chosen sentences of single events, likeliest first, of a set the most frequent first.
        others: other sentences it may mean.
        measure: what is asked of the events of the sentences together.
        least: how many times, different things or how much money.
        written: the sentences as `--rewrite` takes them, with their level; empty where that is `any_of`.
        coverage: the share of all events of their kind that are of a chosen sentence; None where nobody counted.
    """

    words: str
    negated: bool
    any_of: tuple[Meant, ...]
    others: tuple[Meant, ...] = ()
    measure: Measure = "any"
    least: float = 1.0
    written: tuple[str, ...] = ()
    coverage: float | None = None

    @property
    def closeness(self) -> float:
        """How close its sentences are to its words, weighted by share."""
        return sum(m.share * m.closeness for m in self.any_of) / sum(m.share for m in self.any_of)

    @property
    def is_set(self) -> bool:
        """Whether all sentences are meant together."""
        return len(self.any_of) > 1 and all(meant.share == 1 for meant in self.any_of)

    @property
    def questions(self) -> list[tuple[Question, float]]:
        """What it asks, each with its share: the sure sentences together, every unsure one by itself."""
        sure = tuple(meant.sentence for meant in self.any_of if meant.share == 1)
        together = [(Question(sure, self.measure, self.least), 1.0)] if sure else []
        unsure = [
            (Question((meant.sentence,), self.measure, self.least), meant.share)
            for meant in self.any_of
            if meant.share < 1
        ]
        return [*together, *unsure]

    @property
    def expression(self) -> str:
        """The clause as `--rewrite` takes it."""
        joined = " or ".join(self.written or [meant.sentence for meant in self.any_of])
        return f"not {joined}" if self.negated else joined


@dataclass(frozen=True)
class Past:
    """What must have been so of a user before the as-of date.

    Attributes:
        clause: the events and how much of them.
        words: the words of the demand that say when; empty for ever.
        since: the first instant that counts; None: from the first event on.
        before: the instant at which it ends; None: the as-of date.
    """

    clause: Clause
    words: str = ""
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class Rewriting:
    """How a demand was understood.

    Attributes:
        demand: the sentence.
        by: what rewrote it: "likeness of texts", the name of a language model, "you"; or "as it stands".
        clauses: all of them must hold; empty when the demand is ranked as it stands.
        answerable: whether the vocabulary has anything like it; None when unknown: nobody checked, or there is no
            pretrained text model to tell.
        nearest: the nearest sentences that can be answered.
        notes: how parts of the demand, such as its horizon, were read or why they were ignored.
        past: what must have been so before: only users of whom it was are ranked.
        why: why it cannot be answered, if that is more than that nothing is like it.
        instead: demands that can be answered, where it cannot.
    """

    demand: str
    by: str
    clauses: tuple[Clause, ...] = ()
    answerable: bool | None = None
    nearest: tuple[Meant, ...] = ()
    notes: tuple[str, ...] = ()
    past: tuple[Past, ...] = ()
    why: str = ""
    instead: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """The distinct sentences it scores."""
        return list(dict.fromkeys(meant.sentence for clause in self.clauses for meant in clause.any_of))

    @property
    def expression(self) -> str:
        """The sentences as `--rewrite` takes them."""
        return " and ".join(clause.expression for clause in self.clauses)


def parse_rewriting(demand: str, expression: str, templates: Sequence[Template] = ()) -> Rewriting:
    """Parse whole sentences, each with its full stop, joined by or, and, and not; "or" binds tighter than "and".

    Sentences of one level that "or" joins are asked for together: tea or coffee at least three times in all.

    Args:
        demand: the demand that the sentences replace.
        expression: the sentences.
        templates: of the workspace, for the levels that its sentences have.

    Raises:
        FindCLIError: the expression cannot be parsed.
    """
    pieces = [piece.strip() for piece in _JOINT.split(expression.strip())]
    joints = ["and", *(" ".join(piece.lower().split()) for piece in pieces[1::2])]
    alternatives: list[tuple[bool, list[str]]] = []
    for joint, sentence in zip(joints, pieces[::2], strict=True):
        negation = re.match(r"not\s+", sentence, re.IGNORECASE)
        text = sentence[negation.end() :] if negation else sentence
        if not text.endswith(".") or len(text) < 2:
            raise FindCLIError(f"the rewriting has {text!r}, which does not end in a full stop", hint=EXAMPLE)
        if joint == "or":
            if negation:
                raise FindCLIError(f'the rewriting has "or not" before {text!r}; use "and not"', hint=EXAMPLE)
            alternatives[-1][1].append(text)
        else:
            alternatives.append((joint == "and not" or negation is not None, [text]))
    parser = QuestionParser(templates)
    clauses = tuple(_together(negated, texts, parser) for negated, texts in alternatives)
    return Rewriting(demand, BY_YOU, clauses, answerable=True)


def _together(negated: bool, texts: Sequence[str], parser: QuestionParser) -> Clause:
    """One clause of several sentences.

    Raises:
        FindCLIError: they ask for different levels.
    """
    questions = [parser.parse(text) for text in texts]
    measure, least = questions[0].measure, questions[0].least
    if any((each.measure, each.least) != (measure, least) for each in questions):
        other = next(t for t, q in zip(texts, questions, strict=True) if (q.measure, q.least) != (measure, least))
        raise FindCLIError(
            f'the rewriting has {texts[0]!r} or {other!r}, which ask for different levels; join them by "and"',
            hint=EXAMPLE,
        )
    meant = tuple(Meant(each.sentences[0], 1.0, None) for each in questions)
    written = () if measure == "any" else tuple(texts)
    return Clause(" or ".join(texts), negated, meant, measure=measure, least=least, written=written)
