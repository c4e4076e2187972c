"""A decoder that reads a prefix once and many suffixes after it, by kept keys and values.

Equal to reading prefix and suffix together if no prefix position attends to the suffix, suffix positions go on from the
user's own prefix length, padding is masked, and the prefix does not depend on the question.

Legend: B users, T prefix tokens, Q suffixes, L tokens of each, d width, H key-value heads, d_h width of a head.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from findcli.models.anchor.masks import positions_of, suffix_bias

if TYPE_CHECKING:
    from transformers import DynamicCache, LlamaModel

BLOCK = 32  # suffixes packed behind each other; they do not see each other, and all scores are computed


@dataclass(frozen=True)
class Kept:
    """The keys and values of a prefix.

    Attributes:
        keys: of each layer, (B, H, T, d_h).
        values: of each layer, (B, H, T, d_h).
        valid: positions that are no padding, bool (B, T).
    """

    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    valid: Tensor

    def rows(self, users: slice | Tensor) -> Kept:
        """Those of some users."""
        return Kept([k[users] for k in self.keys], [v[users] for v in self.values], self.valid[users])


def new_decoder(*, layers: int, d_model: int, heads: int, key_value_heads: int) -> LlamaModel:
    """A small decoder of untrained weights; it reads embeddings and has no vocabulary.

    Args:
        layers: number of layers.
        d_model: width.
        heads: attention heads.
        key_value_heads: heads of keys and values; few keep caches small.
    """
    from transformers import LlamaConfig, LlamaModel  # takes seconds to import

    config = LlamaConfig(
        vocab_size=1, hidden_size=d_model, intermediate_size=2 * d_model, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=key_value_heads, max_position_embeddings=4096,
        pad_token_id=None, bos_token_id=None, eos_token_id=None, initializer_range=d_model**-0.5,
    )  # fmt: skip
    decoder = LlamaModel(config)
    attend_by_likeness(decoder)
    return decoder


@torch.no_grad()
def attend_by_likeness(decoder: LlamaModel) -> None:
    """Start the first layer's attention as the likeness of tokens: its queries begin as its keys.

    A question then reads the events that are like it before it has learned anything.
    """
    attention: Any = decoder.layers[0].self_attn
    keys = attention.k_proj.weight
    nn.init.normal_(keys, std=keys.shape[1] ** -0.5)
    groups = attention.q_proj.weight.shape[0] // keys.shape[0]
    heads = keys.unflatten(0, (-1, attention.head_dim)).repeat_interleave(groups, 0)
    attention.q_proj.weight.copy_(heads.flatten(0, 1))


def read_prefix(decoder: nn.Module, embeds: Tensor, valid: Tensor, bias: Tensor | None) -> tuple[Tensor, Kept]:
    """Read prefixes.

    Args:
        decoder: a Llama, Qwen2 or like it.
        embeds: tokens, (B, T, d).
        valid: those that are no padding, on either side, bool (B, T).
        bias: of `attention_bias`, (B, 1, T, T), or None for the causal mask.

    Returns:
        The last states, (B, T, d), and what to keep.
    """
    kept: Any = _empty_cache(decoder)
    states = decoder(
        inputs_embeds=embeds, attention_mask=bias, position_ids=positions_of(valid), use_cache=True,
        **{_cache_argument(decoder): kept},
    ).last_hidden_state  # fmt: skip
    return states, Kept([layer.keys for layer in kept.layers], [layer.values for layer in kept.layers], valid)


def read_suffixes(decoder: nn.Module, kept: Kept, embeds: Tensor) -> Tensor:
    """Read suffixes after kept prefixes, each as if it stood alone.

    Args:
        decoder: that of the prefix.
        kept: of `read_prefix`.
        embeds: tokens, (B, Q, L, d), or (1, Q, L, d) for the same suffixes after every prefix.

    Returns:
        The last states, (B, Q, L, d).
    """
    n_users, length = len(kept.valid), embeds.shape[2]
    states = []
    for block in torch.split(embeds, BLOCK, dim=1):
        packed = block.expand(n_users, -1, -1, -1).flatten(1, 2)  # (B, q * L, d)
        after = kept.valid.sum(1, keepdim=True)  # (B, 1)
        position = torch.arange(length, device=packed.device).repeat(block.shape[1])
        state = decoder(
            inputs_embeds=packed, position_ids=after + position, use_cache=True,
            attention_mask=suffix_bias(kept.valid, block.shape[1], length, dtype=kept.keys[0].dtype),
            **{_cache_argument(decoder): _cache_of(decoder, kept)},
        ).last_hidden_state  # fmt: skip
        states.append(state.unflatten(1, (block.shape[1], length)))
    return torch.cat(states, 1)


def attention_shares(decoder: nn.Module, kept: Kept, embeds: Tensor) -> Tensor:
    """Where the last token of one suffix looks, averaged over layers and heads: (B, T + L), rows that sum to 1.

    Args:
        decoder: that of the prefix.
        kept: of `read_prefix`.
        embeds: the suffix, (1, 1, L, d).
    """
    any_decoder: Any = decoder
    before = any_decoder.config._attn_implementation
    any_decoder.set_attn_implementation("eager")  # no other gives its weights
    try:
        n_users, length = len(kept.valid), embeds.shape[2]
        read = any_decoder(
            inputs_embeds=embeds[:, 0].expand(n_users, -1, -1), use_cache=True, output_attentions=True,
            position_ids=kept.valid.sum(1, keepdim=True) + torch.arange(length, device=embeds.device),
            attention_mask=suffix_bias(kept.valid, 1, length, dtype=kept.keys[0].dtype),
            **{_cache_argument(decoder): _cache_of(decoder, kept)},
        )  # fmt: skip
    finally:
        any_decoder.set_attn_implementation(before)
    weights: Tensor = torch.stack(read.attentions).mean((0, 2))[:, -1]
    return weights


def _cache_of(decoder: nn.Module, kept: Kept) -> DynamicCache:
    """A fresh cache: reading a suffix appends to it."""
    fresh = _empty_cache(decoder)
    for i, (keys, values) in enumerate(zip(kept.keys, kept.values, strict=True)):
        fresh.update(keys, values, i)
    return fresh


def _empty_cache(decoder: nn.Module) -> DynamicCache:
    from transformers import DynamicCache

    config: Any = decoder.config
    return DynamicCache(config=config)


def _cache_argument(decoder: nn.Module) -> str:
    """What transformers calls the cache: `past_key_values` until 5.23, then `cache`."""
    return "cache" if "cache" in inspect.signature(type(decoder).forward).parameters else "past_key_values"
