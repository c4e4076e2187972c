"""The protocol: events before an instant in, the set at the first instant from then on out, for held-out users.

Full ranking over the vocabulary, tokens of the history not excluded; all methods see the same last events. Besides the
first instant, every instant of the time that follows may be asked, each with all events before it.

Tested in tests/evaluation/next_event/test_run.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from findcli.evaluation.next_event.baselines.encoder import EncoderScorer
from findcli.evaluation.next_event.baselines.registry import fit_baselines
from findcli.evaluation.next_event.baselines.teaching import Scorer, Teaching
from findcli.evaluation.next_event.questions import Questions
from findcli.evaluation.next_event.ranks import COLUMNS, FIGURES, Figures, compare, ranks
from findcli.metrics import bootstrap_weights
from findcli.progress import Progress, no_progress

PANTHER = "PANTHER"
REPLICATES = 1000


@dataclass(frozen=True)
class World:
    """What is measured.

    Attributes:
        title: of the table.
        asked: the questions, by what is asked.
        teaching: what baselines learn from.
        train: trains or loads PANTHER.
        possible: what knows the truth of some of the questions, by what is asked.
    """

    title: str
    asked: dict[str, Questions]
    teaching: Teaching
    train: Callable[[], Scorer]
    possible: Mapping[str, Scorer] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The figures of a world.

    Attributes:
        title: of the table.
        users: how many users are asked about.
        questions: how many questions, by what is asked.
        tokens: V.
        coverage: the share of training events that are tokens of their own.
        figures: every method's, by what is asked.
    """

    title: str
    users: int
    questions: dict[str, int]
    tokens: int
    coverage: float
    figures: dict[str, list[Figures]]

    def table(self) -> pl.DataFrame:
        """All figures, a row for each method, column and figure."""
        rows = [
            {
                "asked": asked, "method": row.method, "column": row.column, "questions": row.questions, "figure": name,
                "value": row.values[name].value, "low": row.values[name].low, "high": row.values[name].high,
                "panther_less": row.less[name].value, "less_low": row.less[name].low, "less_high": row.less[name].high,
            }
            for asked, figures in self.figures.items() for row in figures for name in FIGURES
        ]  # fmt: skip
        return pl.DataFrame(rows)


def measure(
    world: World,
    baselines: Sequence[str],
    *,
    forms: Sequence[tuple[str, dict[str, object]]] = (),
    progress: Progress | None = None,
) -> Measured:
    """Rank what came next by PANTHER and the baselines.

    Args:
        world: questions, and what baselines learn from.
        baselines: their names.
        forms: further forms of the encoder to train, each a name and the settings that it changes.
        progress: told after each chunk of questions.
    """
    methods = [world.train(), *fit_baselines(world.teaching, baselines)]
    methods += [EncoderScorer.train(world.teaching, name, dict(changes)) for name, changes in forms]
    total = sum(-(-len(asked) // 512) for asked in world.asked.values())
    figures, done = {}, 0
    for name, asked in world.asked.items():
        scorers = [*methods, *([world.possible[name]] if name in world.possible else [])]
        ranked: dict[str, dict[str, list[np.ndarray]]] = {m.name: {c: [] for c in COLUMNS} for m in scorers}
        for part in asked.chunks():
            for method in scorers:
                for column, values in ranks(method.scores(part), part).items():
                    ranked[method.name][column].append(values)
            done += 1
            (progress or no_progress)(done, total, {})
        joined = {m: {c: np.concatenate(parts) for c, parts in columns.items()} for m, columns in ranked.items()}
        users, place = np.unique(asked.users, return_inverse=True)
        weights = bootstrap_weights(len(users), REPLICATES, seed=world.teaching.seed)
        figures[name] = compare(joined, place, weights, against=methods[0].name)
    first = next(iter(world.asked.values()))
    vocabulary = world.teaching.vocabulary
    return Measured(
        world.title, len(np.unique(first.users)), {name: len(asked) for name, asked in world.asked.items()},
        vocabulary.size, vocabulary.coverage, figures,
    )  # fmt: skip
