"""LoRA on a text tower (Hu et al. 2021); a module of its own, since importing peft takes seconds."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from findcli.encoders.text import TextEncoder

# What the families of models call the projections of queries and values.
TARGETS = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin")


def add_lora(tower: TextEncoder, *, rank: int, alpha: int) -> None:
    """Wrap the tower's model in place, so that only low-rank updates of its queries and values are trained.

    Raises:
        ValueError: the model has no projections of these names.
    """
    names = {name.rsplit(".", 1)[-1] for name, module in tower.model.named_modules() if isinstance(module, nn.Linear)}
    config = LoraConfig(
        task_type="FEATURE_EXTRACTION", r=rank, lora_alpha=alpha, target_modules=sorted(names & set(TARGETS))
    )
    with warnings.catch_warnings():
        # Of peft's own making: it asks transformers by the old name of the property.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        tower.model = get_peft_model(tower.model, config)


def merge_lora(tower: TextEncoder, adapter: Path) -> None:
    """Write the adapter to a folder and merge it into the tower's model, in place."""
    model = tower.model
    assert isinstance(model, PeftModel)
    model.save_pretrained(str(adapter))
    _make_reproducible(adapter)
    tower.model = model.merge_and_unload()


def _make_reproducible(adapter: Path) -> None:
    """Take out what differs by machine and process: the base model's absolute path, and a set in no fixed order."""
    (adapter / "README.md").unlink()
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": None, "target_modules": sorted(config["target_modules"])}
    path.write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
