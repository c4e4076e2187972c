"""Modules on disk and on devices: constructor arguments as JSON, weights as safetensors, and the choice of device."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from findcli.errors import FindCLIError, first_line
from findcli.training.loop import step_seed
from findcli.workspace.runs import Draft, Run
from findcli.workspace.stages import STAGES

Module = TypeVar("Module", bound=nn.Module)


def new_module(kind: Callable[..., Module], made_of: Mapping[str, Any], *, seed: int) -> Module:
    """Make a module whose initial weights depend only on the seed.

    Raises:
        FindCLIError: training it would take more memory than the machine has.
    """
    with torch.device("meta"):
        require_memory(kind(**made_of))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(seed, -1))
        return kind(**made_of)


def require_memory(module: nn.Module) -> None:
    """Refuse a module that is too large to train on this machine.

    Args:
        module: on the device "meta", so that it takes no memory itself.

    Raises:
        FindCLIError: its weights, gradients and two moments exceed the machine's memory.
    """
    needed = 4 * sum(weight.numel() * weight.element_size() for weight in module.parameters())
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        hint = "set a smaller width (d_model, d_token, d_embedding) or fewer layers in findcli.toml"
        sizes = f"{needed / 1e9:,.0f} GB of memory; this machine has {available / 1e9:.0f} GB"
        raise FindCLIError(f"training {type(module).__name__} would take {sizes}", hint=hint)


def save_module(draft: Draft, name: str, module: nn.Module, made_of: Mapping[str, Any]) -> None:
    """Write `name.json` and `name.safetensors`."""
    draft.json(f"{name}.json", dict(made_of))
    weights = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    save_file(weights, draft.path(f"{name}.safetensors"))


def load_module(run: Run, name: str, kind: Callable[..., Module], *, trained: bool = True) -> Module:
    """Load a module in eval mode, or remake the exact weights its training started from.

    Raises:
        FindCLIError: the weights cannot be read.
    """
    made_of = run.json(f"{name}.json")
    if not trained:
        return new_module(kind, made_of, seed=run.manifest.seed).eval()
    with torch.random.fork_rng(devices=[]):  # building it draws weights, which the file then replaces
        module = kind(**made_of)
    path = run.folder / f"{name}.safetensors"
    try:
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        hint = f"make it again: {STAGES[run.manifest.kind].command} --force"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
    return module.eval()


def select_device(name: str) -> torch.device:
    """Choose where tensors live: "cpu", "cuda" or "mps"; "auto" takes CUDA, else MPS, else the CPU.

    Raises:
        FindCLIError: the device is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, usable in available.items() if usable))
    if not available.get(name):
        raise FindCLIError(f"device {name!r} is not available here", hint="use --device auto or --device cpu")
    return torch.device(name)
