"""What commands print of next-event predictions beside baselines, and `findcli benchmark next-event`.

Tested in tests/evaluation/next_event/test_run.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Changes, Device, Json, Output, Quiet, Seed, Threads, WorkspaceDir
from findcli.cli.stage import parse_changes, prepare, settle_threads
from findcli.cli.tables import bounds, signed, signed_bounds
from findcli.errors import FindCLIError

if TYPE_CHECKING:
    from findcli.evaluation.next_event.protocol import Measured

Baselines = Annotated[
    str,
    typer.Option("--baselines", metavar="NAMES", help="Baselines beside it: all, none, or names, comma-separated."),
]
EveryInstant = Annotated[
    bool, typer.Option("--every-instant", help="Ask about every instant of the future window too, not the first alone.")
]
FromFile = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="FILE", help="Any table of user, order and item: leave-one-out, in place of a workspace."
    ),
]
Columns = Annotated[
    str, typer.Option("--columns", metavar="USER,ORDER,ITEM", help="The table's columns of user, order and item.")
]
Ablation = Annotated[
    bool, typer.Option("--ablation", help="Train and add each step of the paper's ablation, and ours: minutes each.")
]


def benchmark(
    file: FromFile = None,
    columns: Columns = "user,order,item",
    baselines: Baselines = "all",
    ablation: Ablation = False,
    every_instant: EveryInstant = False,
    output: Output = None,
    folder: WorkspaceDir = None,
    seed: Seed = None,
    changes: Changes = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank what comes next beside ten baselines: hit rates and NDCG over all tokens, with 95 % intervals.

    In a workspace held-out users are asked what they do first from train_until on; runs/next_event is made where it is
    missing. With --from, each user's last item is asked and the one before it tunes. Three columns: all, repeat (in the
    history) and new, and new also ranked among what is not in the history.

    Example: findcli benchmark next-event --from ratings.csv --columns user,time,item
    """
    settle_threads(threads)
    ranking.require_parquet(output)
    from findcli.evaluation.next_event import from_file, protocol, workspace
    from findcli.evaluation.next_event.baselines.encoder import ABLATION
    from findcli.evaluation.next_event.baselines.registry import chosen_names

    names, place = chosen_names(baselines), device or "auto"
    forms = list(ABLATION.items()) if ablation else []
    with console.progress("next event", quiet=quiet) as progress:
        if file is not None:
            if not file.is_file():
                raise FindCLIError(f"{file} is not a file", hint="name a table of user, order and item")
            settings = from_file.parse_small(parse_changes(changes or ()))
            parts = [name.strip() for name in columns.split(",")]
            world = from_file.open_world(file, parts, settings, seed=seed or 0, device=place, progress=progress)
        else:
            from findcli import pipeline

            opened = prepare(folder, threads=threads, changes=changes, seed=seed)
            for stage in ("events", "pairs", "next_event"):
                bound = pipeline.bind(opened, stage)
                bound.build(device=place, progress=progress)
            world = workspace.open_world(opened, every=every_instant, device=place, progress=progress)
        measured = protocol.measure(world, names, forms=forms, progress=progress)
    report(measured, output=output, as_json=as_json)


def report(measured: Measured, *, output: Path | None, as_json: bool) -> None:
    """Print the figures, a table for each column, and write all of them."""
    if output is not None:
        from findcli.audiences.export import write_audience

        write_audience(measured.table(), output)
    if as_json:
        from dataclasses import asdict

        console.print_json(asdict(measured))
        return
    console.print_line(
        f"{measured.title}: {measured.tokens:,} tokens are {measured.coverage:.1%} of training events; "
        f"{measured.users:,} users are asked; all tokens are ranked, those of the history too"
    )
    for asked, rows in measured.figures.items():
        for column in dict.fromkeys(row.column for row in rows):
            chosen = [row for row in rows if row.column == column and row.questions]
            if not chosen:
                continue
            title = f"{asked}, {column}: {chosen[0].questions:,} of {measured.questions[asked]:,} questions"
            console.print_table(
                ["ranked by", "HR@1", "HR@5", "95 %", "HR@10", "NDCG@10", "PANTHER less it, HR@5", "95 % "],
                [_row(row) for row in chosen],
                title=title,
            )
    if output is not None:
        console.print_line(f"wrote all figures to {output}")


def _row(row: Any) -> list[object]:
    values, less = row.values, row.less["HR@5"]
    figures = [f"{values[name].value:.4f}" for name in ("HR@1", "HR@5", "HR@10", "NDCG@10")]
    return [row.method, *figures[:2], bounds(values["HR@5"]), *figures[2:], signed(less.value), signed_bounds(less)]
