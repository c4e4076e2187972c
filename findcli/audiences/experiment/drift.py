"""What moved since an audience was chosen: the population stability index (PSI) of scores and of what they come from.

Both dates are read from the embeddings that are there; nothing is embedded for it. Below .1 nothing moved, above .2 so
much that yesterday's probabilities should not be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

BINS, WARNS = 10, 0.2
Pair = tuple[np.ndarray, np.ndarray]
LEAST = 1e-4  # the share that an empty bin counts as, as is usual, so that the index stays finite


@dataclass(frozen=True)
class Moved:
    """How far one thing moved: its name, and its index."""

    name: str
    psi: float

    @property
    def is_large(self) -> bool:
        """Whether it moved so far that a warning is due."""
        return self.psi > WARNS


@dataclass(frozen=True)
class Drift:
    """What moved between two dates: the scores first, then what they come from, furthest first."""

    then: datetime
    now: datetime
    moved: tuple[Moved, ...]


def psi(then: np.ndarray, now: np.ndarray, *, bins: int = BINS) -> float:
    """The population stability index of two samples, over bins that hold equal parts of the first.

    sum over bins of (q - p) log(q / p), p and q the shares then and now. Few values are a bin each.

    Args:
        then: (N,), finite.
        now: (M,), finite.
        bins: how many; fewer where values repeat.
    """
    values = np.unique(then)
    edges = values[:-1] if len(values) <= bins else np.unique(np.quantile(then, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for sample in (then, now):
        counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(sample), LEAST))
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def drift_of(then: datetime, now: datetime, scores: Pair, inputs: dict[str, Pair]) -> Drift:
    """The drift of scores and inputs between two dates.

    Args:
        then: the date of the audience.
        now: the date of the newest embeddings.
        scores: of all users then and now.
        inputs: what scores come from, then and now, by name.
    """
    moved = sorted((Moved(name, psi(*pair)) for name, pair in inputs.items()), key=lambda each: -each.psi)
    return Drift(then, now, (Moved("scores", psi(*scores)), *moved))
