"""Where tokens' vectors begin: near those that the same users do, by factors of how often tokens come together.

A softmax over thousands of rare tokens learns from scratch what counting sees at once; so the vectors start at the
truncated SVD of log co-occurrence among training users, and training goes on from there. Ours, not the paper's.

Legend: V tokens, U users, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from findcli.training.token_histories import TokenHistories

ITERATIONS = 4


def co_occurrence_factors(
    histories: TokenHistories, users: np.ndarray, width: int, *, seed: int
) -> tuple[Tensor, Tensor] | None:
    """Factors of log(1 + users with both tokens), less popular tokens weighing more.

    Args:
        histories: of training users.
        users: the rows that count.
        width: D.
        seed: of the randomised SVD.

    Returns:
        Vectors (V, width), of the size of random ones, zero past the rank; and the sign of each direction (width,): a
        pair's score is the product of its vectors with that sign. None where no two tokens come together.
    """
    from sklearn.utils.extmath import randomized_svd

    known = np.isin(histories.user, users) & (histories.token >= 0)
    pairs = (histories.user[known], histories.token[known])
    did = sparse.csr_array((np.ones(int(known.sum())), pairs), shape=(histories.users, histories.tokens))
    did.data[:] = 1
    together = sparse.csr_array(did.T @ did)
    together = sparse.coo_array(together - sparse.diags_array(together.diagonal()))
    together.eliminate_zeros()
    if not together.nnz:
        return None
    totals = np.asarray(together.sum(1)).ravel()
    values = np.log1p(together.data) / (totals[together.row] * totals[together.col]) ** 0.25
    weighed = sparse.csr_array((values, (together.row, together.col)), shape=together.shape)
    kept = min(width, min(weighed.shape) - 1)
    left, sizes, right = randomized_svd(weighed, kept, random_state=seed % 2**32, n_iter=ITERATIONS)
    vectors, signs = np.zeros((histories.tokens, width), np.float32), np.ones(width, np.float32)
    vectors[:, :kept] = left * np.sqrt(sizes)
    signs[:kept] = np.where((left * right.T).sum(0) < 0, -1, 1)
    spread = float(vectors.std())
    return torch.from_numpy(vectors * (width**-0.5 / max(spread, 1e-9))), torch.from_numpy(signs)
