"""LoRA on a text tower (Hu et al. 2021, arXiv 2106.09685); separate, since importing peft takes seconds.

Tested in tests/models/text/test_encoder.py.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from findcli.errors import FindCLIError
from findcli.models.text.encoder import TextEncoder

KEPT = 2**30  # bytes of activations that may be kept for the backward pass
BYTES = 80  # activation bytes per layer, token and dimension that the backward pass keeps: measured on SmolLM2
# Names of the query and value projections in common model families.
TARGETS = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "query_key_value", "qkv_proj", "c_attn")


def add_lora(tower: TextEncoder, *, rank: int, alpha: int, targets: Sequence[str] = (), layers: int = 0) -> None:
    """Wrap the tower's model in place, so that only low-rank updates of some linear maps are trained.

    Args:
        tower: the tower to wrap.
        rank: of the updates.
        alpha: scales the updates by alpha / rank.
        targets: names of linear maps, such as "q_proj"; if empty, the query and value projections.
        layers: how many of the last layers to adapt; 0 adapts all. Layers below need no gradient.

    Raises:
        FindCLIError: the model has no linear maps of these names, or fewer layers.
    """
    tower.model = with_lora(
        tower.model, task="FEATURE_EXTRACTION", rank=rank, alpha=alpha, targets=targets, layers=layers
    )


def with_lora(
    model: nn.Module, *, task: str, rank: int, alpha: int, targets: Sequence[str] = (), layers: int = 0
) -> nn.Module:
    """Wrap a model; see `add_lora` for the arguments and errors.

    Args:
        model: changed in place, too.
        task: peft's name of the task, such as "CAUSAL_LM".
        rank: of the updates.
        alpha: scales the updates by alpha / rank.
        targets: names of linear maps.
        layers: how many of the last layers to adapt.

    Returns:
        The wrapped model.
    """
    config = LoraConfig(task_type=task, r=rank, lora_alpha=alpha, target_modules=_targets(model, targets, layers))
    with warnings.catch_warnings():
        # peft asks transformers by the property's old name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        wrapped: nn.Module = get_peft_model(model, config)
    return wrapped


def bound_memory(tower: TextEncoder, *, tokens: int, layers: int = 0) -> bool:
    """Recompute a deep tower's activations in the backward pass: the same gradients, in a fifth more time.

    Args:
        tower: with its LoRA.
        tokens: the most tokens encoded at once.
        layers: how many of its last layers are adapted; 0 means all.

    Returns:
        Whether it now recomputes: only if keeping them would take more than `KEPT` bytes and the model supports it.
    """
    config, model = tower.model.config, tower.model
    kept = tokens * (layers or config.num_hidden_layers) * BYTES * config.hidden_size  # type: ignore[union-attr, operator]
    if kept <= KEPT or not getattr(model, "supports_gradient_checkpointing", False):
        return False
    # transformers 5.24 renamed the method and warns about the old name.
    new = getattr(model, "activation_checkpointing_enable", None)
    enable: Any = new or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    return True


def _targets(model: nn.Module, wanted: Sequence[str], layers: int) -> list[str] | str:
    """The names of the maps; for some of the layers, a pattern of their full names."""
    kinds = (nn.Linear, Conv1D)
    maps = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, kinds)}
    unknown = sorted(set(wanted) - maps)
    chosen = sorted(wanted or maps & set(TARGETS))
    if unknown or not chosen:
        lack = f"linear map called {unknown[0]!r}" if unknown else "query or value projections of a usual name"
        hint = f"set lora_targets in [align] to some of: {', '.join(sorted(maps))}"
        raise FindCLIError(f"the text model has no {lack}", hint=hint)
    if not layers:
        return chosen
    stack, depth = _stack(model)
    if layers > depth:
        raise FindCLIError(
            f"cannot adapt {layers} layers of a text model with {depth}",
            hint=f"set lora_layers in [align] to at most {depth}; 0 adapts all",
        )
    numbers = "|".join(map(str, range(depth - layers, depth)))
    return rf"(.*\.)?{re.escape(stack)}\.({numbers})\.(.*\.)?({'|'.join(map(re.escape, chosen))})"


def _stack(model: nn.Module) -> tuple[str, int]:
    """The name of the list of layers and its length: 1 if all layers share their weights, as in ALBERT."""
    lists = [(name, len(module)) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    return min(lists, key=lambda entry: entry[0].count("."), default=("", 0))


def merge_lora(tower: TextEncoder, adapter: Path) -> None:
    """Write the adapter to a folder and merge it into the tower's model, in place."""
    tower.model = merged(tower.model, adapter)


def merged(model: nn.Module, adapter: Path) -> nn.Module:
    """Write a wrapped model's adapter to a folder, and return the model with the adapter merged in."""
    assert isinstance(model, PeftModel)
    model.save_pretrained(str(adapter))
    _make_reproducible(adapter)
    plain: nn.Module = model.merge_and_unload()
    return plain


def _make_reproducible(adapter: Path) -> None:
    """Remove what differs between machines and processes: the base model's absolute path, and the order of a set."""
    (adapter / "README.md").unlink()
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = None
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
