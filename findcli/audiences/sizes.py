"""How large an audience should be: what each size is expected to bring, and the size that a goal asks for.

A goal is a precision that must be kept, or a budget with what one message costs and one response is worth. All numbers
come from probabilities and from what was measured of them (`scoring/reliability.py`); where a demand has none, a size
has none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.errors import FindCLIError
from findcli.scoring.reliability import Expected, Reliability

DEPTHS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # percent of the ranked users
STEPS = 200  # sizes that are looked at for a precision, at most
FEWEST = 10  # users in the smallest of them


@dataclass(frozen=True)
class Size:
    """What so many of the best users are expected to bring.

    Attributes:
        users: how many.
        share: of the ranked users.
        responders: of whom the demand is expected to come true.
        low: of the responders' 90 % interval.
        high: of the responders' 90 % interval.
        surely: at least so many respond, but for one sentence in ten.
    """

    users: int
    share: float
    responders: float
    low: float
    high: float
    surely: float

    @property
    def precision(self) -> float:
        """The share of the users of whom it comes true."""
        return self.responders / self.users


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What an audience is to reach; it is as large as that allows.

    Attributes:
        precision: the least share of the audience of whom the demand comes true, but for one sentence in ten.
        budget: what all messages together may cost.
        cost: what a message to one user costs.
        value: what one response is worth: nobody is kept whose message costs more than he is expected to bring.
    """

    precision: float | None = None
    budget: float | None = None
    cost: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        """Refuse figures that do not go together.

        Raises:
            FindCLIError: the budget or the value lacks a cost, a figure is not above 0, or a precision is above 1.
        """
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise FindCLIError(f"{name} is {value:g}", hint="give a number above 0")
        if self.precision is not None and self.precision > 1:
            raise FindCLIError(f"the precision asked for is {self.precision:g}", hint="give a share, such as 0.3")
        if (self.budget is not None or self.value is not None) and self.cost is None:
            raise FindCLIError(
                "a budget or a value needs the cost of one message", hint="add --cost, such as --cost 0.5"
            )
        if self.cost is not None and self.budget is None and self.value is None:
            raise FindCLIError("a cost alone sets no size", hint="add --budget, or --value of one response")

    @property
    def break_even(self) -> float | None:
        """The probability from which a message brings more than it costs."""
        return None if self.value is None or self.cost is None else self.cost / self.value

    @property
    def needs_numbers(self) -> bool:
        """Whether ranks alone cannot serve it."""
        return self.precision is not None or self.value is not None

    def most(self, ranking: pl.DataFrame, reliability: Reliability | None) -> int:
        """The number of the best users that it allows.

        Args:
            ranking: the ranked users, best first.
            reliability: of the probabilities.

        Raises:
            FindCLIError: it needs probabilities, and the demand has none; or no size reaches the precision.
        """
        most = len(ranking)
        if self.budget is not None and self.cost is not None:
            most = min(most, int(self.budget / self.cost + 1e-9))
        if not self.needs_numbers or not len(ranking):
            return most
        if reliability is None or ranking["probability"].null_count():
            hint = "--top-k, --top-percent and a budget with its cost need no expected number"
            raise FindCLIError("this demand has no expected number that was measured: it sets no size", hint=hint)
        if self.break_even is not None:
            likely = likely_at_depth(ranking, reliability)
            most = min(most, int((likely >= self.break_even).sum()))
        return most if self.precision is None else min(most, _largest(ranking, reliability, self.precision))


def sizes(ranking: pl.DataFrame, reliability: Reliability | None, *, percents: Sequence[float] = DEPTHS) -> list[Size]:
    """What the best users of some depths are expected to bring; none if the demand has no probability."""
    if reliability is None or ranking["probability"].null_count() or not len(ranking):
        return []
    users = np.unique([max(1, round(len(ranking) * percent / 100)) for percent in percents])
    return _sizes(reliability.expected(ranking["probability"], users), len(ranking))


def size_of(ranking: pl.DataFrame, users: int, reliability: Reliability | None) -> Size | None:
    """What so many of the best users are expected to bring; None for nobody, or without a probability."""
    if reliability is None or not users or ranking["probability"].null_count():
        return None
    return _sizes(reliability.expected(ranking["probability"], np.array([users])), len(ranking))[0]


def likely_at_depth(ranking: pl.DataFrame, reliability: Reliability) -> np.ndarray:
    """What each further user adds to the expected responders, falling with rank, in [0, 1]: (N,)."""
    responders = reliability.expected(ranking["probability"], np.arange(1, len(ranking) + 1)).responders
    added = np.diff(responders, prepend=0.0)
    return np.minimum.accumulate(np.clip(added, 0, 1))


def _sizes(expected: Expected, ranked: int) -> list[Size]:
    rows = zip(expected.users, expected.responders, expected.low, expected.high, expected.surely, strict=True)
    return [Size(int(users), float(users) / ranked, *map(float, numbers)) for users, *numbers in rows]


def _largest(ranking: pl.DataFrame, reliability: Reliability, precision: float) -> int:
    """The largest size that surely keeps a precision.

    Raises:
        FindCLIError: none does.
    """
    n = len(ranking)
    steps = np.unique(np.geomspace(min(FEWEST, n), n, STEPS).round().astype(int))
    expected = reliability.expected(ranking["probability"], steps)
    surely = expected.surely / steps
    kept = np.flatnonzero(surely >= precision)
    if not len(kept):
        best = int(surely.argmax())
        hint = f"the best {steps[best]:,} users surely reach {surely[best]:.0%}: ask for no more"
        raise FindCLIError(f"no size of this audience surely reaches a precision of {precision:.0%}", hint=hint)
    return int(steps[kept[-1]])
