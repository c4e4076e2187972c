"""Log odds of questions for users, and how those of a sentence change as its vector moves.

Legend: N users, Q questions, K directions, D width of the text space.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from findcli.models.ranker.co_occurrence import CoOccurrence
from findcli.models.ranker.features import UserFeatures, features_of, query_features, statistics_of
from findcli.models.ranker.queries import ROWS, Concepts, Pick, Query, rates_of, tangent_of, weigh

Odds = Callable[[Tensor], Tensor]  # features (..., F) -> log odds (...)


@torch.no_grad()
def score(users: UserFeatures, query: Query, learned: CoOccurrence, odds: Odds) -> np.ndarray:
    """The log odds of Q questions for N users, float32 (N, Q), computed a block of users at a time."""
    scores = [np.empty((0, len(query)), np.float32)]
    for rows in _row_blocks(len(users), max(1, 100 * ROWS // len(query))):
        block = users if rows.stop - rows.start == len(users) else users.rows(rows)
        scores.append(odds(query_features(block, query, learned)).numpy())
    return np.concatenate(scores)


def _row_blocks(n: int, size: int) -> Iterator[slice]:
    """Rows next to each other: a slice of a sparse matrix is copied many times as fast as rows by number."""
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


def score_slopes(
    users: UserFeatures, concepts: Concepts, vector: np.ndarray, moves: np.ndarray, learned: CoOccurrence, odds: Odds
) -> np.ndarray:
    """How the log odds of N users for one sentence change as its vector moves: directional derivatives.

    Args:
        users: N users.
        concepts: the concepts to pick from.
        vector: the sentence's unit vector, (D,).
        moves: directions, (K, D).
        learned: the co-occurrence model.
        odds: differentiable.

    Returns:
        float32 (N, K).
    """
    picks = [Pick(vector[None])]
    query = weigh(picks, concepts, rates=rates_of(picks, concepts, users.habits))
    tangent = tangent_of(vector, moves, concepts)
    slopes = [np.empty((0, len(moves)), np.float32)]
    for rows in _row_blocks(len(users), max(1, 50 * ROWS // len(moves))):
        block = users.rows(rows)
        statistics = torch.from_numpy(statistics_of(block, query, learned)).requires_grad_()  # (n, 1, S)
        rates = torch.from_numpy(query.rates)[:, None].expand(2, len(block), 1).clone().requires_grad_()  # (2, n, 1)
        with torch.enable_grad():
            total = odds(features_of(statistics, rates, block, query)).sum()
            of_statistics, of_rates = torch.autograd.grad(total, (statistics, rates))
        change = statistics_of(block, tangent, learned)  # (n, K, S)
        along = np.einsum("nks,ns->nk", change, of_statistics[:, 0].numpy())
        slopes.append((along + of_rates[:, :, 0].numpy().T @ tangent.rates).astype(np.float32))
    return np.concatenate(slopes)
