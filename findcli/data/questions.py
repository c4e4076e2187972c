"""Questions about users' futures: a set of sentences of single events, and how much there must be of those events.

"The user purchased tea." asks for any event; "The user purchased tea at least 3 times." asks for a level of the same
events; a broad demand ("a bag") is about the union of all sentences that are meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from findcli.data.templates import BOUNDED, SLOT, Measure, Template, template_pattern

# Levels of sentences that no template has one of, such as those of items.
_PLAIN: dict[Measure, str] = {
    "count": "{single} at least {count} times.",
    "distinct": "{single} of at least {distinct} different things.",
    "amount": "{single} amounting more than {amount} in all.",
    "first": "{single} for the first time.",
    "none": "{single} not once.",
}


@dataclass(frozen=True)
class Question:
    """What is asked of a user's future.

    Attributes:
        sentences: of single events; an event counts if it makes any of them true.
        measure: what is asked of these events together.
        least: how many times, different things or how much money; a sum must be above it, a number at least it.
    """

    sentences: tuple[str, ...]
    measure: Measure = "any"
    least: float = 1.0


class QuestionParser:
    """Parses sentences as the questions that they ask.

    Args:
        templates: of the workspace.
    """

    def __init__(self, templates: Iterable[Template]) -> None:
        levels = [t for t in _distinct(templates) if t.measure != "any" and t.single]
        self._patterns = [(template_pattern(t.text), t) for t in levels]

    def parse(self, sentence: str) -> Question:
        """The question of a sentence; one that is no level of anything asks for any event that makes it true."""
        for pattern, template in self._patterns:
            match = pattern.fullmatch(sentence)
            if match is not None:
                single = SLOT.sub(lambda slot, match=match: match[slot[1]], template.single)  # type: ignore[misc]
                return Question((single,), template.measure, float(match["least"]) if template.bounded else 1.0)
        for measure, text in _PLAIN.items():
            match = template_pattern(text).fullmatch(sentence)
            if match is not None:
                return Question((f"{match['single']}.",), measure, float(match.groupdict().get("least") or 1))
        return Question((sentence,))


class QuestionWriter:
    """Writes a level of a sentence as a sentence.

    Args:
        templates: of the workspace.
    """

    def __init__(self, templates: Iterable[Template]) -> None:
        self._levels = [t for t in _distinct(templates) if t.measure != "any" and t.single]

    def write(self, question: Question) -> tuple[str, ...]:
        """The sentences of a question, one for each of its own; in plain words where no template has the level."""
        return tuple(self._one(sentence, question.measure, question.least) for sentence in question.sentences)

    def _one(self, sentence: str, measure: Measure, least: float) -> str:
        for template in self._levels:
            match = template_pattern(template.single).fullmatch(sentence) if template.measure == measure else None
            if match is not None:
                values = match.groupdict() | dict.fromkeys(BOUNDED, f"{least:g}")
                return SLOT.sub(lambda slot, values=values: values[slot[1]], template.text)  # type: ignore[misc]
        if measure == "any":
            return sentence
        return _PLAIN[measure].format(single=sentence.removesuffix("."), **dict.fromkeys(BOUNDED, f"{least:g}"))


def _distinct(templates: Iterable[Template]) -> Sequence[Template]:
    """The templates of several sources, once; those without slots first, for "anything" is the name of no category."""
    return sorted({(t.text, t.single, t.measure): t for t in templates}.values(), key=lambda t: len(t.slots))
