"""Where an interrupted training stands: one safetensors file, replaced whole, with the history in its metadata.

Tested in tests/training/test_loop.py.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from findcli.workspace.disk import settle

_WEIGHTS, _BEST, _MOMENTS = "weights", "best", "optimizer"


def save_checkpoint(
    path: Path,
    *,
    weights: Mapping[str, Tensor],
    best: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    history: Mapping[str, Any],
) -> None:
    """Write a checkpoint beside its place, then put it there at once.

    Args:
        path: the file.
        weights: trained weights by name.
        best: the best weights so far by name; may be empty.
        optimizer: its state tensors are kept, not its options.
        history: anything JSON can hold.
    """
    tensors = {f"{_WEIGHTS}/{name}": weight for name, weight in weights.items()}
    tensors |= {f"{_BEST}/{name}": weight for name, weight in best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{_MOMENTS}/{index}/{name}": moment for name, moment in moments.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(whole, unfinished, metadata={"history": json.dumps(history)})
    settle(unfinished)
    unfinished.replace(path)


def load_checkpoint(
    path: Path, *, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Take weights and optimiser back to a checkpoint.

    Args:
        path: the file.
        weights: overwritten in place.
        optimizer: its state is overwritten.

    Returns:
        The history and the best weights so far, which may be empty.

    Raises:
        ValueError: the checkpoint is of other weights.
    """
    with safe_open(path, framework="pt") as file:
        history = json.loads(file.metadata()["history"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    saved = _below(tensors, _WEIGHTS)
    if _shapes(saved) != _shapes(weights):
        raise ValueError(f"{path} holds other weights than those in training")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(saved[name])
    _restore_moments(optimizer, _below(tensors, _MOMENTS))
    return history, _below(tensors, _BEST)


def _restore_moments(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, moment in moments.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = moment
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _below(tensors: Mapping[str, Tensor], folder: str) -> dict[str, Tensor]:
    start = f"{folder}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
