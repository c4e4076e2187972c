"""A BERT's forward pass read straight from its folder, for a few texts: importing transformers' models takes seconds.

The commonest small text models (MiniLM, E5, BGE) are plain BERTs (Devlin et al. 2019, arXiv 1810.04805). Their vectors
agree with transformers' within 1e-5; of anything else this says that it cannot read it, and transformers does.

Shapes: B texts, L tokens, D width.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

PLAIN = {
    "model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False,
    "add_cross_attention": False,
}  # fmt: skip
FILES = ("config.json", "tokenizer.json", "model.safetensors")


def is_plain_bert(folder: Path) -> bool:
    """Whether a model folder holds a BERT that this reads, its tokens averaged into a vector."""
    if not all((folder / name).is_file() for name in FILES) or (folder / "pooling.json").exists():
        return False
    config = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
    return all(config.get(key, value) == value for key, value in PLAIN.items()) and "model_type" in config


class LightBert:
    """A BERT for inference.

    Args:
        folder: a model folder of which `is_plain_bert` holds.
        max_tokens: longer texts are cut.
    """

    def __init__(self, folder: Path, *, max_tokens: int) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        config: dict[str, Any] = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
        self._layers, self._heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self._eps, self._padding = float(config["layer_norm_eps"]), int(config["pad_token_id"] or 0)
        self._weights = {name: weight.float() for name, weight in load_file(folder / FILES[2]).items()}
        self._tokenizer = Tokenizer.from_file(str(folder / FILES[1]))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    @torch.no_grad()
    def few(self, texts: Sequence[str]) -> Tensor:
        """The mean of each text's last hidden states, not normalised: (B, D) on the CPU."""
        ids = [encoding.ids or [self._padding] for encoding in self._tokenizer.encode_batch(list(texts))]
        length = max(map(len, ids), default=1)
        tokens = torch.tensor([row + [self._padding] * (length - len(row)) for row in ids])  # (B, L)
        kept = torch.arange(length) < torch.tensor([len(row) for row in ids])[:, None]  # bool (B, L)
        hidden = self._embed(tokens)
        for layer in range(self._layers):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, kept)
        weights = kept.unsqueeze(-1).to(hidden.dtype)  # (B, L, 1)
        return (hidden * weights).sum(1) / weights.sum(1)

    def _embed(self, tokens: Tensor) -> Tensor:
        table = self._weights
        words = table["embeddings.word_embeddings.weight"][tokens]  # (B, L, D)
        kinds = table["embeddings.token_type_embeddings.weight"][0]  # (D,)
        places = table["embeddings.position_embeddings.weight"][: tokens.shape[1]]  # (L, D)
        return self._norm("embeddings.LayerNorm", words + kinds + places)

    def _layer(self, name: str, hidden: Tensor, kept: Tensor) -> Tensor:
        """One layer: attention, then the perceptron, each added to what it reads: (B, L, D)."""
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", hidden)
            .view(*hidden.shape[:2], self._heads, -1)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )  # (B, heads, L, D / heads)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=kept[:, None, None, :])
        attended = self._linear(f"{name}.attention.output.dense", seen.transpose(1, 2).flatten(2))
        hidden = self._norm(f"{name}.attention.output.LayerNorm", attended + hidden)
        inner = functional.gelu(self._linear(f"{name}.intermediate.dense", hidden))
        return self._norm(f"{name}.output.LayerNorm", self._linear(f"{name}.output.dense", inner) + hidden)

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, name: str, hidden: Tensor) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(hidden, weight.shape, weight, bias, self._eps)
