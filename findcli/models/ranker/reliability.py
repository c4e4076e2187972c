"""What the kept ranker's log odds are worth: as probabilities, and as numbers of users who respond.

Both are measured on validation users, on whom nothing was fitted, at every cutoff, before the outcome window. A line
for each kind of lesson turns odds into probabilities; it is steeper within a sentence than between sentences, or the
best users of each would be promised too little. The probabilities of the best users, summed, are then compared with
what came true of them, sentence by sentence: how far off they are on average (bias), and how much more sentences differ
than chance alone would have them (spread), since each has its season. Both are in log odds, so they hold for larger
populations too, and promise nobody more than there are.

Legend: N validation users, Q lessons, D depths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from scipy.special import expit

from findcli.models.ranker.lessons import DRAWN

ALL = "all"
SHARES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the users, best first
FEWEST_TRUE = 50  # truths that a kind of lesson needs for a line of its own
FEWEST_MEANS = 40  # sentences, at all cutoffs together, that a kind needs for a slope between them
FEWEST_SENTENCES = 30  # that it needs for figures of its own; 19 would do for the quantiles
LEAST, MOST = 0.02, 0.6  # share of users of whom a sentence came true, for it to be one that is asked
INTERVAL = 0.9
ONE_SIDED = 0.92  # a little more than nine in ten, since the largest of many sizes is taken
NORMAL = 1.645  # nine normal draws in ten are nearer
WIDEST = 3.0  # spread and bias, at most, in log odds
TINY = 1e-9
LEAST_SLOPE = 1e-3  # of odds that tell nothing, or the opposite
PRIOR = 20.0  # responders by which a bias is drawn to 0
Sums = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Tried:
    """What the ranker said of validation users at one cutoff, and what came true.

    Attributes:
        odds: log odds, (N, Q).
        true: bool (N, Q).
        kinds: the kind of each lesson, (Q,).
    """

    MOST: ClassVar[int] = 150  # lessons of a kind
    MOST_USERS: ClassVar[int] = 2000
    odds: np.ndarray
    true: np.ndarray
    kinds: np.ndarray

    def of(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """The odds and the truth of one kind of lesson, or of all."""
        columns = np.ones(len(self.kinds), bool) if kind == ALL else self.kinds == kind
        return self.odds[:, columns], self.true[:, columns]


def to_probabilities(odds: np.ndarray, line: dict[str, float], *, mean: np.ndarray | None = None) -> np.ndarray:
    """Probabilities of log odds.

    Args:
        odds: (N,) or (N, Q).
        line: of `calibrate`.
        mean: of each sentence's odds over the population, () or (Q,); default: over these N.
    """
    odds = odds.astype(np.float64)
    centre = odds.mean(0) if mean is None else mean
    likely: np.ndarray = expit(line["slope"] * (odds - centre) + line["between"] * centre + line["intercept"])
    return likely


def calibrate(tried: Sequence[Tried]) -> dict[str, dict[str, float]]:
    """Fit a line for each kind of lesson, and one for all ("all").

    A line has a `slope` within a sentence, a slope `between` the sentences' means, and an `intercept`; where all truths
    are alike there is none.
    """
    lines = {}
    for kind in (ALL, *DRAWN):
        pairs = [each.of(kind) for each in tried]
        true = np.concatenate([truth.ravel() for _, truth in pairs])
        if min(true.sum(), (~true).sum()) >= (1 if kind == ALL else FEWEST_TRUE):
            centres = [np.broadcast_to(odds.mean(0), odds.shape) for odds, _ in pairs]
            within = np.concatenate([(odds - c).ravel() for (odds, _), c in zip(pairs, centres, strict=True)])
            between = np.concatenate([c.ravel() for c in centres])
            sentences = sum(odds.shape[1] for odds, _ in pairs)
            lines[kind] = _line(within, between, true, apart=sentences >= FEWEST_MEANS)
    return lines


def _line(within: np.ndarray, between: np.ndarray, true: np.ndarray, *, apart: bool) -> dict[str, float]:
    """The line of pairs, with one slope for both unless they are fitted apart; it never turns a ranking around."""
    from sklearn.linear_model import LogisticRegression  # half a second that scoring does not need

    if apart:
        fit = LogisticRegression(C=np.inf).fit(np.stack([within, between], 1), true)
        slope, of_means = map(float, fit.coef_[0])
        if min(slope, of_means) > 0:
            return {"slope": slope, "between": of_means, "intercept": float(fit.intercept_[0])}
    fit = LogisticRegression(C=np.inf).fit((within + between)[:, None], true)
    slope = max(float(fit.coef_[0, 0]), LEAST_SLOPE)
    return {"slope": slope, "between": slope, "intercept": float(fit.intercept_[0])}


def measure(tried: Sequence[Tried], lines: dict[str, dict[str, float]]) -> pl.DataFrame:
    """Measure the calibrated probabilities at each depth.

    Returns:
        kind, share, bias, spread, low, least, high, sentences: a row for each depth of each kind of lesson that enough
        sentences are of, and of "all"; see `scoring/reliability.py`. Empty if there are too few.
    """
    rows = []
    for kind in (ALL, *DRAWN):
        sums = [_sums(each, kind, lines.get(kind, lines[ALL])) for each in tried]
        at_depth = [np.concatenate(each, 1) for each in zip(*sums, strict=True)]  # (D, sentences) each
        if at_depth[0].shape[1] >= FEWEST_SENTENCES:
            rows += [
                {"kind": kind, "share": share, **_row(*each)} for share, *each in zip(SHARES, *at_depth, strict=True)
            ]
    names = ("share", "bias", "spread", "low", "least", "high")
    schema = {"kind": pl.String, **dict.fromkeys(names, pl.Float64), "sentences": pl.Int64}
    return pl.DataFrame(rows, schema=schema)


def _sums(tried: Tried, kind: str, line: dict[str, float]) -> Sums:
    """Users, expected and realised responders and the variance by chance, at each depth of each sentence: (D, Q)."""
    odds, true = tried.of(kind)
    asked = (true.mean(0) >= LEAST) & (true.mean(0) <= MOST)
    odds, true = odds[:, asked], true[:, asked]
    order = np.argsort(-odds, 0, kind="stable")
    likely, came = (np.take_along_axis(each, order, 0) for each in (to_probabilities(odds, line), true))
    users = np.maximum(1, np.round(len(odds) * np.array(SHARES)).astype(int))
    expected, realised, chance = (np.cumsum(each, 0)[users - 1] for each in (likely, came, likely * (1 - likely)))
    return np.broadcast_to(users[:, None], expected.shape), expected, realised, chance


def _row(users: np.ndarray, expected: np.ndarray, realised: np.ndarray, chance: np.ndarray) -> dict[str, float]:
    """The figures of one depth."""
    bias = _bias(users, expected, realised)
    expected = shift(expected, users, bias)
    unsure = expected * (1 - expected / users)
    spread = _spread(realised - expected, unsure, chance)
    far = (realised - expected) / np.sqrt(chance + (spread * unsure) ** 2 + TINY)
    low, least, high = (_quantile(far, share) for share in ((1 - INTERVAL) / 2, 1 - ONE_SIDED, (1 + INTERVAL) / 2))
    return {"bias": bias, "spread": spread, "low": low, "least": least, "high": high, "sentences": len(expected)}


def shift(expected: np.ndarray, users: np.ndarray, bias: np.ndarray | float) -> np.ndarray:
    """Expected responders among some users, with a bias added to their log odds; never more than there are users."""
    share = np.clip(expected / users, 1e-9, 1 - 1e-9)
    shifted: np.ndarray = users * expit(np.log(share / (1 - share)) + bias)
    return shifted


def _bias(users: np.ndarray, expected: np.ndarray, realised: np.ndarray) -> float:
    """What log odds lack, for as many to respond as did; drawn to 0 by a few who respond as expected."""
    lowest, highest = -WIDEST, WIDEST
    prior = PRIOR / max(PRIOR, expected.sum())
    wanted = realised.sum() + prior * (expected.sum() - realised.sum())
    for _ in range(40):
        bias = (lowest + highest) / 2
        lowest, highest = (bias, highest) if shift(expected, users, bias).sum() < wanted else (lowest, bias)
    return highest


def _spread(error: np.ndarray, unsure: np.ndarray, chance: np.ndarray) -> float:
    """The spread with which nine sentences in ten are as near as nine normal draws in ten."""
    lowest, highest = 0.0, WIDEST
    for _ in range(40):
        spread = (lowest + highest) / 2
        far = np.quantile(np.abs(error) / np.sqrt(chance + (spread * unsure) ** 2 + TINY), INTERVAL)
        lowest, highest = (spread, highest) if far > NORMAL else (lowest, spread)
    return highest


def _quantile(far: np.ndarray, share: float) -> float:
    """The quantile of split conformal prediction: of one more sentence, which may lie beyond all."""
    n = len(far)
    rank = np.clip((n + 1) * share - 1, 0, n - 1) / max(1, n - 1)
    return float(np.quantile(far, rank))
