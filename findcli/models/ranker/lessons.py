"""What a ranker learns from: sentences about things, sets of things, levels, and anything at all; and their truth.

Every training sentence that events of the history can answer is a lesson. To them come unions of sentences that are
alike or share a word, as broad demands are; their truth is that any member came true.

Legend: Q lessons.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.data.questions import QuestionParser
from findcli.data.templates import SLOT, Template, template_pattern
from findcli.models.ranker.queries import ANYTHING, LEVEL, LEVELS, THING, UNION, Pick, kind_of
from findcli.training.examples import Truth

DRAWN = {THING: 0.5, UNION: 0.2, LEVEL: 0.2, ANYTHING: 0.1}  # how often a lesson of each kind is drawn
UNIONS, SMALLEST_UNION, LARGEST_UNION = 300, 2, 64
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Lessons:
    """Q lessons.

    Attributes:
        picks: what each is about.
        kinds: one of the keys of `DRAWN` each, (Q,).
        columns: rows of the sentences whose truth, any of them, is each lesson's: int arrays.
    """

    picks: list[Pick]
    kinds: np.ndarray
    columns: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.picks)

    def some(self, chosen: np.ndarray) -> list[Pick]:
        """The picks of some lessons."""
        return [self.picks[i] for i in chosen]

    def true(self, truth: Truth, pairs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Whether some lessons hold of pairs: bool (len(pairs), len(chosen))."""
        columns = [self.columns[i] for i in chosen]
        flat = truth.dense(pairs, np.concatenate(columns))
        starts = np.cumsum([0, *(len(each) for each in columns[:-1])])
        true: np.ndarray = np.logical_or.reduceat(flat, starts, axis=1)
        return true


def write_lessons(
    sentences: pl.Series, templates: Sequence[Template], concepts: Mapping[str, int], vectors: np.ndarray, *, seed: int
) -> Lessons:
    """Choose the lessons of a workspace.

    Args:
        sentences: the training sentences.
        templates: of the workspace.
        concepts: the row of each concept, by its text.
        vectors: unit vectors of the concepts, (n_concepts, D).
        seed: of the draws.
    """
    parser = QuestionParser(templates)
    anything = {template.text for template in templates if template.measure == "any" and not template.slots}
    picks, kinds, columns = [], [], []
    for i, text in enumerate(sentences):
        question = parser.parse(text)
        row = concepts.get(question.sentences[0])
        if row is None or question.measure not in LEVELS:
            continue
        one = question.measure == "any"
        members = None if one else np.array([row])
        picks.append(Pick(vectors[[row]], members, question.measure, question.least))
        kinds.append(kind_of(picks[-1], anything=text in anything))
        columns.append(np.array([i]))
    things = [i for i, kind in enumerate(kinds) if kind == THING]
    names = [sentences[int(columns[i][0])] for i in things]
    rows = np.array([concepts[name] for name in names], np.int64)
    for union in _unions(names, vectors[rows], templates, seed=seed):
        picks.append(Pick(vectors[rows[union]], rows[union]))
        kinds.append(UNION)
        columns.append(np.array([int(columns[things[j]][0]) for j in union]))
    return Lessons(picks, np.array(kinds), columns)


def _unions(names: Sequence[str], vectors: np.ndarray, templates: Sequence[Template], *, seed: int) -> list[np.ndarray]:
    """Sets of sentences of one template that share a word, and sets of those that are alike, half of each at most."""
    rng = np.random.default_rng(seed)
    singles = [t for t in templates if t.measure == "any" and len(t.slots) == 1]
    patterns = [template_pattern(template.text) for template in singles]
    level = np.array([next((j for j, p in enumerate(patterns) if p.fullmatch(name)), -1) for name in names])
    by_word: dict[tuple[int, str], list[int]] = defaultdict(list)
    frame = {word for t in singles for word in _WORD.findall(SLOT.sub(" ", t.text).lower())}
    for i, name in enumerate(names):
        for word in set(_WORD.findall(name.lower())) - frame:
            by_word[level[i], word].append(i)
    sharing = [np.array(each[:LARGEST_UNION]) for each in by_word.values() if len(each) >= SMALLEST_UNION]
    rng.shuffle(sharing)
    alike = []
    for i in rng.permutation(len(names))[: UNIONS // 2]:
        same = np.flatnonzero(level == level[i])
        size = int(2 ** rng.uniform(1, np.log2(LARGEST_UNION)))
        if len(same) >= SMALLEST_UNION:
            alike.append(same[np.argsort(-(vectors[same] @ vectors[i]), kind="stable")[:size]])
    return [*sharing[: UNIONS // 2], *alike]
