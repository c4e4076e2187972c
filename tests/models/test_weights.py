"""Modules on disk and on devices: the same seed, the same weights; what is read back; what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from findcli.errors import FindCLIError
from findcli.models.weights import load_module, new_module, require_memory, save_module
from findcli.workspace.runs import Run, build

SIZES = {"in_features": 4, "out_features": 3}


def saved(folder: Path, module: nn.Module) -> Run:
    return build(
        folder,
        lambda draft, _: save_module(draft, "map", module, SIZES),
        kind="tabular",
        settings={},
        inputs={},
        seed=7,
    )


def equal(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(first.state_dict()[name], weight) for name, weight in second.state_dict().items())


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = new_module(nn.Linear, SIZES, seed=7)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert equal(first, new_module(nn.Linear, SIZES, seed=7))
    assert not equal(first, new_module(nn.Linear, SIZES, seed=8))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_module_is_read_back_trained_and_untrained(tmp_path: Path) -> None:
    untrained, trained = new_module(nn.Linear, SIZES, seed=7), nn.Linear(**SIZES)
    run = saved(tmp_path / "run", trained)
    assert equal(load_module(run, "map", nn.Linear), trained)
    assert equal(load_module(run, "map", nn.Linear, trained=False), untrained)


def test_torn_weights_name_the_command_that_makes_them_again(tmp_path: Path) -> None:
    run = saved(tmp_path / "run", nn.Linear(**SIZES))
    path = run.folder / "map.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FindCLIError, match=r"map\.safetensors cannot be read") as error:
        load_module(run, "map", nn.Linear)
    assert error.value.hint == "make it again: findcli pretrain tabular --force"


def test_a_module_larger_than_the_memory_is_refused_before_it_is_made() -> None:
    with torch.device("meta"):
        require_memory(nn.Linear(64, 64))
        large = nn.Linear(10**8, 10**8)
    with pytest.raises(FindCLIError, match=r"training Linear would take 160,000,00\d GB of memory") as error:
        require_memory(large)
    assert "smaller width" in error.value.hint
