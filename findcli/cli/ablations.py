"""What `findcli evaluate --variants` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from findcli.cli import console

if TYPE_CHECKING:
    from findcli.ablations import Ablation
    from findcli.metrics import Interval

FIGURES = {"auc": "AUC", "average_precision": "AP", "lift": "lift"}
SELECTED = {"accuracy": "accuracy", "precision": "precision", "recall": "recall"}


def print_ablation(result: Ablation) -> None:
    """Print a task's forms, and how far each lies from the form of which it lacks or changes one thing."""
    share = result.positives / result.users
    told = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    console.print_line(f"{result.task}: {result.title} - {told}" + (f'\n"{result.demand}"' if result.demand else ""))
    heads, rows = FIGURES | SELECTED, [[form.by, *_values(form.figures, FIGURES | SELECTED)] for form in result.forms]
    console.print_table(["ranked by", *heads.values()], rows)
    apart = [[form.by, form.beside, *map(_signed, _picked(form.less))] for form in result.forms if form.beside]
    console.print_table(["form", "less", *(f"{name}, 95 %" for name in FIGURES.values())], apart)
    tuned = [[form.by, *map(_range, _picked(form.prompt))] for form in result.forms if form.prompt]
    if tuned:
        console.print_table(["prompts tuned on", *(f"{name}, 95 %" for name in FIGURES.values())], tuned)


def _values(figures: dict[str, Interval], names: dict[str, str]) -> list[float]:
    return [figures[name].value for name in names]


def _picked(figures: dict[str, Interval]) -> list[Interval]:
    return [figures[name] for name in FIGURES]


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _range(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
