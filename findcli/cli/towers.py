"""`findcli benchmark towers`: text towers side by side, with what they are worth and what they cost.

Tested in tests/evaluation/benchmark/test_text_towers.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console, ranking
from findcli.cli.options import Changes, Device, DryRun, Json, Output, Quiet, Threads, WorkspaceDir
from findcli.cli.stage import prepare, print_plan

if TYPE_CHECKING:
    from findcli.evaluation.benchmark.text_towers import Cost, TowerTable

Towers = Annotated[str, typer.Option("--towers", metavar="NAMES", help="Which: all, or names with commas between.")]
Tasks = Annotated[bool, typer.Option("--tasks", help="Rank each task's users by its demand too; its labels are read.")]
Without = Annotated[
    Path | None, typer.Option("--without", metavar="FILE", help="Categories that are not evaluated, one a line.")
]


def towers(
    names: Towers = "all",
    changes: Changes = None,
    tasks: Tasks = False,
    without: Without = None,
    output: Output = None,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Align a workspace with one text tower after another; rank its held-out users by FIND's single vector.

    Each has run folders of its own, under runs/benchmark/towers; the workspace's own model stays as it is. Name the
    steps for all of them with --set align.steps=100.
    """
    from dataclasses import asdict

    from findcli.audiences.export import write_audience
    from findcli.data.splits import read_names
    from findcli.evaluation.benchmark.text_towers import chosen_towers, measure_towers, plan_towers

    chosen = chosen_towers(names)
    ranking.require_parquet(output)
    opened = prepare(workspace, threads=threads, changes=changes)
    if dry_run:
        print_plan(plan_towers(opened, chosen), as_json=as_json)
        return
    left_out = read_names(without) if without else ()
    with console.progress("towers", quiet=quiet) as progress:
        table = measure_towers(
            opened, chosen, without=left_out, tasks=tasks, device=device or "auto", progress=progress
        )
    if output is not None:
        write_audience(table.table, output)
    if as_json:
        console.print_json({key: value for key, value in asdict(table).items() if key != "table"})
    else:
        _print(table)


def _print(table: TowerTable) -> None:
    console.print_line(
        f"{table.users:,} held-out users; mean AUC over categories; towers ranked by FIND's single vector"
    )
    ranking.print_auc(table.rows)
    console.print_table(
        ["less the first", "column", "AUC", "95 %"],
        [
            [d.by, d.column, f"{d.auc.value:+.3f}", f"{d.auc.low:+.3f} to {d.auc.high:+.3f}"]
            for d in table.differences
        ],
    )  # fmt: skip
    console.print_table(
        ["costs", "steps", "seconds", "of CPU", "GiB", "ms a sentence", "MB", "weights"],
        [_cost(cost) for cost in table.costs],
    )
    if table.tasks:
        towers = list(dict.fromkeys(tower for _, tower, _ in table.tasks))
        aucs = {(task, tower): auc for task, tower, auc in table.tasks}
        names = list(dict.fromkeys(task for task, _, _ in table.tasks))
        rows = [[name, *(aucs[name, tower] for tower in towers)] for name in names]
        means = [sum(aucs[name, tower] for name in names) / len(names) for tower in towers]
        console.print_table(["task", *towers], [*rows, ["mean", *means]])


def _cost(cost: Cost) -> list[object]:
    spent = cost.training
    peak = None if spent.peak_bytes is None else f"{spent.peak_bytes / 2**30:.2f}"
    return [
        cost.tower, cost.steps, f"{cost.training_seconds:.0f}", f"{spent.cpu_seconds:.0f}", peak,
        f"{1000 * cost.sentence_seconds:.0f}", f"{cost.tower_bytes / 1e6:.0f}", f"{cost.parameters / 1e6:.1f} M",
    ]  # fmt: skip
