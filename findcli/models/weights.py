"""Modules in run folders and on devices: what one is made of as JSON, its weights as safetensors, where it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from findcli.errors import FindCLIError
from findcli.training.loop import step_seed
from findcli.workspace.runs import Draft, Run, first_line
from findcli.workspace.stages import STAGES

Module = TypeVar("Module", bound=nn.Module)


def new_module(kind: Callable[..., Module], made_of: Mapping[str, Any], *, seed: int) -> Module:
    """A module with initial weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(seed, -1))
        return kind(**made_of)


def save_module(draft: Draft, name: str, module: nn.Module, made_of: Mapping[str, Any]) -> None:
    """Write `name.json` and `name.safetensors`."""
    draft.json(f"{name}.json", dict(made_of))
    weights = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    save_file(weights, draft.path(f"{name}.safetensors"))


def load_module(run: Run, name: str, kind: Callable[..., Module], *, trained: bool = True) -> Module:
    """Read a module in eval mode, or make its untrained self: the very weights its training began with.

    Raises:
        FindCLIError: the weights cannot be read.
    """
    made_of = run.json(f"{name}.json")
    if not trained:
        return new_module(kind, made_of, seed=run.manifest.seed).eval()
    with torch.random.fork_rng(devices=[]):  # building it draws weights, which those on disk replace
        module = kind(**made_of)
    path = run.folder / f"{name}.safetensors"
    try:
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        hint = f"make it again: {STAGES[run.manifest.kind].command} --force"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
    return module.eval()


def select_device(name: str) -> torch.device:
    """Choose where tensors live: "cpu", "cuda" or "mps"; "auto" takes the first there is of CUDA, MPS and the CPU.

    Raises:
        FindCLIError: the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, is_there in there.items() if is_there))
    if not there.get(name):
        raise FindCLIError(f"device {name!r} is not available here", hint="use --device auto or --device cpu")
    return torch.device(name)
