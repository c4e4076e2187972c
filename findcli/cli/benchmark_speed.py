"""`findcli benchmark speed`: how fast findcli is, beside counterparts measured in the same run.

Tested in tests/evaluation/benchmark/test_speed.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Json, Output, Quiet, WorkspaceDir

if TYPE_CHECKING:
    import polars as pl

    from findcli.evaluation.benchmark.speed.measure import Change, Measured, Spread
    from findcli.evaluation.benchmark.speed.rows import Limit, Measure

Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="ROW", help="Measure this row alone; may be repeated.")
]
QuickLook = Annotated[bool, typer.Option("--quick", help="Leave out what takes minutes, and work on less.")]
Repetitions = Annotated[int | None, typer.Option("--repetitions", min=1, help="Runs of each side; default: 5.")]
Compare = Annotated[
    Path | None,
    typer.Option("--compare", metavar="FILE", help="An earlier -o: say what is slower now."),
]


def speed(
    only: Only = None,
    quick: QuickLook = False,
    repetitions: Repetitions = None,
    output: Output = None,
    compare: Compare = None,
    folder: WorkspaceDir = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how long findcli's work takes, each row beside a counterpart that does the like, in turn.

    Prints CPU seconds, wall time and peak memory, and ratios from the least to the largest of the repetitions. It works
    on a copy of a trained workspace; what a counterpart needs is installed by you, and the row says how.
    """
    from findcli.audiences.export import write_audience
    from findcli.evaluation.benchmark.speed import measure
    from findcli.workspace.folder import load_workspace

    ranking.require_parquet(output)
    then = None if compare is None else _read(compare)
    rows = measure.chosen_rows(only or (), quick=quick)
    with console.progress("measure", quiet=quiet) as progress:
        records = measure.measure_speed(
            load_workspace(folder), rows, repetitions=repetitions, quick=quick, progress=progress
        )
    if output is not None:
        write_audience(records, output)
    summary = measure.summarise(records)
    changes = [] if then is None else measure.compare(records, then)
    if as_json:
        from dataclasses import asdict

        plain = [{**asdict(row), "within": row.within} for row in summary]
        console.print_json({"rows": plain, "changes": [asdict(change) for change in changes]})
        return
    _print(summary)
    if then is not None:
        _print_changes(changes)
    if output is not None:
        console.print_line(f"wrote {len(records):,} rows to {output}")


def _read(path: Path) -> pl.DataFrame:
    """The measurements of an earlier benchmark.

    Raises:
        FindCLIError: the file cannot be read, or is none.
    """
    import polars as pl

    from findcli.errors import FindCLIError, first_line
    from findcli.evaluation.benchmark.speed.measure import SCHEMA

    try:
        return pl.read_parquet(path, columns=list(SCHEMA))
    except (OSError, pl.exceptions.PolarsError) as error:
        hint = "name a file that findcli benchmark speed -o wrote"
        raise FindCLIError(f"{path} holds no earlier measurements: {first_line(error)}", hint=hint) from error


def _print(rows: list[Measured]) -> None:
    console.print_table(
        ["row", "CPU s", "wall s", "peak MB", "beside: CPU s", "wall s ", "CPU ratio", "wall ratio", "to reach", ""],
        [
            [
                row.row, _value(row.ours, "cpu"), _value(row.ours, "wall"), _megabytes(row), _value(row.theirs, "cpu"),
                _value(row.theirs, "wall"), _spread(row.ratios.get("cpu")), _spread(row.ratios.get("wall")),
                ", ".join(_limit(limit) for limit in row.limits), _verdict(row),
            ]
            for row in rows
        ],
    )  # fmt: skip
    for row in rows:
        console.print_line(f"{row.row}: {row.what}" + (f", beside {row.beside}" if row.beside else ""))
        if row.note:
            console.print_warning(f"{row.row}: the counterpart is {row.note}")


def _print_changes(changes: list[Change]) -> None:
    slower = [change for change in changes if change.slower]
    if not slower:
        console.print_line("nothing became slower than then by more than the spreads")
        return
    rows = [[c.row, f"{c.measure} ratio" if c.relative else c.measure, _spread(c.times)] for c in slower]
    console.print_table(["slower now", "measure", "times as before"], rows)


def _value(figures: dict[Measure, Spread], name: Measure) -> str:
    return _short(figures[name].value) if name in figures else ""


def _megabytes(row: Measured) -> str:
    return f"{row.ours['peak'].value / 2**20:,.0f}" if "peak" in row.ours else ""


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _spread(spread: Spread | None) -> str:
    return "" if spread is None else f"{_short(spread.value)} ({_short(spread.low)}-{_short(spread.high)})"


def _limit(limit: Limit) -> str:
    if limit.ratio:
        return f"{limit.measure} x {limit.most:g}"
    return f"{limit.most / 2**30:g} GiB" if limit.measure == "peak" else f"{limit.measure} {limit.most:g} s"


def _verdict(row: Measured) -> str:
    return {None: "", True: "reached", False: "missed"}[row.within]
