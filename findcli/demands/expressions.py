"""Parse the sentences given to `--rewrite`: "The user purchased tea. and not The user purchased coffee.".

Tested in tests/demands/test_rewriter.py.
"""

from __future__ import annotations

import re

from findcli.demands.rewriter import BY_YOU, Clause, Meant, Rewriting
from findcli.errors import FindCLIError

EXAMPLE = 'for example: "The user purchased tea. or The user purchased coffee. and not The user purchased sugar."'
_JOINT = re.compile(r"(?<=\.)\s+(and\s+not|and|or)\s+", re.IGNORECASE)


def parse_rewriting(demand: str, expression: str) -> Rewriting:
    """Parse whole sentences, each with its full stop, joined by or, and, and not; "or" binds tighter than "and".

    Args:
        demand: the demand that the sentences replace.
        expression: the sentences.

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
    clauses = tuple(
        Clause(" or ".join(texts), negated, tuple(Meant(text, 1.0, None) for text in texts))
        for negated, texts in alternatives
    )
    return Rewriting(demand, BY_YOU, clauses, answerable=True)
