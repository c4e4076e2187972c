"""`findcli build-pairs`: pair histories before each cutoff with sentences about what came after.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from findcli.cli import console, stage
from findcli.cli.options import (
    Address,
    Changes,
    DryRun,
    EngineChoice,
    Force,
    Json,
    Quiet,
    Threads,
    Workers,
    WorkspaceDir,
)

if TYPE_CHECKING:
    from findcli.workspace.runs import Run

EXAMPLES = 2


def build_pairs(
    workspace: WorkspaceDir = None,
    engine: EngineChoice = "local",
    workers: Workers = None,
    address: Address = None,
    threads: Threads = None,
    changes: Changes = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Split every history at its cutoffs: inputs from before, sentences about what came after."""
    from findcli.execution.choose import choose_engine

    chosen = choose_engine(engine, workers=workers, address=address)
    opened = stage.prepare(workspace, threads=threads, changes=changes)
    run = stage.run_stage(opened, "pairs", force=force, dry_run=dry_run, quiet=quiet, as_json=as_json, engine=chosen)
    if run is not None and not as_json:
        _print_examples(run)


def _print_examples(run: Run) -> None:
    """Print the best supported sentences of each family."""
    sentences = run.table("sentences.parquet").sort("support", "text", descending=[True, False])
    best = sentences.group_by("family", maintain_order=True).head(EXAMPLES)
    console.print_table(["sentence", "family", "true of"], best.select("text", "family", "support").rows())
