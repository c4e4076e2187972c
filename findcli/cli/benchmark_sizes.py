"""`findcli benchmark sizes`: whether the numbers that a marketer is told hold.

Tested in tests/evaluation/benchmark/test_sizes.py.
"""

from __future__ import annotations

from findcli.cli import console, ranking
from findcli.cli.options import Device, Json, Output, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.cli.tables import bounds


def sizes(
    output: Output = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare expected numbers and their intervals with who responded after train_until, category by category.

    Only users who took no part in training are counted.
    """
    settle_threads(threads)
    from dataclasses import asdict

    from findcli.audiences.export import write_audience
    from findcli.evaluation.benchmark.sizes import measure_sizes
    from findcli.workspace.folder import load_workspace

    ranking.require_parquet(output)
    numbers = measure_sizes(load_workspace(folder), device=device or "auto")
    if output is not None:
        write_audience(numbers.table, output)
    if as_json:
        plain = {name: value for name, value in asdict(numbers).items() if name != "table"}
        console.print_json({**plain, "covered": numbers.covered, "ratio": numbers.ratio})
        return
    console.print_line(
        f"{numbers.users:,} held-out users, {numbers.categories} categories; 90 % intervals cover "
        f"{numbers.covered:.1%} over all depths; realised over expected {numbers.ratio:.3f}"
    )
    console.print_table(
        ["best", "users", "expected", "realised", "ratio", "95 %", "covered", "half-width", "by chance alone"],
        [
            [
                f"{d.share:.0%}", d.users, f"{d.expected:.1f}", f"{d.realised:.1f}", d.ratio.value, bounds(d.ratio),
                f"{d.covered:.1%}", f"{d.half_width:.0%}", f"{d.by_chance:.1%}",
            ]
            for d in numbers.depths
        ],
    )  # fmt: skip
    console.print_table(
        ["precision asked", "possible in", "audiences", "missed", "users of those possible"],
        [[f"{k.precision:.0%}", k.categories, k.audiences, f"{k.missed:.1%}", f"{k.users:.0%}"] for k in numbers.kept],
    )
    if output is not None:
        console.print_line(f"wrote {len(numbers.table):,} rows to {output}")
