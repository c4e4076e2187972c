"""Probe figures compared: averages over tasks, and paired differences from rivals, by bootstrap over users.

Users are resampled once for all tasks, so that averages over tasks that share users have honest intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import polars as pl

from findcli.evaluation.probe import LEARNED, STORED, ProbedTask
from findcli.evaluation.probe_protocol import ProbeRow
from findcli.metrics import Interval, interval

AVERAGE = "average"
CLAIMED = (STORED, LEARNED)


@dataclass(frozen=True)
class ProbedRow:
    """One kind of vector on one task, or averaged over all tasks; mean over splits.

    Attributes:
        by: the kind of vector.
        task: its name, or "average".
        auc: area under the ROC curve.
        ks: Kolmogorov-Smirnov statistic.
        rival: whether the vectors are a rival's.
        seconds: the time that a rival took.
    """

    by: str
    task: str
    auc: Interval
    ks: float
    rival: bool
    seconds: float


@dataclass(frozen=True)
class ProbeDifference:
    """findcli's AUC minus a rival's, on one task or on average; above 0, findcli is better."""

    by: str
    beside: str
    task: str
    auc: Interval


@dataclass(frozen=True)
class Compared:
    """The probe section of the benchmark.

    Attributes:
        splits: the salts.
        tasks: number of users and positives, by task.
        rows: every kind of vector on every task, and on average.
        differences: findcli's two rows minus each rival, on every task and on average.
        notes: the rivals that did not finish, and why.
    """

    splits: list[str]
    tasks: dict[str, tuple[int, int]]
    rows: list[ProbedRow]
    differences: list[ProbeDifference]
    notes: list[str] = field(default_factory=list)

    def best_rivals(self, by: str) -> list[ProbeDifference]:
        """On each task, and on average, a row's difference from the best rival there."""
        areas = {(row.by, row.task): row.auc.value for row in self.rows if row.rival}
        chosen = []
        for task in (*self.tasks, AVERAGE):
            differences = [d for d in self.differences if d.task == task and d.by == by]
            chosen += [max(differences, key=lambda d: areas[d.beside, d.task])] if differences else []
        return chosen

    def table(self) -> pl.DataFrame:
        """One row per kind of vector and task, and one per difference, whose `beside` names the rival."""
        plain = [
            {"by": row.by, "beside": None, "task": row.task, **_flat(row.auc), "ks": row.ks, "seconds": row.seconds}
            for row in self.rows
        ]
        less = [
            {"by": row.by, "beside": row.beside, "task": row.task, **_flat(row.auc), "ks": None, "seconds": None}
            for row in self.differences
        ]
        return pl.DataFrame(plain + less, infer_schema_length=None)


def compare(splits: Sequence[str], measured: Sequence[Sequence[ProbedTask]]) -> Compared:
    """Combine the figures of several splits of the same tasks.

    Args:
        splits: the salts.
        measured: the tasks of each split.
    """
    first = measured[0]
    shared = [
        row for row in first[0].result.rows if all(row.vectors in one.replicates for split in measured for one in split)
    ]
    areas = {row.vectors: _by_task(row.vectors, measured) for row in shared}
    gaps = {row.vectors: _gaps(row.vectors, measured) for row in shared}
    seconds = {row.vectors: np.mean([_row(split[0], row.vectors).seconds for split in measured]) for row in shared}
    rows = [
        ProbedRow(row.vectors, task, interval(values), gaps[row.vectors][task], row.rival, float(seconds[row.vectors]))
        for row in shared
        for task, values in areas[row.vectors].items()
    ]
    less = [
        ProbeDifference(vectors, row.vectors, task, interval(values - areas[row.vectors][task]))
        for vectors in CLAIMED
        for row in shared
        if row.rival
        for task, values in areas[vectors].items()
    ]
    sizes = {one.result.task: (one.result.users, one.result.positives) for one in first}
    notes = [note for split in measured for one in split for note in one.notes]
    return Compared(list(splits), sizes, rows, less, list(dict.fromkeys(notes)))


def _by_task(kind: str, measured: Sequence[Sequence[ProbedTask]]) -> dict[str, np.ndarray]:
    """The AUC on each task and on average, as observed and in each resampling, mean over splits: (1 + R,) each."""
    names = [one.result.task for one in measured[0]]
    areas = {name: np.mean([split[i].replicates[kind] for split in measured], axis=0) for i, name in enumerate(names)}
    return areas | {AVERAGE: np.mean(list(areas.values()), axis=0)}


def _gaps(kind: str, measured: Sequence[Sequence[ProbedTask]]) -> dict[str, float]:
    """The KS on each task and on average, mean over splits."""
    names = [one.result.task for one in measured[0]]
    gaps = {name: float(np.mean([_row(split[i], kind).ks.value for split in measured])) for i, name in enumerate(names)}
    return gaps | {AVERAGE: float(np.mean(list(gaps.values())))}


def _row(one: ProbedTask, kind: str) -> ProbeRow:
    return next(row for row in one.result.rows if row.vectors == kind)


def _flat(auc: Interval) -> dict[str, float]:
    return {"auc" if name == "value" else name: value for name, value in asdict(auc).items()}
