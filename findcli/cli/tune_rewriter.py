"""`findcli tune-rewriter`: a language model learns which sentences of the vocabulary demands mean."""

from __future__ import annotations

from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Changes, Device, DryRun, Force, Json, Quiet, Seed, Threads, WorkspaceDir
from findcli.cli.stage import parse_changes, plain, prepare, print_plan, print_run

Steps = Annotated[int | None, typer.Option("--steps", min=0, help="Optimiser steps; those of [rewriter] else.")]


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
    """Teach a language model this workspace's domain, then which sentences demands mean; LoRA, in two stages.

    Dialogues and demands are written from the vocabulary and from training users before train_until. The model is used
    where [rewriter] says model = "tuned".
    """
    wanted = [*(changes or ()), *([] if steps is None else [f"rewriter.steps={steps}"])]
    parse_changes(wanted)
    found = prepare(workspace, threads=threads, changes=wanted, seed=seed)
    from findcli.demands import tune

    reason = tune.why_stale(found) or ("--force" if force else None)
    if dry_run:
        print_plan([("rewriter", reason)] if reason else [], as_json=as_json)
        return
    with console.progress("rewriter", quiet=quiet or reason is None) as progress:
        run = tune.tune_rewriter(found, device=device or "auto", force=force, progress=progress)
    if as_json:
        console.print_json({**plain(run), "made": reason is not None})
    else:
        print_run(run, made=reason is not None)
