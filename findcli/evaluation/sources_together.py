"""What fusing the sources is worth to a linear probe: the fused vector beside the best source and all side by side.

`findcli ablate --probe` prints it for the workspace's own model and for every form trained beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from findcli.evaluation.probe import CONCATENATED, STORED, ProbedTask
from findcli.metrics import Interval, interval

FUSED, SOURCES = "embeddings", ("sequence", "tabular", "search")


@dataclass(frozen=True)
class Together:
    """Probes of one form's vectors, mean AUC over tasks with 95 % intervals by bootstrap over users.

    Attributes:
        by: the form's name.
        fused: its fused vector.
        source: the source whose vector alone is best on the average.
        best_source: that source's vector.
        side_by_side: every source's vector, concatenated.
        stored: all that `embed` stores.
        less_source: fused less the best source.
        less_side_by_side: fused less side by side.
        less_first: fused less the first form's fused vector.
    """

    by: str
    fused: Interval
    source: str
    best_source: Interval
    side_by_side: Interval
    stored: Interval
    less_source: Interval
    less_side_by_side: Interval
    less_first: Interval


def together(measured: Sequence[tuple[str, Sequence[ProbedTask]]]) -> list[Together]:
    """Compare the forms; every form has the same tasks, resampled alike.

    Args:
        measured: each form's name and its probed tasks.
    """
    means = [(by, _means(tasks)) for by, tasks in measured]
    first = means[0][1][FUSED]
    rows = []
    for by, areas in means:
        best = max((name for name in SOURCES if name in areas), key=lambda name: areas[name][0])
        fused, side = areas[FUSED], areas[CONCATENATED]
        rows.append(
            Together(
                by, interval(fused), best, interval(areas[best]), interval(side), interval(areas[STORED]),
                interval(fused - areas[best]), interval(fused - side), interval(fused - first),
            )
        )  # fmt: skip
    return rows


def _means(tasks: Sequence[ProbedTask]) -> dict[str, np.ndarray]:
    """The mean AUC over tasks of each kind of vector, as observed and in each resampling, (1 + R,)."""
    kinds = [kind for kind in tasks[0].replicates if all(kind in task.replicates for task in tasks)]
    return {kind: np.mean([task.replicates[kind] for task in tasks], axis=0) for kind in kinds}
