"""Two groups compared: difference and ratio of two rates with intervals, and whether chance may explain them.

The difference has Newcombe's hybrid score interval (1998, method 10), the ratio Katz's. The p-value is that of the
pooled z-test; where a cell is expected to hold fewer than five users, it is exact: Barnard's test, and Fisher's where
the table is too large for it. Means of amounts are compared by Welch's t-test.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import scipy  # its parts are loaded when they are used: `scipy.stats` takes half a second

LEVEL = 0.95
FEWEST_EXPECTED = 5
LARGEST_TABLE = 200_000  # n times m beyond which Barnard's test takes seconds
MISMATCH = 0.001
Interval = tuple[float, float]


@dataclass(frozen=True)
class Arm:
    """One group: how many users were assigned to it, and how many of them did it."""

    users: int
    converted: int

    @property
    def rate(self) -> float:
        """The share of its users who did it."""
        return self.converted / self.users


@dataclass(frozen=True)
class Comparison:
    """What reaching users changed.

    Attributes:
        difference: of the rates, reached less held out.
        difference_interval: at 95 %.
        ratio: reached over held out; None where nobody did it who was held out.
        ratio_interval: at 95 %; None where a rate is 0.
        p_value: two-sided.
        test: which test gave it, "z", "barnard" or "fisher".
    """

    difference: float
    difference_interval: Interval
    ratio: float | None
    ratio_interval: Interval | None
    p_value: float
    test: str


def compare(reached: Arm, held_out: Arm) -> Comparison:
    """Compare two groups, neither of them empty."""
    p_value, test = _p_value(reached, held_out)
    ratio, interval = None, None
    if held_out.converted:
        ratio = reached.rate / held_out.rate
    if held_out.converted and reached.converted:
        risk = scipy.stats.contingency.relative_risk(
            reached.converted, reached.users, held_out.converted, held_out.users
        )
        low, high = risk.confidence_interval(LEVEL)
        interval = float(low), float(high)
    return Comparison(
        reached.rate - held_out.rate, newcombe(reached, held_out), ratio, interval, p_value, test
    )  # fmt: skip


def newcombe(one: Arm, other: Arm) -> Interval:
    """Newcombe's interval of the difference of two rates."""
    (low, high), (other_low, other_high) = (
        scipy.stats.binomtest(arm.converted, arm.users).proportion_ci(LEVEL, method="wilson") for arm in (one, other)
    )
    difference = one.rate - other.rate
    below = sqrt((one.rate - low) ** 2 + (other_high - other.rate) ** 2)
    above = sqrt((high - one.rate) ** 2 + (other.rate - other_low) ** 2)
    return difference - below, difference + above


def _p_value(one: Arm, other: Arm) -> tuple[float, str]:
    converted, users = one.converted + other.converted, one.users + other.users
    if converted in (0, users):
        return 1.0, "z"
    pooled = converted / users
    if min(pooled, 1 - pooled) * min(one.users, other.users) >= FEWEST_EXPECTED:
        error = sqrt(pooled * (1 - pooled) * (1 / one.users + 1 / other.users))
        return float(2 * scipy.stats.norm.sf(abs(one.rate - other.rate) / error)), "z"
    table = [[one.converted, other.converted], [one.users - one.converted, other.users - other.converted]]
    if one.users * other.users <= LARGEST_TABLE:
        return float(scipy.stats.barnard_exact(table).pvalue), "barnard"
    return float(scipy.stats.fisher_exact(table).pvalue), "fisher"


@dataclass(frozen=True)
class Amounts:
    """Mean amounts a user, who did nothing included: reached, held out, and the difference with its interval."""

    reached: float
    held_out: float
    difference: float
    interval: Interval | None
    p_value: float | None


def compare_amounts(reached: np.ndarray, held_out: np.ndarray) -> Amounts:
    """Compare mean amounts a user; no interval where one group has fewer than two users or amounts do not differ."""
    one, other = float(reached.mean()), float(held_out.mean())
    if min(len(reached), len(held_out)) < 2 or not (reached.std() or held_out.std()):
        return Amounts(one, other, one - other, None, None)
    test = scipy.stats.ttest_ind(reached, held_out, equal_var=False)
    low, high = test.confidence_interval(LEVEL)
    return Amounts(one, other, one - other, (float(low), float(high)), float(test.pvalue))


def sample_ratio(held_out: int, users: int, share: float) -> float:
    """The p-value of so many users held out where a share was to be: below .001 something went wrong on the way."""
    return float(scipy.stats.binomtest(held_out, users, share).pvalue)
