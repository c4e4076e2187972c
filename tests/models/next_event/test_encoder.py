"""The encoder: causal, blind to padding, with odds that are probabilities, and learning what repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from findcli.models.next_event.encoder import NextEventEncoder
from findcli.training.token_histories import ProfileTable, TokenBatch, TokenHistories

V = 6
MADE_OF: dict[str, Any] = {
    "inputs": V + 3, "tokens": V, "field_sizes": [3, 4], "max_events": 16, "d_model": 16, "d_field": 4, "layers": 2,
    "heads": 2, "dropout": 0.0, "sprm": "depthwise", "dilations": [1, 2], "prototypes": 4, "profile": "position",
    "profile_share": 0.1, "cardinalities": [5], "gaps": True, "repeat": "mixed",
}  # fmt: skip


def make(**changes: object) -> NextEventEncoder:
    torch.manual_seed(0)
    encoder = NextEventEncoder(**(MADE_OF | changes))
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(np.stack([rng.integers(0, 3, V + 3), rng.integers(0, 4, V + 3)], 1))
    encoder.start_from(codes, torch.arange(V))
    return encoder.eval()


def batch(*histories: list[int], profile: int = 1) -> TokenBatch:
    inputs = [token for history in histories for token in history]
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    seconds = np.concatenate([1000 * np.arange(len(history)) for history in histories])
    table = ProfileTable(np.zeros(1, np.int64), np.full((1, len(histories), 1), profile))
    read = TokenHistories(
        user=users, seconds=seconds, inputs=np.array(inputs), users=len(histories), tokens=V, profile=table
    )
    windows = np.stack([read.bounds[:-1], read.bounds[1:]], 1)
    return read.batch(windows)[0]


@pytest.mark.parametrize("sprm", ["depthwise", "released", "none"])
@pytest.mark.parametrize("profile", ["position", "first-token", "none"])
def test_a_later_event_moves_no_earlier_state_and_no_earlier_odds(sprm: str, profile: str) -> None:
    encoder = make(sprm=sprm, profile=profile)
    first, second = batch([1, 2, 3, 4, 5, 6]), batch([1, 2, 3, 4, 2, 1])
    rows, places = torch.zeros(4, dtype=torch.int64), torch.arange(4)
    with torch.no_grad():
        states = [encoder(each) for each in (first, second)]
        odds = [encoder.log_odds(each, s, rows, places) for each, s in zip((first, second), states, strict=True)]
    torch.testing.assert_close(states[0][:, :4], states[1][:, :4])
    torch.testing.assert_close(odds[0], odds[1])
    assert not torch.allclose(states[0][:, 4], states[1][:, 4])


def test_padding_changes_no_user() -> None:
    encoder = make()
    alone, beside = batch([1, 2, 3]), batch([1, 2, 3], [4, 5, 6, 1, 2, 3, 4])
    with torch.no_grad():
        vectors = [encoder.describe_users(each, encoder(each))[0] for each in (alone, beside)]
        odds = [encoder.log_odds(each, encoder(each), torch.tensor([0]), torch.tensor([2])) for each in (alone, beside)]
    torch.testing.assert_close(vectors[0], vectors[1])
    torch.testing.assert_close(odds[0], odds[1])


@pytest.mark.parametrize("repeat", ["apart", "mixed", "none"])
def test_odds_are_probabilities_over_the_tokens_alone(repeat: str) -> None:
    encoder, unknown = make(repeat=repeat), batch([0, V + 1, V + 2], [1, 1, 2])
    with torch.no_grad():
        odds = encoder.log_odds(unknown, encoder(unknown), torch.arange(2), torch.full((2,), 2)).exp()
    assert odds.shape == (2, V)
    torch.testing.assert_close(odds.sum(1), torch.ones(2))


def test_the_profile_moves_vectors_unless_it_is_left_out() -> None:
    for profile, same in (("position", False), ("first-token", False), ("none", True)):
        encoder = make(profile=profile)
        with torch.no_grad():
            one, other = (encoder(batch([1, 2, 3], profile=code)) for code in (1, 2))
        assert torch.allclose(one, other) == same


def test_vectors_have_unit_length() -> None:
    encoder, users = make(), batch([1, 2], [3, 4, 5])
    with torch.no_grad():
        vectors = encoder.describe_users(users, encoder(users))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
