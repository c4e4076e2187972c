"""Sentences as the user writes them for `--rewrite`: "The user purchased tea. and not The user purchased coffee."."""

from __future__ import annotations

import re

from findcli.demands.rewriter import BY_YOU, Clause, Meant, Rewriting
from findcli.errors import FindCLIError

EXAMPLE = 'write one such as: "The user purchased tea. or The user purchased coffee. and not The user purchased sugar."'
_JOINT = re.compile(r"(?<=\.)\s+(and\s+not|and|or)\s+", re.IGNORECASE)


def parse_rewriting(demand: str, expression: str) -> Rewriting:
    """Read whole sentences, each with its full stop, joined by or, and, and not; "or" binds tighter than "and".

    Args:
        demand: what they stand for.
        expression: the sentences.

    Raises:
        FindCLIError: the expression is no such sentences.
    """
    pieces = [piece.strip() for piece in _JOINT.split(expression.strip())]
    joints = ["and", *(" ".join(piece.lower().split()) for piece in pieces[1::2])]
    clauses: list[tuple[bool, list[str]]] = []
    for joint, sentence in zip(joints, pieces[::2], strict=True):
        refused = re.match(r"not\s+", sentence, re.IGNORECASE)
        text = sentence[refused.end() :] if refused else sentence
        if not text.endswith(".") or len(text) < 2:
            raise FindCLIError(f"the rewriting has {text!r}, which ends in no full stop", hint=EXAMPLE)
        if joint == "or":
            if refused:
                raise FindCLIError(f"the rewriting has not before {text!r}, after an or", hint=EXAMPLE)
            clauses[-1][1].append(text)
        else:
            clauses.append((joint == "and not" or refused is not None, [text]))
    found = tuple(
        Clause(" or ".join(texts), negated, tuple(Meant(text, 1.0, None) for text in texts))
        for negated, texts in clauses
    )
    return Rewriting(demand, BY_YOU, found, answerable=True)
