"""`findcli tune-prompt`: sharpen a sentence by a few seed users.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from findcli.cli import console
from findcli.cli.options import AsOf, Changes, Device, Force, Json, Model, Seed, Threads, WorkspaceDir
from findcli.cli.stage import plain, prepare
from findcli.workspace.durations import parse_instant

if TYPE_CHECKING:
    from findcli.workspace.runs import Run

Sentence = Annotated[
    str,
    typer.Argument(metavar="SENTENCE", help='Sentence to start from, such as "users likely to rent phones".'),
]
SeedFile = Annotated[
    Path,
    typer.Option(
        "--seeds",
        metavar="FILE",
        help="CSV, Parquet or JSONL file with user_id and label: 1 for a seed, 0 for a hard negative. If there is no "
        "0, hard negatives are mined.",
    ),
]
Method = Annotated[
    Literal["descent", "clusters"],
    typer.Option(
        "--method",
        help="Move the sentence's own tokens (descent), or learn tokens before it and a prototype of each class "
        "(clusters); clusters need the user tower qanchor.",
    ),
]
Name = Annotated[str, typer.Option("--name", "-n", metavar="NAME", help="Prompt name, for target --prompt.")]


def tune_prompt(
    sentence: Sentence,
    seeds: SeedFile,
    name: Name,
    method: Method = "descent",
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
    """Learn a prompt from a sentence and a few seed users, such as five seeds and five hard negatives.

    Hard negatives are users who look like the audience but do not belong to it. Everything but the prompt is frozen.
    Cross-validation over the seeds chooses how far the prompt moves; it may keep the sentence itself.
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
        method=method,
    )
    if as_json:
        console.print_json(plain(run))
        return
    _print(run, sentence, name)


def _print(run: Run, sentence: str, name: str) -> None:
    result = run.manifest.metrics
    mined = " (mined)" if result["mined"] else ""
    counts = f"{result['positives']:,} seeds, {result['hard_negatives']:,} hard negatives{mined}"
    console.print_line(f'"{sentence}": {counts}')
    if "attention_before" in result:
        console.print_line(f"{result['learned_tokens']} tokens and 2 prototypes learned in {result['steps']} steps")
        before, after = result["attention_before"], result["attention_after"]
        shares = [[part, before[part], after[part]] for part in before]
        console.print_table(["attention of the question to", "before", "after"], shares)
    elif result["steps"]:
        console.print_line(f"{result['learned_tokens']} tokens learned in {result['steps']} steps")
        if result["weight"] < 1:
            reason = "the sentence ranks the seeds below the average user"
            console.print_line(f"{reason}: its own score has weight {result['weight']:.2f}")
    else:
        console.print_line("the seeds add nothing to the sentence: the prompt is the sentence itself")
    rows = [["users at random", result["sentence_auc"], result["auc"]]]
    if result["hard_auc"] is not None:
        rows.append(["held-out hard negatives", result["sentence_hard_auc"], result["hard_auc"]])
    console.print_table(["held-out seeds against", "AUC of the sentence", "of the prompt"], rows)
    console.print_line("rank only: its scores are not calibrated probabilities")
    console.print_line(f"{run.folder}; rank by it with: findcli target --prompt {name}")
