"""Where tokens' vectors begin: at the factors of what the same users do."""

from __future__ import annotations

import numpy as np
import torch

from findcli.models.next_event.start import co_occurrence_factors
from findcli.training.token_histories import TokenHistories
from tests.models.next_event.test_encoder import V, make


def two_groups(*, apart: bool = True) -> TokenHistories:
    """Even users do tokens 0 to 2, odd ones 3 to 5; or each user one token alone."""
    users = np.repeat(np.arange(20), 3)
    tokens = np.tile(np.arange(3), 20) + 3 * (users % 2) if apart else users % V
    return TokenHistories(user=users, seconds=np.tile(np.arange(3), 20), inputs=tokens + 1, users=20, tokens=V)


def test_tokens_of_the_same_users_score_each_other_above_others() -> None:
    vectors, signs = co_occurrence_factors(two_groups(), np.arange(20), 8, seed=0)
    scores = (vectors * signs) @ vectors.T
    others = ~torch.eye(V, dtype=torch.bool)
    same = torch.arange(V)[:, None] // 3 == torch.arange(V) // 3
    assert scores[same & others].min() > scores[~same].max() + 0.01


def test_the_encoder_scores_by_them_from_the_start() -> None:
    vectors, signs = co_occurrence_factors(two_groups(), np.arange(20), 8, seed=0)
    encoder = make(cardinalities=[])
    encoder.start_at(vectors, signs)
    torch.testing.assert_close(encoder.number.weight[1 : V + 1], vectors)
    torch.testing.assert_close(encoder.out.weight.diagonal()[:8], signs)


def test_only_users_that_train_are_counted_and_nothing_together_is_no_start() -> None:
    assert co_occurrence_factors(two_groups(apart=False), np.arange(20), 8, seed=0) is None
    evens = co_occurrence_factors(two_groups(), np.arange(0, 20, 2), 8, seed=0)
    assert evens is not None
    assert not evens[0][3:].any()
