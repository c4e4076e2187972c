"""`findcli pretrain`: train one encoder per modality on histories alone, or a ranker on several workspaces.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Device, Group, Quiet, Seed, Threads
from findcli.cli.stage import settle_threads, training_command
from findcli.errors import FindCLIError

HELPS = {
    "text": "Load or train the text encoder, and embed every distinct text of the histories.",
    "sequence": "Train the behaviour encoder to predict what comes next in a history.",
    "tabular": "Train the profile encoder to restore masked values and to spot replaced ones.",
    "next-event": "Train a Transformer over behaviour tokens to predict the next event (PANTHER).",
}
EXAMPLES = {
    "text": "Example: findcli pretrain text --device cuda",
    "sequence": "Example: findcli pretrain sequence --set sequence.steps=2000",
    "tabular": "Example: findcli pretrain tabular --seed 1 --force",
    "next-event": "Example: findcli pretrain next-event --set next_event.sprm=none",
}

Worlds = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Workspaces whose pairs and texts are made.")]
StartFile = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Safetensors file to write.")]
Steps = Annotated[int, typer.Option("--steps", min=0, help="Optimiser steps over all workspaces together.")]

app = typer.Typer(cls=Group, help="Train one encoder on histories alone.", no_args_is_help=True)
for name, text in HELPS.items():
    app.command(name, help=text, epilog=EXAMPLES[name])(training_command(name.replace("-", "_")))


@app.command("ranker", epilog="Example: findcli pretrain ranker shop-a shop-b -o start.safetensors")
def ranker(
    workspaces: Worlds,
    output: StartFile,
    steps: Steps = 1500,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a ranker on several workspaces alike, for others to start from, by the setting ranker.start.

    No feature of it names a product, so what it learns of counts, gaps and rates carries over to another shop.
    """
    settle_threads(threads)
    from dataclasses import replace

    from findcli.models.ranker.pretrain import pretrain_ranker
    from findcli.workspace.folder import load_workspace
    from findcli.workspace.settings import Ranker

    if output.suffix != ".safetensors" or not output.absolute().parent.is_dir():
        hint = "name a file that ends in .safetensors, in a folder that exists"
        raise FindCLIError(f"{output} cannot be written", hint=hint)
    opened = [load_workspace(folder) for folder in workspaces]
    with console.progress("ranker", quiet=quiet) as progress:
        figures = pretrain_ranker(
            opened, output, settings=replace(Ranker(), steps=steps), seed=seed or 0, device=device or "auto",
            progress=progress,
        )  # fmt: skip
    console.print_line(f"loss {figures['loss_first']:.3f} → {figures['loss_last']:.3f}; wrote {output}")
