"""Print how demands were understood.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from findcli.cli import console
from findcli.errors import FindCLIError

if TYPE_CHECKING:
    from datetime import timedelta

    from findcli.audiences.read import Understood
    from findcli.demands.rewriter import Clause, Meant, Past, Rewriting


LARGEST, SPELT_OUT = 5, 4  # members shown of a set, and of how many a set is spelt out
LEVELS = {
    "count": ", at least {:g} times in all",
    "distinct": ", at least {:g} different things in all",
    "amount": ", amounting more than {:g} in all",
    "first": ", for the first time",
    "none": ", not once",
}


def report(read: Sequence[Understood], *, as_json: bool) -> None:
    """Print how demands are understood, in full."""
    if as_json:
        console.print_json([{**plain(each.rewriting), "where": each.where} for each in read])
        return
    for each in read:
        rewriting = each.rewriting
        console.print_line(f'"{rewriting.demand}"')
        if not rewriting.clauses:
            _print_unread(rewriting)
            continue
        print_understood(rewriting, brief=False)
        print_conditions(each)
        for clause in rewriting.clauses:
            if clause.others:
                console.print_line(f'"{clause.words}" may also mean: {_listed(clause.others)}')
        if any(_is_large(clause) for clause in rewriting.clauses):
            console.print_line("keep or change it with --rewrite: --json writes the whole expression")
        else:
            conditions = each.where is not None or bool(rewriting.past)
            alone = " (which leaves out who is ranked at all)" if conditions else ""
            console.print_line(f'keep or change it with: --rewrite "{rewriting.expression}"{alone}')


def print_conditions(read: Understood) -> None:
    """Print which users a demand's own words leave."""
    if read.where is not None:
        console.print_line(f"only users who pass: {read.where}")
    for past in read.rewriting.past:
        console.print_line(f"only users who did before: {_joined([past.clause])}{_when(past)}")


def print_understood(rewriting: Rewriting, *, brief: bool, within: timedelta | None = None) -> None:
    """Print the clauses of a rewriting, and notes on what was read or ignored.

    Args:
        rewriting: the rewriting of a demand.
        brief: leave out the notes.
        within: the window that the probability is about; None without one.
    """
    console.print_line(f"understood (by {rewriting.by}) as: {_joined(rewriting.clauses)}")
    for clause in rewriting.clauses:
        if _is_large(clause):
            console.print_line(f'largest of "{clause.words}": {_largest(clause)}')
    if brief:
        return
    for note in rewriting.notes:
        console.print_line(f"note: {note}")
    if within is not None:
        from findcli.demands.clauses import in_words

        one = len(rewriting.clauses) == 1 and len(rewriting.sentences) == 1 and not rewriting.clauses[0].negated
        event = (
            f"that {_quoted(_written(rewriting.clauses[0])[0])} comes true"
            if one
            else "that what was understood comes true"
        )
        console.print_line(f"probability: {event} within {in_words(within)}")


def refuse_or_warn(rewritings: Sequence[Rewriting]) -> None:
    """Warn about demands that the vocabulary cannot answer.

    Raises:
        FindCLIError: it is the only demand.
    """
    unanswerable = [rewriting for rewriting in rewritings if rewriting.answerable is False]
    if unanswerable and len(rewritings) == 1:
        (refused,) = unanswerable
        near = "; ".join(meant.sentence for meant in refused.nearest)
        instead = "; ".join(f'"{demand}"' for demand in refused.instead)
        ways = [f"the nearest it can answer: {near}"] if near else []
        ways += [f"demands that it can answer: {instead}"] if instead else []
        why = f'"{refused.demand}" cannot be answered: {refused.why}' if refused.why else (
            f'nothing in this workspace\'s vocabulary is like "{refused.demand}"'
        )  # fmt: skip
        raise FindCLIError(why, hint="; or ".join([*ways, "rank by the words as they stand with --rewrite off"]))
    for rewriting in unanswerable:
        because = f": {rewriting.why}" if rewriting.why else ""
        console.print_warning(f'"{rewriting.demand}" cannot be answered{because}, and selects nobody')


def plain(rewriting: Rewriting) -> dict[str, Any]:
    """A rewriting as JSON."""
    return {**asdict(rewriting), "sentences": rewriting.sentences, "expression": rewriting.expression}


def _joined(clauses: Sequence[Clause]) -> str:
    return ", and ".join(f"{'not ' if clause.negated else ''}{_clause(clause)}" for clause in clauses)


def _clause(clause: Clause) -> str:
    if _is_large(clause):
        covered = "" if clause.coverage is None else f" ({clause.coverage:.0%} of all such events)"
        level = LEVELS.get(clause.measure, "").format(clause.least)
        return f'any of the {len(clause.any_of)} sentences of "{clause.words}"{covered}{level}'
    if clause.is_set or clause.measure != "any":
        written = _written(clause)
        together = " together" if len(written) > 1 and clause.measure != "any" else ""
        return f"{'any of ' if len(written) > 1 else ''}{'; '.join(map(_quoted, written))}{together}"
    return f"{'any of ' if len(clause.any_of) > 1 else ''}{_listed(clause.any_of)}"


def _is_large(clause: Clause) -> bool:
    return clause.is_set and len(clause.any_of) > SPELT_OUT


def _largest(clause: Clause) -> str:
    """The most frequent members of a set, without the words that all of them begin with."""
    texts = [meant.sentence.removesuffix(".") for meant in clause.any_of]
    common = commonprefix(texts)  # noqa: RUF071, of letters is what is meant
    begin = common.rfind(" ") + 1
    return ", ".join(text[begin:] for text in texts[:LARGEST])


def _written(clause: Clause) -> Sequence[str]:
    return clause.written or [meant.sentence for meant in clause.any_of]


def _when(past: Past) -> str:
    if past.since is None and past.before is None:
        return ""
    begin = "" if past.since is None else f" from {past.since:%Y-%m-%d}"
    return f",{begin}{'' if past.before is None else f' until {past.before:%Y-%m-%d}'}"


def _listed(meant: Sequence[Meant]) -> str:
    """List sentences, each with its share and cosine; without them if it was not searched for."""
    return "; ".join(f"{_quoted(each.sentence)}{_how_sure(each)}" for each in meant)


def _how_sure(meant: Meant) -> str:
    return "" if meant.cosine is None else f" ({meant.share:.0%}, cosine {meant.cosine:.2f})"


def _quoted(sentence: str) -> str:
    """Quote a sentence inside another."""
    return f'"{sentence}"'


def _print_unread(rewriting: Rewriting) -> None:
    because = f": {rewriting.why}" if rewriting.why else ""
    console.print_line(f"cannot be answered{because}" if rewriting.answerable is False else "is ranked as it stands")
    if rewriting.instead:
        console.print_line(f"demands that it can answer: {'; '.join(map(_quoted, rewriting.instead))}")
    if rewriting.nearest:
        console.print_line(f"the nearest it can answer: {_listed(rewriting.nearest)}")
    for note in rewriting.notes:
        console.print_line(f"note: {note}")
