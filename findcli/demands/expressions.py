"""Parse the sentences given to `--rewrite`: "The user purchased tea. and not The user purchased coffee.".

Tested in tests/demands/test_rewriter.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from findcli.data.questions import QuestionParser
from findcli.data.templates import Template
from findcli.demands.rewriter import BY_YOU, Clause, Meant, Rewriting
from findcli.errors import FindCLIError

EXAMPLE = 'for example: "The user purchased tea. or The user purchased coffee. and not The user purchased sugar."'
_JOINT = re.compile(r"(?<=\.)\s+(and\s+not|and|or)\s+", re.IGNORECASE)


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
    clauses = tuple(_clause(negated, texts, parser) for negated, texts in alternatives)
    return Rewriting(demand, BY_YOU, clauses, answerable=True)


def _clause(negated: bool, texts: Sequence[str], parser: QuestionParser) -> Clause:
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
