"""`findcli benchmark speed`: every row several times, findcli and its counterpart in turn.

A busy machine shows in wall time and less in CPU seconds, so both are kept; a ratio is that of two neighbouring runs.

Tested in tests/evaluation/benchmark/test_speed.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import get_args

import polars as pl

from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.speed.processes import Cost, measure
from findcli.evaluation.benchmark.speed.rows import ROWS, Limit, Measure, Place, Row
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import Workspace, load_workspace

OURS, THEIRS = "findcli", "beside"
REPETITIONS, QUICK_REPETITIONS = 5, 2
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class Spread:
    """A figure of several repetitions: the median, the least and the largest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Measured:
    """One row, measured.

    Attributes:
        row: its name.
        what: what was measured.
        beside: the counterpart.
        ours: findcli's figures by measure; empty where it was not measured.
        theirs: the counterpart's.
        ratios: findcli's over the counterpart's.
        limits: what had to be reached.
        note: why something is missing.
    """

    row: str
    what: str
    beside: str
    ours: dict[Measure, Spread] = field(default_factory=dict)
    theirs: dict[Measure, Spread] = field(default_factory=dict)
    ratios: dict[Measure, Spread] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    note: str = ""

    @property
    def within(self) -> bool | None:
        """Whether every limit is kept by the median; None where one was not measured."""
        values = [(self.ratios if limit.ratio else self.ours).get(limit.measure) for limit in self.limits]
        if not values or None in values:
            return None
        return all(v is not None and v.value <= limit.most for v, limit in zip(values, self.limits, strict=True))


def chosen_rows(only: Sequence[str], *, quick: bool) -> list[Row]:
    """The rows to measure: those named, or all; without a name a quick benchmark leaves long ones out.

    Raises:
        FindCLIError: there is no row of a name.
    """
    by_name = {row.name: row for row in ROWS}
    if unknown := [name for name in only if name not in by_name]:
        raise FindCLIError(f"there is no row {unknown[0]!r}", hint=f"name one of {', '.join(by_name)}")
    return [by_name[name] for name in only] if only else [row for row in ROWS if not (quick and row.long)]


def measure_speed(
    workspace: Workspace,
    rows: Sequence[Row],
    *,
    repetitions: int | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Measure rows on a copy of a trained workspace, which stays as it is.

    Args:
        workspace: it has been run.
        rows: of `chosen_rows`.
        repetitions: of each side; some rows take fewer.
        quick: work on less where that can be.
        progress: called after each repetition.

    Returns:
        One row per repetition and side: row, side, repetition, wall, cpu, peak, items and, where something is
        missing, `note`.

    Raises:
        FindCLIError: the workspace is not trained, or findcli's side of a row fails.
    """
    wanted = repetitions or (QUICK_REPETITIONS if quick else REPETITIONS)
    times = {row.name: min(wanted, row.repetitions) for row in rows}
    records, total = [], sum(times.values())
    with _copy(workspace) as place:
        copy = Place(place.workspace, place.scratch, quick)
        for row in rows:
            for repetition in range(times[row.name]):
                records += _one(row, copy, repetition)
                (progress or no_progress)(len({(r["row"], r["repetition"]) for r in records}), total, {})
    return pl.DataFrame(records, schema=SCHEMA)


SCHEMA = {
    "row": pl.String, "side": pl.String, "repetition": pl.Int64, "wall": pl.Float64, "cpu": pl.Float64,
    "peak": pl.Int64, "items": pl.Int64, "note": pl.String,
}  # fmt: skip


def _one(row: Row, place: Place, repetition: int) -> list[dict[str, object]]:
    """Both sides of a row once; who comes first alternates."""
    sides = {OURS: row.ours} | ({} if row.theirs is None or row.lacking else {THEIRS: row.theirs})
    records: list[dict[str, object]] = []
    for side in sorted(sides, reverse=repetition % 2 == 0):
        cost = measure(sides[side](place), place.scratch)
        records.append({"row": row.name, "side": side, "repetition": repetition, **vars(cost), "note": row.lacking})
    return records


@contextmanager
def _copy(workspace: Workspace) -> Iterator[Place]:
    """A copy of a workspace in a temporary folder, files linked where the disk allows: stages replace files whole.

    Raises:
        FindCLIError: its runs lie outside its folder.
    """
    if not workspace.runs.is_relative_to(workspace.folder):
        raise FindCLIError(f"the runs lie in {workspace.runs}, outside the workspace", hint="copy it without `runs`")
    with tempfile.TemporaryDirectory(prefix="findcli-speed-") as temporary:
        scratch = Path(temporary)
        copied = shutil.copytree(workspace.folder, scratch / "workspace", copy_function=_link)
        yield Place(load_workspace(copied), scratch)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def summarise(records: pl.DataFrame) -> list[Measured]:
    """Every row that was measured: figures with their spread, and ratios of neighbouring runs."""
    return [_summary(row, records.filter(pl.col("row") == row.name)) for row in ROWS if row.name in set(records["row"])]


def _summary(row: Row, records: pl.DataFrame) -> Measured:
    ours, theirs = (_costs(records, side) for side in (OURS, THEIRS))
    pairs = [(ours[i], theirs[i]) for i in sorted(ours.keys() & theirs.keys())]
    ratios = {
        name: Spread.of([_each(us, name) / _each(them, name) for us, them in pairs])
        for name in MEASURES
        if pairs and all(_each(them, name) > 0 for _, them in pairs)
    }
    notes = sorted(set(records["note"].drop_nulls()) - {""})
    return Measured(
        row.name, row.what, row.beside, _spreads(ours), _spreads(theirs), ratios, row.limits, "; ".join(notes)
    )


def _costs(records: pl.DataFrame, side: str) -> dict[int, Cost]:
    chosen = records.filter(pl.col("side") == side)
    return {
        r["repetition"]: Cost(wall=r["wall"], cpu=r["cpu"], peak=r["peak"], items=r["items"])
        for r in chosen.iter_rows(named=True)
    }


def _spreads(costs: dict[int, Cost]) -> dict[Measure, Spread]:
    return {name: Spread.of([float(getattr(c, name)) for c in costs.values()]) for name in MEASURES} if costs else {}


def _each(cost: Cost, name: Measure) -> float:
    """A figure of one run, time a million items where both sides count theirs."""
    value = float(getattr(cost, name))
    return value / cost.items if cost.items and name != "peak" else value


@dataclass(frozen=True)
class Change:
    """How one measure of a row moved since an earlier benchmark.

    Attributes:
        row: its name.
        measure: "wall", "cpu" or "peak".
        relative: whether the ratio to the counterpart is compared, which a busy machine moves little.
        times: now over then; below 1 is faster.
        slower: whether it grew by more than both spreads explain.
    """

    row: str
    measure: Measure
    relative: bool
    times: Spread
    slower: bool


def compare(now: pl.DataFrame, then: pl.DataFrame) -> list[Change]:
    """Compare two benchmarks, row by row, as `measure_speed` returns them."""
    before = {measured.row: measured for measured in summarise(then)}
    return [
        change
        for measured in summarise(now)
        if measured.row in before
        for change in _changes(measured, before[measured.row])
    ]


def _changes(now: Measured, then: Measured) -> Iterator[Change]:
    for name in MEASURES:
        relative = name in now.ratios and name in then.ratios
        new, old = (each.ratios.get(name) if relative else each.ours.get(name) for each in (now, then))
        if new is None or old is None or old.low <= 0:
            continue
        times = Spread(new.value / old.value, new.low / old.high, new.high / old.low)
        yield Change(now.row, name, relative, times, slower=times.low > 1)
