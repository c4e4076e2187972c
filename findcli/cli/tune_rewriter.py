"""`findcli tune-rewriter`: teach a language model which sentences of the vocabulary demands mean.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from typing import Annotated

import typer

from findcli.cli.options import Changes, Device, DryRun, Force, Json, Quiet, Seed, Threads, WorkspaceDir
from findcli.cli.stage import parse_changes, prepare, run_stage

Steps = Annotated[
    int | None, typer.Option("--steps", min=0, help="Optimiser steps; default: rewriter.steps of findcli.toml.")
]


def tune_rewriter(
    workspace: WorkspaceDir = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    changes: Changes = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Teach a language model this workspace's domain, then which sentences demands mean, with LoRA in two stages.

    It learns from dialogues and demands written from the vocabulary and the training users before train_until. To use
    the tuned model, set rewriter.model to "tuned" in findcli.toml.
    """
    overrides = [*(changes or ()), *([] if steps is None else [f"rewriter.steps={steps}"])]
    parse_changes(overrides)
    opened = prepare(workspace, threads=threads, changes=overrides, seed=seed)
    run_stage(opened, "rewriter", device=device, force=force, dry_run=dry_run, quiet=quiet, as_json=as_json)
