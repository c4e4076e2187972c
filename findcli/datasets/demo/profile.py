"""The profile table of the demo world: one row per user every thirty days, with gaps.

Tested in tests/datasets/test_demo.py.
"""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from findcli.datasets.demo.population import Floats, Population
from findcli.datasets.demo.world import INTENTS

EVERY = 30
MISSING = 0.08
LEVELS = ("low", "medium", "high")
TIERS = ("none", "silver", "gold")
CATEGORICAL = ("gender", "region", "two_factor")
ORDERED = {"security_level": LEVELS, "member_tier": TIERS}
NUMERIC = (
    "age",
    "devices",
    "points",
    "days_since_password_change",
    "failed_logins",
    "inflow",
    "outflow",
    "night_share",
    "credit_used",
)


def draw_profile(
    rng: np.random.Generator, people: Population, rates: Floats, *, regions: list[str], start: datetime
) -> pl.DataFrame:
    """Draw one row per user every thirty days; changing columns describe the thirty days before `time`.

    Args:
        rng: of the part.
        people: N users; those without a profile get no row.
        rates: their daily rates, (N, K, days).
        regions: names of the regions in the scenario.
        start: day 0.

    Returns:
        `user_id` (row of the population), `time` and the columns of CATEGORICAL, ORDERED and NUMERIC.
    """
    has_profile = people.present[:, -1]  # (N,)
    lasting = _lasting(rng, people, regions)
    rows = []
    for day in range(0, rates.shape[2], EVERY):
        before = rates[:, :, max(0, day - EVERY) : max(1, day)].mean(axis=2)  # (N, K)
        shown = has_profile & (people.first <= day)
        changing = _changing(rng, people, before)
        table = pl.DataFrame(
            {"user_id": np.arange(len(people)), "time": start + timedelta(days=day)} | lasting | changing
        )
        rows.append(table.filter(pl.Series(shown)))
    return _with_gaps(rng, pl.concat(rows)).sort("time", "user_id")


def _lasting(rng: np.random.Generator, people: Population, regions: list[str]) -> dict[str, Any]:
    count = len(people)
    caution = people.prudence + 0.7 * rng.standard_normal(count)
    tier = people.loyalty + 0.5 * rng.standard_normal(count)
    two_factor = rng.random(count) < 1 / (1 + np.exp(0.2 - 1.6 * people.prudence))
    return {
        "age": people.age.astype(np.int64),
        "gender": pl.Series(["male", "female"]).gather(people.female.astype(np.int64)),
        "region": pl.Series(regions).gather(people.region),
        "two_factor": pl.Series(["off", "on"]).gather(two_factor.astype(np.int64)),
        "security_level": pl.Series(LEVELS).gather(np.digitize(caution, (-0.5, 0.8))),
        "member_tier": pl.Series(TIERS).gather(np.digitize(tier, (0.3, 1.2))),
        "devices": 1 + rng.poisson(np.exp(0.3 - 0.45 * people.prudence)),
        "points": np.exp(5 + 0.8 * people.loyalty + 0.5 * rng.standard_normal(count)).astype(np.int64),
    }


def _changing(rng: np.random.Generator, people: Population, before: Floats) -> dict[str, Any]:
    count = len(people)
    names = list(INTENTS)
    break_ins = before[:, names.index("compromised")] / (0.2 + people.activity)
    income = np.exp(7.6 + 0.7 * people.wealth + 0.25 * rng.standard_normal(count))
    spent = np.exp(-0.15 + 0.25 * people.debt + 0.15 * rng.standard_normal(count))
    return {
        "days_since_password_change": rng.exponential(160 * np.exp(-0.5 * people.prudence)).astype(np.int64),
        "failed_logins": rng.poisson(0.4 + 5 * break_ins),
        "inflow": income.round(2),
        "outflow": (income * spent).round(2),
        "night_share": rng.beta(1 + 6 * np.minimum(break_ins, 1), 12).round(3),
        "credit_used": (1 / (1 + np.exp(0.8 - 1.3 * people.debt - 0.5 * rng.standard_normal(count)))).round(3),
    }


def _with_gaps(rng: np.random.Generator, table: pl.DataFrame) -> pl.DataFrame:
    columns = [*CATEGORICAL, *ORDERED, *NUMERIC]
    gaps = rng.random((table.height, len(columns))) < MISSING
    return table.with_columns(
        pl.when(pl.Series(name, ~gaps[:, at])).then(pl.col(name)).alias(name) for at, name in enumerate(columns)
    )
