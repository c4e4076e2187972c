"""`findcli benchmark sizes`, `answered` and `reasons`: whether what a marketer is told of an audience holds.

Tested in tests/evaluation/benchmark/test_sizes.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Device, Json, Output, Quiet, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.cli.tables import bounds

DemandFiles = Annotated[
    list[Path], typer.Option("--demands", metavar="FILE", help="TSV of demands, see examples/demands; may be repeated.")
]
HalfOf = Annotated[
    Literal["tuning", "final", "all"],
    typer.Option("--half", help="Which half of the demands, by a hash of their words."),
]
Users = Annotated[int, typer.Option("--users", min=1, help="Users of each sentence.")]


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
        console.print_line(f"wrote {len(numbers.table):,} rows to {console.shown(output)}")


def answered(
    demands: DemandFiles,
    half: HalfOf = "all",
    output: Output = None,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure which demands get an expected number: those that the workspace can answer, and not the others."""
    settle_threads(threads)
    import polars as pl

    from findcli.audiences.export import write_audience
    from findcli.evaluation.benchmark.answered import measure_answered
    from findcli.workspace.folder import load_workspace

    ranking.require_parquet(output)
    table = measure_answered(load_workspace(folder), demands, half=half, device=device or "auto")
    if output is not None:
        write_audience(table, output)
    if as_json:
        console.print_json(table.to_dicts())
        return
    shares = table.group_by("file", "answerable", maintain_order=True).agg(
        pl.len().alias("demands"), pl.col("numbered").sum(), share=pl.col("numbered").mean()
    )
    console.print_table(
        ["file", "can be answered", "demands", "get a number", "share"],
        [[name, can, n, numbered, f"{share:.0%}"] for name, can, n, numbered, share in shares.rows()],
    )
    for demand, can, why in table.filter(pl.col("answerable") != pl.col("numbered")).select(
        "demand", "answerable", "why"
    ).rows():  # fmt: skip
        console.print_line(f'"{demand}": {why if can else "gets a number"}')


def reasons(
    users: Users = 10,
    folder: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure reasons: what deleting the named events costs users, beside as many random and recent ones."""
    settle_threads(threads)
    from dataclasses import asdict

    from findcli.evaluation.benchmark.reasons import measure_reasons
    from findcli.workspace.folder import load_workspace

    workspace = load_workspace(folder)
    with console.progress("explain", quiet=quiet) as progress:
        measured = measure_reasons(workspace, users=users, device=device or "auto", progress=progress)
    if as_json:
        console.print_json(asdict(measured))
        return
    console.print_line(
        f"{measured.users:,} users of {measured.sentences} sentences; {measured.events:.1f} events named; without them "
        f"{measured.out:.0%} would not be in the audience; another sentence names others for {measured.others:.0%}"
    )
    console.print_table(
        ["deleting the named events costs", "log odds", "95 %"],
        [
            ["on average", measured.named, ""],
            ["more than random ones", measured.more_than_random.value, bounds(measured.more_than_random)],
            ["more than the most recent", measured.more_than_recent.value, bounds(measured.more_than_recent)],
        ],
    )
