"""Kept keys and values give what reading everything at once gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import Qwen2Config, Qwen2Model

from findcli.models.anchor.decoder import new_decoder, read_prefix, read_suffixes
from findcli.models.anchor.masks import attention_bias, positions_of

B, T, L, D = 4, 6, 2, 16
LENGTHS = [6, 3, 1, 4]  # the third has no history: the user's own token alone


def decoder_of(family: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if family == "llama":
        return new_decoder(layers=2, d_model=D, heads=4, key_value_heads=1).eval()
    sizes = {"hidden_size": D, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    return Qwen2Model(Qwen2Config(vocab_size=8, num_key_value_heads=2, **sizes)).eval()


def valid_of(side: str) -> Tensor:
    at = torch.arange(T)
    return torch.stack([at < n if side == "right" else at >= T - n for n in LENGTHS])


def together(decoder: torch.nn.Module, prefix: Tensor, suffix: Tensor, kind: str) -> Tensor:
    """The states of one suffix read in one pass behind one prefix without padding; the prefix block alone is opened."""
    n = len(prefix)
    bias = attention_bias(
        "hybrid" if kind != "causal" else "causal",
        torch.ones(1, n + len(suffix), dtype=torch.bool),
        behaviour=(torch.arange(n + len(suffix)) < n)[None],
    )
    with torch.no_grad():
        whole = decoder(inputs_embeds=torch.cat([prefix, suffix])[None], attention_mask=bias).last_hidden_state
    return whole[0, n:]


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", ["causal", "hybrid", "bidirectional"])
@pytest.mark.parametrize("queries", [1, 300])
def test_kept_keys_and_values_equal_recomputing(family: str, side: str, kind: str, queries: int) -> None:
    decoder, valid = decoder_of(family), valid_of(side)
    prefix, suffixes = torch.randn(B, T, D), torch.randn(1, queries, L, D)
    with torch.no_grad():
        _, kept = read_prefix(decoder, prefix, valid, attention_bias(kind, valid))
        states = read_suffixes(decoder, kept, suffixes)
    assert states.shape == (B, queries, L, D)
    for user in range(B):
        for query in {0, queries // 2, queries - 1}:
            alone = together(decoder, prefix[user, valid[user]], suffixes[0, query], kind)
            torch.testing.assert_close(states[user, query], alone, atol=1e-5, rtol=0)


def test_a_user_is_read_alike_alone_and_beside_longer_ones() -> None:
    decoder, valid = decoder_of("llama"), valid_of("right")
    prefix = torch.randn(B, T, D)
    with torch.no_grad():
        states, _ = read_prefix(decoder, prefix, valid, attention_bias("bidirectional", valid))
        whole = torch.ones(1, 3, dtype=torch.bool)
        alone, _ = read_prefix(decoder, prefix[1:2, :3], whole, attention_bias("bidirectional", whole))
    torch.testing.assert_close(states[1, :3], alone[0], atol=1e-5, rtol=0)


def test_a_later_event_moves_no_earlier_state_under_the_causal_mask_and_does_under_an_open_one() -> None:
    decoder, valid = decoder_of("llama"), torch.ones(1, T, dtype=torch.bool)
    prefix = torch.randn(1, T, D)
    other = prefix.clone()
    other[:, -1] = torch.randn(D)
    for kind, moves in (("causal", False), ("bidirectional", True)):
        with torch.no_grad():
            one, two = (read_prefix(decoder, each, valid, attention_bias(kind, valid))[0] for each in (prefix, other))
        assert torch.equal(one[:, :-1], two[:, :-1]) is not moves


def test_gradients_reach_the_prefix_through_what_is_kept() -> None:
    decoder, valid = decoder_of("llama"), valid_of("right")
    prefix = torch.randn(B, T, D, requires_grad=True)
    _, kept = read_prefix(decoder, prefix, valid, attention_bias("causal", valid))
    read_suffixes(decoder, kept, torch.randn(1, 3, L, D)).sum().backward()
    assert prefix.grad is not None
    assert bool((prefix.grad.norm(dim=-1) > 0).equal(valid))


def test_positions_go_on_from_the_users_own_length() -> None:
    assert positions_of(valid_of("left"))[:, -1].tolist() == [n - 1 for n in LENGTHS]
