"""Weights that a ranker begins with, learned in other worlds.

No feature names a concept, so what a count, a gap or a rate is worth carries over from shop to shop. The weights that
ship with findcli were learned from Complete Journey and from simulated demo worlds (`shipped/card.json` says which, and
by what command); a file for each world that benchmarks run on was learned without it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from findcli.errors import FindCLIError, first_line
from findcli.models.ranker.candidates import Ranker
from findcli.models.ranker.features import FEATURES
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import SHIPPED

NONE = "none"
SHIPPED_FILES = dict(zip(SHIPPED, ("all", "without-complete-journey", "without-demo"), strict=True))
RANKER = "runs/aligned/ranker.safetensors"
_SHIPPED = Path(__file__).parent / "shipped"


def load_start(workspace: Workspace) -> Ranker | None:
    """The network that `start` in [ranker] names, in eval mode; None for none.

    Raises:
        FindCLIError: there is no such file, or its features are not those of this version.
    """
    path = start_file(workspace)
    return None if path is None else read_start(path)


def start_file(workspace: Workspace) -> Path | None:
    """The file that the start is read from; None for none."""
    start = workspace.settings.ranker.start
    if start == NONE:
        return None
    if start in SHIPPED_FILES:
        return _SHIPPED / f"{SHIPPED_FILES[start]}.safetensors"
    path = workspace.path(start)
    return path / RANKER if path.is_dir() else path


def read_start(path: Path) -> Ranker:
    """Read a network from safetensors.

    Raises:
        FindCLIError: it cannot be read, or its features are not those of this version.
    """
    hint = (
        f'set start in [ranker] to "{SHIPPED[0]}", "{NONE}", a trained workspace or a file of findcli pretrain ranker'
    )
    try:
        weights = load_file(path)
        with safe_open(path, framework="pt") as opened:
            features = (opened.metadata() or {}).get("features")
    except (OSError, SafetensorError) as error:
        raise FindCLIError(f"the ranker's start {path} cannot be read: {first_line(error)}", hint=hint) from error
    other = features is not None and json.loads(features) != list(FEATURES)  # a trained workspace's says none
    if other or len(weights["mean"]) != len(FEATURES):
        raise FindCLIError(f"the ranker's start {path} reads other features than this version", hint=hint)
    with torch.random.fork_rng(devices=[]):
        network = Ranker(features=len(FEATURES), width=weights["perceptron.0.bias"].shape[0])
    network.load_state_dict(weights)
    return network.eval()


def write_start(network: Ranker, path: Path) -> None:
    """Write a network for `read_start`, with the names of its features."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, path, metadata={"features": json.dumps(list(FEATURES))})


def shipped_card() -> dict[str, Any]:
    """What the shipped weights were learned from: for each file the worlds, and the command."""
    card: dict[str, Any] = json.loads((_SHIPPED / "card.json").read_text(encoding="utf-8"))
    return card
