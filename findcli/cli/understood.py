"""Print how demands were understood.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from findcli.cli import console
from findcli.errors import FindCLIError

if TYPE_CHECKING:
    from findcli.demands.rewriter import Clause, Meant, Rewriting


def report(rewritings: Sequence[Rewriting], *, as_json: bool) -> None:
    """Print how demands are understood, in full."""
    if as_json:
        console.print_json([plain(rewriting) for rewriting in rewritings])
        return
    for rewriting in rewritings:
        console.print_line(f'"{rewriting.demand}"')
        if not rewriting.clauses:
            console.print_line("cannot be answered" if rewriting.answerable is False else "is ranked as it stands")
            _print_nearest(rewriting)
            continue
        print_understood(rewriting, brief=False)
        for clause in rewriting.clauses:
            if clause.others:
                console.print_line(f'"{clause.words}" may also mean: {_listed(clause.others)}')
        console.print_line(f'keep or change it with: --rewrite "{rewriting.expression}"')


def print_understood(rewriting: Rewriting, *, brief: bool, calibrated: bool = False) -> None:
    """Print the clauses of a rewriting, and notes on what was read or ignored.

    Args:
        rewriting: the rewriting of a demand.
        brief: leave out the notes.
        calibrated: say what the probability refers to.
    """
    console.print_line(f"understood (by {rewriting.by}) as: {_joined(rewriting.clauses)}")
    if brief:
        return
    for note in rewriting.notes:
        console.print_line(f"note: {note}")
    if calibrated:
        one = len(rewriting.sentences) == 1 and not rewriting.clauses[0].negated
        event = f"that {_quoted(rewriting.sentences[0])} comes true" if one else "that what was understood comes true"
        console.print_line(f"probability: {event} within the model's future window")


def refuse_or_warn(rewritings: Sequence[Rewriting]) -> None:
    """Warn about demands that the vocabulary cannot answer.

    Raises:
        FindCLIError: it is the only demand.
    """
    unanswerable = [rewriting for rewriting in rewritings if rewriting.answerable is False]
    if unanswerable and len(rewritings) == 1:
        near = "; ".join(meant.sentence for meant in unanswerable[0].nearest)
        alternative = f"the nearest it can answer: {near}; or " if near else ""
        raise FindCLIError(
            f'nothing in this workspace\'s vocabulary is like "{unanswerable[0].demand}"',
            hint=f"{alternative}rank by the words as they stand with --rewrite off",
        )
    for rewriting in unanswerable:
        console.print_warning(f'"{rewriting.demand}" cannot be answered, and selects nobody')


def plain(rewriting: Rewriting) -> dict[str, Any]:
    """A rewriting as JSON."""
    return {**asdict(rewriting), "sentences": rewriting.sentences, "expression": rewriting.expression}


def _joined(clauses: Sequence[Clause]) -> str:
    return ", and ".join(
        f"{'not ' if clause.negated else ''}{'any of ' if len(clause.any_of) > 1 else ''}{_listed(clause.any_of)}"
        for clause in clauses
    )


def _listed(meant: Sequence[Meant]) -> str:
    """List sentences, each with its share and cosine; without them if it was not searched for."""
    return "; ".join(f"{_quoted(each.sentence)}{_how_sure(each)}" for each in meant)


def _how_sure(meant: Meant) -> str:
    return "" if meant.cosine is None else f" ({meant.share:.0%}, cosine {meant.cosine:.2f})"


def _quoted(sentence: str) -> str:
    """Quote a sentence inside another."""
    return f'"{sentence}"'


def _print_nearest(rewriting: Rewriting) -> None:
    if rewriting.nearest:
        console.print_line(f"the nearest it can answer: {_listed(rewriting.nearest)}")
    for note in rewriting.notes:
        console.print_line(f"note: {note}")
