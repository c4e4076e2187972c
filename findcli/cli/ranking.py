"""What the commands that rank sentences print: columns, differences, calibration and a marketer's own demands.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from findcli.cli import console
from findcli.cli.tables import bounds, print_compared, signed, signed_bounds
from findcli.errors import FindCLIError

if TYPE_CHECKING:
    import polars as pl

    from findcli.evaluation.benchmark.calibration import Calibration
    from findcli.evaluation.benchmark.demand_reading import DemandReading
    from findcli.evaluation.benchmark.demands import DemandRow
    from findcli.evaluation.benchmark.figures import Row
    from findcli.evaluation.benchmark.run import Ranked
    from findcli.evaluation.probe_comparison import Compared


def require_parquet(path: Path | None) -> None:
    """Refuse an output file before any work is done.

    Raises:
        FindCLIError: its name does not end in .parquet, or its folder is missing.
    """
    from findcli.audiences.export import require_writable

    if path is None:
        return
    require_writable(path)
    if path.suffix.lower() != ".parquet":
        ending = f"ends in {path.suffix}" if path.suffix else "has no file extension"
        raise FindCLIError(f"{path} {ending}", hint="name a file that ends in .parquet")


def require_report(path: Path | None) -> None:
    """Refuse a report's file before any work is done.

    Raises:
        FindCLIError: its name does not end in .md, or its folder is missing.
    """
    from findcli.workspace.objects import url_of

    if path is not None and path.suffix.lower() != ".md":
        ending = f"ends in {path.suffix}" if path.suffix else "has no file extension"
        raise FindCLIError(f"{path} {ending}", hint="name a file that ends in .md")
    if path is not None and url_of(path) is None and not path.absolute().parent.is_dir():
        raise FindCLIError(f"there is no folder {path.absolute().parent}", hint="make it, or name another file")


def report(
    ranked: Ranked | None,
    demands: Sequence[DemandRow] = (),
    probed: Compared | None = None,
    *,
    output: Path | None = None,
    as_json: bool = False,
) -> None:
    """Print the sections that were run, and write the figures of every category.

    Args:
        ranked: the template sentences; None where they were not run.
        demands: the marketer's; empty where they were not run.
        probed: the linear probe; None where it was not run.
        output: a Parquet file for a row a split, ranker, column and category; the probe's rows go into a file of their
            own beside it where both were run.
        as_json: print for a program.
    """
    from findcli.audiences.export import write_audience

    tables = {}
    if output is not None and ranked is not None:
        tables[output] = ranked.table
    if output is not None and probed is not None:
        tables[output.with_stem(f"{output.stem}-probes") if tables else output] = probed.table()
    for path, table in tables.items():
        write_audience(table, path)
    if as_json:
        console.print_json(_plain(ranked, demands, probed))
        return
    if ranked is not None:
        _print_ranked(ranked)
    if demands:
        _print_demands(demands)
    if probed is not None:
        print_compared(probed)
    for path, table in tables.items():
        console.print_line(f"wrote {len(table):,} rows to {console.shown(path)}")


def _plain(ranked: Ranked | None, demands: Sequence[DemandRow], probed: Compared | None) -> dict[str, object]:
    """The sections for a program; the tables go to files alone."""
    from dataclasses import asdict

    sections: dict[str, object] = {"demands": [asdict(row) for row in demands]}
    if ranked is not None:
        sections["ranking"] = {
            "splits": ranked.splits, "users": ranked.users, "rows": [asdict(row) for row in ranked.rows],
            "differences": [asdict(row) for row in ranked.differences],
            "calibration": [asdict(row) for row in ranked.calibration], "notes": ranked.notes,
        }  # fmt: skip
    if probed is not None:
        sections["probes"] = asdict(probed)
    return sections


def _print_ranked(ranked: Ranked) -> None:
    splits = ", ".join(f'"{salt}"' for salt in ranked.splits)
    console.print_line(f"{ranked.users:,.0f} held-out users a split; splits {splits}; mean over categories and splits")
    print_auc(ranked.rows)
    console.print_table(
        ["in detail", "column", "AUC 95 %", "KS", "top tenth", "lift"],
        [[r.by, r.column, bounds(r.auc), r.ks, r.precision, r.lift] for r in ranked.rows],
    )
    if ranked.differences:
        console.print_table(
            ["findcli less", "column", "AUC", "95 %"],
            [[d.beside, d.column, signed(d.auc.value), signed_bounds(d.auc)] for d in ranked.differences],
        )
    if ranked.calibration:
        _print_calibration(ranked.calibration)
    for note in ranked.notes:
        console.print_warning(note)


def print_auc(rows: Sequence[Row]) -> None:
    """Print the AUC of every ranker, a column of users and categories each, and the seconds it took."""
    columns = list(dict.fromkeys(row.column for row in rows))
    cells = {(row.by, row.column): row for row in rows}
    names = list(dict.fromkeys(row.by for row in rows))
    table = []
    for name in names:
        of_ranker = [cells.get((name, column)) for column in columns]
        seconds = next(row.seconds for row in of_ranker if row is not None)
        table.append([name, *(None if row is None else row.auc.value for row in of_ranker), seconds])
    console.print_table(["AUC", *(column.replace("new buyers", "new") for column in columns), "seconds"], table)


def _print_calibration(rows: Sequence[Calibration]) -> None:
    console.print_line("probabilities: Brier and log loss as skill over the base rates known at the test date")
    console.print_table(
        ["calibrated", "column", "pairs", "Brier", "log loss", "slope", "intercept", "error"],
        [
            [r.by, r.column, r.pairs, r.brier_skill, r.log_loss_skill, r.slope, r.intercept, r.error]
            for r in rows
        ],
    )  # fmt: skip


def _print_demands(rows: Sequence[DemandRow]) -> None:
    figures = [(row.auc, row.rewritten_auc, row.template_auc) for row in rows]
    table: list[list[object]] = [[r.demand, r.positives, *three] for r, three in zip(rows, figures, strict=True)]
    means = [sum(values) / len(rows) for values in zip(*figures, strict=True)]
    console.print_table(["demand", "buyers", "AUC", "rewritten", "of its templates"], [*table, ["mean", None, *means]])


def report_reading(judged: pl.DataFrame, shares: pl.DataFrame, *, as_json: bool) -> None:
    """Print how many demands were read right, by kind, and those that were not."""
    if as_json:
        console.print_json({"kinds": shares.to_dicts(), "demands": judged.to_dicts()})
        return
    console.print_table(["kind", "demands", "right"], [list(row) for row in shares.iter_rows()])
    for row in judged.filter(~judged["right"]).iter_rows(named=True):
        ways = [row["expression"], row["past"] and f"past: {row['past']}", row["where"] and f"where: {row['where']}"]
        console.print_line(f'wrong: "{row["demand"]}": {"; ".join(filter(None, ways)) or "refused"}')


def report_rewriting(result: DemandReading, *, as_json: bool) -> None:
    """Print how demands were understood."""
    if as_json:
        from dataclasses import asdict

        console.print_json({
            "readers": [asdict(reader) for reader in result.readers],
            "ranking": None if result.ranking is None else asdict(result.ranking),
            "demands": result.table.to_dicts(),
        })  # fmt: skip
        return
    shown = ["read by", "demands", "first right", "95 %", "refused", "strange", "caught", "ms", "at most"]
    console.print_table(
        shown,
        [
            [
                r.by, r.answerable, r.first_right.value, bounds(r.first_right), r.refused, r.unanswerable, r.caught,
                *(f"{ms:.0f}" for ms in r.milliseconds),
            ]
            for r in result.readers
        ],
    )  # fmt: skip
    if result.ranking is not None:
        ranked, more = result.ranking, result.ranking.difference
        console.print_line(
            f"mean AUC over {ranked.demands} demands: raw {ranked.raw.value:.3f}, "
            f"rewritten {ranked.rewritten.value:.3f}; "
            f"difference {more.value:+.4f} ({more.low:+.4f} to {more.high:+.4f})"
        )
