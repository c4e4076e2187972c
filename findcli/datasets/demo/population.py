"""The users of the demo world: lasting traits, intents that come and go, and their daily rates of events.

Tested in tests/datasets/test_demo.py.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from findcli.datasets.demo.world import INTENTS, SOURCES

Floats = NDArray[np.floating]
AGES = (18, 80)
PAYDAYS, PAID_THEN = (1, 10, 15, 25), (0.5, 0.1, 0.25, 0.15)
MODALITIES = (*SOURCES, "profile")
NEVER = 1e5
PRESENT = (0.95, 0.90, 0.82, 0.74, 0.88)


@dataclass(frozen=True, kw_only=True)
class Population:
    """N users, K intents; wealth to loyalty are roughly standard normal, and no table holds them directly.

    Attributes:
        age: years, (N,).
        female: bool (N,).
        region: number of the region, (N,).
        wealth: means to spend, (N,).
        debt: reliance on credit, (N,).
        prudence: care for the account, (N,).
        curiosity: readiness to click, (N,).
        loyalty: attachment to the app, (N,).
        activity: events relative to a typical user, heavy-tailed, (N,).
        drift: growth of log activity per 90 days, (N,).
        payday: day of the month, (N,).
        first, last: days of arrival and of leaving, (N,).
        steady: constant daily rate of each intent, (N, K).
        strength, centre, width, period: of each intent's flare: peak daily rate, day of a peak, spread in days, and
            days until it recurs, (N, K).
        present: which of bills, clicks, visits, searches and profile the data hold of the user, bool (N, 5).
    """

    age: Floats
    female: NDArray[np.bool_]
    region: NDArray[np.int64]
    wealth: Floats
    debt: Floats
    prudence: Floats
    curiosity: Floats
    loyalty: Floats
    activity: Floats
    drift: Floats
    payday: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    steady: Floats
    strength: Floats
    centre: Floats
    width: Floats
    period: Floats
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        """The number of users."""
        return len(self.age)

    @property
    def youth(self) -> Floats:
        """Youth as a trait: about 1 at twenty, 0 at forty, -1 at sixty."""
        return (40 - self.age) / 20


def draw_population(rng: np.random.Generator, *, users: int, days: int, regions: int) -> Population:
    """Draw users whose flares, arrivals and departures spread over the days."""
    age = np.clip(rng.gamma(5.0, 5.0, users) + 16, *AGES).astype(np.float32)
    wealth = _normal(rng, users) * 0.9 + np.clip((age - 40) / 40, -0.5, 0.5)
    debt = 0.9 * _normal(rng, users) - 0.4 * wealth
    first, last = _stays(rng, users, days)
    shape = (users, len(INTENTS))
    return Population(
        age=age,
        female=rng.random(users) < 0.5,
        region=rng.integers(0, regions, users),
        wealth=wealth,
        debt=debt,
        prudence=_normal(rng, users),
        curiosity=_normal(rng, users),
        loyalty=_normal(rng, users),
        activity=np.exp(0.8 * _normal(rng, users)),
        drift=0.7 * _normal(rng, users),
        payday=rng.choice(PAYDAYS, users, p=PAID_THEN),
        first=first,
        last=last,
        steady=_steady(rng, shape),
        strength=_strength(rng, age, debt),
        centre=rng.uniform(-10, days + 10, shape).astype(np.float32),
        width=rng.uniform(8, 20, shape).astype(np.float32),
        period=np.where(rng.random(shape) < 0.4, rng.uniform(28, 60, shape), NEVER).astype(np.float32),
        present=_present(rng, users),
    )


def daily_rates(people: Population, days: int) -> Floats:
    """Expected events of each intent per day, including activity, drift, arrival, week and month.

    Returns:
        Daily rates, (N, K, days); day 0 is a Monday, and the first of a month of thirty days.
    """
    day = np.arange(days, dtype=np.float32)
    rates = flares(people, day) + people.steady[:, :, None]  # (N, K, days)
    weekend = np.where(day % 7 >= 5, 1.0, 0.0).astype(np.float32)
    since_payday = (day[None, :] + 1 - people.payday[:, None]) % 30
    paid = np.exp(-since_payday / 3).astype(np.float32)  # (N, days)
    for k, intent in enumerate(INTENTS.values()):
        rates[:, k] *= (1 + intent.weekend * weekend) * (1 + intent.monthly * paid)
    rates *= daily_activity(people, day)[:, None, :]
    return rates


def flares(people: Population, day: Floats) -> Floats:
    """Daily rates of each intent's flare at activity 1, on some days (D,): (N, K, D)."""
    distance = day[None, None, :] - people.centre[:, :, None]
    period = people.period[:, :, None]
    distance -= period * np.round(distance / period)
    distance /= people.width[:, :, None]
    return people.strength[:, :, None] * np.exp(-0.5 * distance * distance)


def daily_activity(people: Population, day: Floats) -> Floats:
    """Each user's activity on some days (D,), 1 being typical; 0 before arrival and after leaving: (N, D)."""
    there = (day >= people.first[:, None]) & (day < people.last[:, None])
    trend = np.exp(people.drift[:, None] * (day / 90 - 0.5))
    return (people.activity[:, None] * trend * there).astype(np.float32)


def _normal(rng: np.random.Generator, users: int) -> Floats:
    return rng.standard_normal(users, dtype=np.float32)


def _stays(rng: np.random.Generator, users: int, days: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Days of arrival and of leaving: most users stay throughout, one in ten arrives late, one in ten leaves."""
    kind = rng.random(users)
    first = np.where(kind < 0.1, rng.integers(days // 4, days * 3 // 4, users), 0)
    last = np.where(kind > 0.9, rng.integers(days // 4, days * 3 // 4, users), days)
    return first, last


def _steady(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    mean = np.array([intent.steady for intent in INTENTS.values()], dtype=np.float32)
    return mean * rng.gamma(0.8, 1 / 0.8, shape).astype(np.float32)


def _strength(rng: np.random.Generator, age: Floats, debt: Floats) -> Floats:
    """Peak rate of each flare; players are younger, parents in their thirties, borrowers in debt."""
    shape = (len(age), len(INTENTS))
    share = np.tile(np.array([intent.share for intent in INTENTS.values()]), (len(age), 1))
    names = list(INTENTS)
    share[:, names.index("play_games")] *= np.exp((32 - age) / 30)
    share[:, names.index("family")] *= 1 + 2 * np.exp(-(((age - 35) / 8) ** 2))
    share[:, names.index("need_credit")] *= np.exp(0.4 * debt)
    return np.where(rng.random(shape) < share, rng.gamma(2.5, 0.28, shape), 0).astype(np.float32)


def _present(rng: np.random.Generator, users: int) -> NDArray[np.bool_]:
    present = rng.random((users, len(MODALITIES))) < PRESENT
    present[:, 0] |= ~present[:, :3].any(axis=1)
    return present
