"""What `findcli evaluate --variants` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from findcli.cli import console

if TYPE_CHECKING:
    from findcli.evaluation.ablations import Ablation
    from findcli.metrics import Interval

FIGURES = {
    "auc": "AUC", "average_precision": "AP", "lift": "lift", "accuracy": "accuracy", "precision": "precision",
    "recall": "recall",
}  # fmt: skip
INTERVALS = ("AUC, 95 %", "AP, 95 %")  # of the others --json tells, so that a narrow terminal crops no figure


def print_ablation(result: Ablation) -> None:
    """Print a task's forms, and how far each lies from the form of which it lacks or changes one thing."""
    share = result.positives / result.users
    told = f"{result.users:,} users, {result.positives:,} positive ({share:.1%})"
    console.print_line(f"{result.task}: {result.title} - {told}" + (f'\n"{result.demand}"' if result.demand else ""))
    rows = [[form.by, *(form.figures[name].value for name in FIGURES)] for form in result.forms]
    console.print_table(["ranked by", *FIGURES.values()], rows)
    for whole in dict.fromkeys(form.beside for form in result.forms if form.beside):
        apart = [[form.by, *map(_signed, _picked(form.less))] for form in result.forms if form.beside == whole]
        console.print_table([f"less {whole}", *INTERVALS], apart)
    tuned = [[form.by, *map(_range, _picked(form.prompt))] for form in result.forms if form.prompt]
    if tuned:
        console.print_table(["prompts tuned on", *INTERVALS], tuned)


def _picked(figures: dict[str, Interval]) -> list[Interval]:
    return [figures["auc"], figures["average_precision"]]


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _range(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
