"""`findcli tune-prompt`: sharpen a sentence by a few seed users.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import AsOf, Changes, Device, Force, Json, Model, Seed, Threads, WorkspaceDir
from findcli.cli.stage import plain, prepare
from findcli.workspace.durations import parse_instant

if TYPE_CHECKING:
    from findcli.workspace.runs import Run

Sentence = Annotated[str, typer.Argument(help='Where the prompt begins, such as "users likely to rent phones".')]
SeedFile = Annotated[
    Path,
    typer.Option(
        "--seeds",
        metavar="FILE",
        help="CSV, Parquet or JSONL of user_id and label: 1 for a seed, 0 for a hard negative. Without a 0, mined.",
    ),
]
Name = Annotated[str, typer.Option("--name", "-n", help="Of the prompt, for target --prompt.")]


def tune_prompt(
    sentence: Sentence,
    seeds: SeedFile,
    name: Name,
    as_of: AsOf = None,
    model: Model = None,
    workspace: WorkspaceDir = None,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Learn a prompt from a sentence and a few seed users, five and five, everything else frozen.

    Hard negatives are users who look like the audience and are not. Cross-validation over the seeds chooses how far
    the prompt goes; it may choose the sentence itself.
    """
    opened = prepare(workspace, threads=threads, changes=changes, seed=seed)
    from findcli.audiences.prompts import tune
    from findcli.workspace.folder import load_workspace

    run = tune.tune_prompt(
        opened,
        sentence,
        seeds,
        name,
        as_of=None if as_of is None else parse_instant(as_of),
        model=None if model is None else load_workspace(model),
        device=device or "auto",
        force=force,
    )
    if as_json:
        console.print_json(plain(run))
        return
    _print(run, sentence, name)


def _print(run: Run, sentence: str, name: str) -> None:
    found = run.manifest.metrics
    mined = " (mined)" if found["mined"] else ""
    console.print_line(f'"{sentence}": {found["positives"]:,} seeds, {found["hard_negatives"]:,} hard negatives{mined}')
    if found["steps"]:
        console.print_line(f"{found['learned_tokens']} tokens learned in {found['steps']} steps")
        if found["weight"] < 1:
            told = "the seeds lie below the average user by the sentence: its own score"
            console.print_line(f"{told} counts {found['weight']:.2f} times")
    else:
        console.print_line("the seeds do not say more than the sentence: the prompt is the sentence itself")
    rows = [["users at random", found["sentence_auc"], found["auc"]]]
    if found["hard_auc"] is not None:
        rows.append(["hard negatives left out", found["sentence_hard_auc"], found["hard_auc"]])
    console.print_table(["seeds left out, against", "AUC of the sentence", "of the prompt"], rows)
    console.print_line("rank only: its scores are no calibrated probabilities")
    console.print_line(f"{run.folder}; rank by it with: findcli target --prompt {name}")
