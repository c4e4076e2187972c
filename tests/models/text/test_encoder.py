"""Text encoders of both kinds: pooling, padding, truncation, LoRA, and what a saved folder gives back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import processors
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, Qwen2Config, Qwen2Model

from findcli.errors import FindCLIError
from findcli.models.text import encoder as text
from findcli.models.text import lora
from findcli.models.text.encoder import TextEncoder, load_text_encoder, new_albert, new_text_encoder, pooling_of
from findcli.models.text.lora import add_lora, bound_memory, merge_lora
from findcli.models.text.pretrain import train_tokenizer

TEXTS = ["tea", "The user purchased tea.", "bread and cheese and soap for a week", "candles"]
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
KINDS = {
    "llama": (LlamaModel, LlamaConfig, {"num_key_value_heads": 1}),
    "qwen2": (Qwen2Model, Qwen2Config, {"num_key_value_heads": 1}),
    "bert": (BertModel, BertConfig, {}),
}
CAUSAL = ("llama", "qwen2")


def tower(kind: str, pooling: str = "auto", *, max_tokens: int = 16) -> TextEncoder:
    tokenizer: Any = train_tokenizer(TEXTS, vocabulary=300)
    model, config, more = KINDS[kind]
    torch.manual_seed(0)
    made = model(config(vocab_size=len(tokenizer), **SIZES, **more)).eval()
    return TextEncoder(
        model=made, tokenizer=tokenizer, max_tokens=max_tokens, pooling=pooling_of(made.config, pooling)
    ).eval()


def vectors(encoder: TextEncoder, texts: list[str]) -> torch.Tensor:
    found = torch.empty(len(texts), encoder.width)
    for rows, batch in encoder.vectors(texts):
        found[rows] = batch
    return found


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_what_stands_beside_a_text_change_no_vector(kind: str, pooling: str) -> None:
    encoder = tower(kind, pooling)
    together = vectors(encoder, TEXTS)
    torch.testing.assert_close(vectors(encoder, TEXTS[::-1]).flip(0), together, atol=0, rtol=0)
    with torch.no_grad():
        alone = torch.cat([encoder.embed([text]) for text in TEXTS])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    (ids,) = encoder.tokens(["tea"])
    padded, mask = torch.tensor([[*ids, 3, 3]]), torch.tensor([[1] * len(ids) + [0, 0]])
    with torch.no_grad():
        torch.testing.assert_close(encoder(padded, mask)[0], together[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("wide", [1, 10_000])
def test_many_texts_come_in_their_order(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "WIDE", wide)
    encoder = tower("llama")
    many = [f"{name} {i}" for i in range(40) for name in TEXTS]
    together = vectors(encoder, many)
    assert torch.equal(together[3:4], vectors(encoder, many[3:4]))
    with torch.no_grad():
        torch.testing.assert_close(encoder.embed(many), together, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_each_pooling_reads_the_tokens_it_names(kind: str) -> None:
    encoder = tower(kind, "last")
    (ids,) = encoder.tokens([TEXTS[1]])
    with torch.no_grad():
        hidden = encoder.model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    assert torch.allclose(vectors(encoder, [TEXTS[1]])[0], hidden[-1], atol=1e-5)
    mean = tower(kind, "mean")
    expected = hidden[1:].mean(0) if kind in CAUSAL else hidden.mean(0)  # without the attention sink
    assert torch.allclose(vectors(mean, [TEXTS[1]])[0], expected, atol=1e-5)


def test_a_text_of_one_token_has_a_mean_without_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tower("llama", "mean")
    monkeypatch.setattr(encoder, "tokens", lambda texts: [[7] for _ in texts])
    assert vectors(encoder, ["a"]).abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_without_a_token_has_a_vector(kind: str) -> None:
    encoder = tower(kind)
    encoder.tokenizer = without_ends(encoder.tokenizer)
    assert encoder.tokenizer([""])["input_ids"] == [[]]
    found = vectors(encoder, ["", "tea"])
    assert found.isfinite().all()
    assert found[0].abs().sum() > 0
    assert torch.equal(found[1], vectors(encoder, ["tea"])[0])


def without_ends(tokenizer: Any) -> Any:
    """The tokenizer without the special tokens that stand around a text, as those of most decoder-only models."""
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel()
    return tokenizer


def test_a_model_without_a_padding_token_pads_all_the_same() -> None:
    encoder = tower("llama")
    expected = vectors(encoder, TEXTS)
    encoder.tokenizer.pad_token = None
    assert torch.equal(vectors(encoder, TEXTS), expected)


@pytest.mark.parametrize("pooling", ["auto", "mean", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tower_pools_as_it_did(kind: str, pooling: str, tmp_path: Path) -> None:
    encoder = tower(kind, pooling)
    encoder.save(tmp_path / "tower", halve=True)
    again = load_text_encoder(str(tmp_path / "tower"), max_tokens=16).eval()
    assert again.pooling == encoder.pooling
    again.tokenizer = encoder.tokenizer  # transformers gives a folder of Qwen2 its own, whatever was saved
    assert torch.equal(vectors(again, TEXTS), vectors(encoder, TEXTS))  # rounded in memory as on the disk
    assert new_text_encoder(tmp_path / "tower", max_tokens=16, seed=0).pooling == encoder.pooling
    assert {weight.dtype for weight in again.parameters()} == {torch.float32}


def test_half_precision_halves_the_folder_and_hardly_moves_a_vector(tmp_path: Path) -> None:
    encoder = tower("qwen2")
    before = vectors(encoder, TEXTS)
    encoder.save(tmp_path / "whole")
    encoder.save(tmp_path / "half", halve=True)
    whole, half = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half"))
    assert half < 0.6 * whole
    assert torch.cosine_similarity(vectors(encoder, TEXTS), before).min() > 0.99999


def test_weights_beyond_half_precision_are_kept_whole(tmp_path: Path) -> None:
    encoder = tower("bert")
    with torch.no_grad():
        next(encoder.model.parameters())[0, 0] = 1e6
    before = vectors(encoder, TEXTS)
    encoder.save(tmp_path / "tower", halve=True)
    assert torch.equal(vectors(load_text_encoder(str(tmp_path / "tower"), max_tokens=16).eval(), TEXTS), before)


def test_a_pooling_that_is_unknown_or_torn_is_named(tmp_path: Path) -> None:
    tower("llama").save(tmp_path / "tower")
    path = tmp_path / "tower/pooling.json"
    for written, message in (
        (json.dumps({"pooling": "max"}), "names an unknown pooling, 'max'"),
        ("{", "cannot be read"),
    ):
        path.write_text(written)
        with pytest.raises(FindCLIError, match=message):
            load_text_encoder(str(tmp_path / "tower"), max_tokens=16)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_layers_are_those_of_the_whole_model(kind: str, tmp_path: Path) -> None:
    whole = tower(kind)
    whole.save(tmp_path / "tower")
    first = load_text_encoder(str(tmp_path / "tower"), max_tokens=16, layers=2).eval()
    weights, all_weights = first.model.state_dict(), whole.model.state_dict()
    assert len(weights) < len(all_weights)
    assert all(torch.equal(weight, all_weights[name]) for name, weight in weights.items())
    first.save(tmp_path / "first")
    again = load_text_encoder(str(tmp_path / "first"), max_tokens=16).eval()
    again.tokenizer = first.tokenizer
    assert torch.equal(vectors(again, TEXTS), vectors(first, TEXTS))
    with pytest.raises(FindCLIError, match=r"5 layers are asked of .* which has 4"):
        load_text_encoder(str(tmp_path / "tower"), max_tokens=16, layers=5)


@pytest.mark.parametrize("kind", KINDS)
def test_lora_trains_its_own_weights_alone_and_vanishes_when_merged(kind: str, tmp_path: Path) -> None:
    encoder = tower(kind).requires_grad_(requires_grad=False)
    frozen = {name: weight.clone() for name, weight in encoder.model.state_dict().items()}
    add_lora(encoder, rank=2, alpha=4, layers=1)
    trained = [name for name, weight in encoder.named_parameters() if weight.requires_grad]
    assert trained
    assert all("lora_" in name and ".3." in name for name in trained)  # the last of four layers
    optimizer = torch.optim.SGD([w for w in encoder.parameters() if w.requires_grad], lr=1.0)
    for _ in range(2):  # B starts at zero: A moves from the second step on
        encoder.embed(TEXTS).square().sum().backward()
        optimizer.step()
    adapted = vectors(encoder, TEXTS)
    base = encoder.model.get_base_model().state_dict()
    assert all(torch.equal(base[_wrapped(name, base)], weight) for name, weight in frozen.items())
    merge_lora(encoder, tmp_path / "adapter")
    assert set(encoder.model.state_dict()) == set(frozen)
    assert torch.allclose(vectors(encoder, TEXTS), adapted, atol=1e-5)
    assert (tmp_path / "adapter/adapter_model.safetensors").is_file()


def _wrapped(name: str, state: dict[str, torch.Tensor]) -> str:
    """What peft calls the weight of a map that it has wrapped."""
    stem, _, kind = name.rpartition(".")
    return name if name in state else f"{stem}.base_layer.{kind}"


def test_lora_adapts_the_named_maps_and_a_wrong_name_lists_the_right_ones() -> None:
    encoder = tower("llama")
    add_lora(encoder, rank=2, alpha=4, targets=("up_proj", "o_proj"))
    adapted = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in encoder.named_parameters() if "lora_" in name}
    assert adapted == {"up_proj", "o_proj"}
    with pytest.raises(FindCLIError, match="no linear map called 'query'") as refused:
        add_lora(tower("llama"), rank=2, alpha=4, targets=("q_proj", "query"))
    assert "down_proj" in refused.value.hint
    with pytest.raises(FindCLIError, match="cannot adapt 9 layers of a text model with 4"):
        add_lora(tower("llama"), rank=2, alpha=4, layers=9)


def test_layers_that_share_their_weights_are_one() -> None:
    tokenizer: Any = train_tokenizer(TEXTS, vocabulary=300)
    model = new_albert(tokenizer, d_model=16, layers=3, heads=2, max_tokens=16).base_model
    encoder = TextEncoder(model=model, tokenizer=tokenizer, max_tokens=16)
    add_lora(encoder, rank=2, alpha=4, layers=1)
    assert any("lora_" in name for name, _ in encoder.named_parameters())
    plain = TextEncoder(
        model=new_albert(tokenizer, d_model=16, layers=3, heads=2, max_tokens=16).base_model,
        tokenizer=tokenizer, max_tokens=16,
    )  # fmt: skip
    with pytest.raises(FindCLIError, match="cannot adapt 2 layers of a text model with 1"):
        add_lora(plain, rank=2, alpha=4, layers=2)


@pytest.mark.parametrize("kind", KINDS)
def test_recomputed_activations_give_the_same_gradients(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for kept in (lora.KEPT, 0):
        monkeypatch.setattr(lora, "KEPT", kept)
        encoder = tower(kind).requires_grad_(requires_grad=False)
        add_lora(encoder, rank=2, alpha=4)
        assert bound_memory(encoder, tokens=32) == (kept == 0)
        torch.manual_seed(1)  # of the dropout
        encoder.train().embed(TEXTS).square().sum().backward()
        found.append({name: w.grad for name, w in encoder.named_parameters() if w.grad is not None})
    kept_grads, recomputed = found
    assert kept_grads
    assert all(torch.equal(grad, recomputed[name]) for name, grad in kept_grads.items())
