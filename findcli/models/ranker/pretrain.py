"""`findcli pretrain ranker`: a network that has seen several worlds, for workspaces to start from.

Tested in tests/models/ranker/test_start.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from findcli.errors import FindCLIError
from findcli.models.ranker.moments import World
from findcli.models.ranker.start import write_start
from findcli.models.ranker.train import fit_network
from findcli.models.weights import select_device
from findcli.progress import Progress
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Ranker as Settings


def pretrain_ranker(
    workspaces: Sequence[Workspace], output: Path, *, settings: Settings, seed: int = 0, device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, float]:  # fmt: skip
    """Train a network on several workspaces alike, and write it for `start` in [ranker].

    Args:
        workspaces: their pairs and texts are made.
        output: a file for safetensors.
        settings: of the training.
        seed: of weights and draws.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each step.

    Returns:
        The training's figures.

    Raises:
        FindCLIError: a workspace lacks its pairs or texts, or none of them has a sentence about its events.
    """
    worlds = [World.open(workspace, device=str(select_device(device))) for workspace in workspaces]
    lessons = [(world, world.moments) for world in worlds if world.moments]
    if not lessons:
        hint = "give workspaces whose sources feed sentences"
        raise FindCLIError("no workspace has a sentence about single events to learn from", hint=hint)
    examples = torch.cat([world.examples(moments)[0] for world, moments in lessons])
    share = 1 / len(lessons)
    network, history = fit_network(
        lessons, settings, start=None, seed=seed, scale=examples, own_share=share, progress=progress
    )
    write_start(network, output)
    return history.summary()
