"""How a learned prompt moves a sentence's vector, in the tangent plane of the sphere there.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

import numpy as np


def moves_from(sentence: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The moves from a sentence's vector (D,) to unit vectors (P, D), in the tangent plane of the sphere there: (P, D).

    Users rank alike by the cosine with a unit vector and by the product with the sentence's vector plus this move.
    Beyond a right angle there is no such move; there the length is capped at that near a right angle.
    """
    along = np.maximum(queries @ sentence, 0.05)[:, None]
    across = queries - (queries @ sentence)[:, None] * sentence
    moves: np.ndarray = (across / along).astype(np.float32)
    return moves
