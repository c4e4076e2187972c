"""What an experiment can see: the smallest lift that a two-sided test at 5 % finds with a power of 80 %."""

from __future__ import annotations

from math import sqrt

import polars as pl
from scipy.optimize import brentq
from scipy.stats import norm

LEVEL, POWER = 0.05, 0.8


def expected_rate(*parts: pl.DataFrame) -> float | None:
    """The mean probability of all users of some rankings; None where one of them has none, or there is no user."""
    probabilities = pl.concat([part["probability"] for part in parts])
    if not len(probabilities) or probabilities.null_count():
        return None
    return float(probabilities.to_numpy().mean())


def smallest_rate(reached: int, held_out: int, base: float) -> float | None:
    """The smallest rate of those reached that differs visibly from that of those held out.

    The usual sample size for two proportions, solved for the rate: with p the pooled rate,
    difference = z(1 - 5%/2) sqrt(p (1 - p) (1/n + 1/m)) + z(80%) sqrt(rate (1 - rate) / n + base (1 - base) / m).

    Args:
        reached: n.
        held_out: m.
        base: the rate of those held out, in (0, 1).

    Returns:
        The rate, above the base; None where not even everybody would be seen.
    """
    if not reached or not held_out or not 0 < base < 1:
        return None
    level, power = float(norm.isf(LEVEL / 2)), float(norm.isf(1 - POWER))

    def missing(rate: float) -> float:
        pooled = (reached * rate + held_out * base) / (reached + held_out)
        by_chance = level * sqrt(pooled * (1 - pooled) * (1 / reached + 1 / held_out))
        return rate - base - by_chance - power * sqrt(rate * (1 - rate) / reached + base * (1 - base) / held_out)

    return float(brentq(missing, base, 1.0)) if missing(1.0) > 0 else None
