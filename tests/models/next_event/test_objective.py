"""What the encoder learns from: sets of tokens, sampled or exact, and the contrast of users who are alike."""

from __future__ import annotations

import numpy as np
import torch

from findcli.models.next_event.objective import draw_negatives, likeness_contrast, next_set_loss
from findcli.training.token_histories import TokenHistories
from tests.models.next_event.test_encoder import V, make


def baskets() -> TokenHistories:
    """One user: {1, 2} at 0, {3, 4} at 10, {5} at 20."""
    return TokenHistories(
        user=np.zeros(5, int), seconds=np.array([0, 0, 10, 10, 20]), inputs=np.array([2, 1, 3, 4, 5]), users=1, tokens=V
    )


def test_the_loss_is_the_mean_over_positions_of_the_mean_over_their_sets() -> None:
    encoder = make(cardinalities=[])
    batch, index = baskets().batch(np.array([[0, 5]]))
    following = baskets().next_tokens(index)
    with torch.no_grad():
        states = encoder(batch)
        loss = next_set_loss(encoder, batch, states, following)
        odds = encoder.log_odds(batch, states, following.row, following.place)
    assert following.place.tolist() == [1, 3]
    torch.testing.assert_close(loss, -((odds[0, 2] + odds[0, 3]) / 2 + odds[1, 4]) / 2)


def test_sampled_negatives_estimate_the_exact_loss() -> None:
    encoder = make(cardinalities=[], repeat="none")
    batch, index = baskets().batch(np.array([[0, 5]]))
    following = baskets().next_tokens(index)
    drawn = draw_negatives(torch.ones(V), 20_000, torch.Generator().manual_seed(0))
    with torch.no_grad():
        states = encoder(batch)
        exact, sampled = (next_set_loss(encoder, batch, states, following, sampled=s) for s in (None, drawn))
    assert abs(float(exact - sampled)) < 0.02


def test_contrast_falls_when_users_who_are_alike_are_near() -> None:
    alike = torch.tensor([[0], [0], [1], [1]])
    near = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert likeness_contrast(near, alike) < likeness_contrast(near[[0, 2, 1, 3]], alike)
    assert float(likeness_contrast(near, torch.arange(4)[:, None])) == 0
