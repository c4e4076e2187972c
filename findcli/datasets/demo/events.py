"""Turns daily rates into the four event tables: bills, page clicks, mini-program visits and searches.

Tested in tests/datasets/test_demo.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from findcli.datasets.demo.population import Floats, Population
from findcli.datasets.demo.queries import Pool
from findcli.datasets.demo.world import INTENTS, SOURCES, TOPICS

STRAY = 0.08
DAY_US = 86_400_000_000
Numbers = NDArray[np.int64]


class Happenings(NamedTuple):
    """E events of a part, each field (E,).

    Attributes:
        user: row of the population.
        intent: number of the intent behind the event.
        topic: number of the topic it is about; not used for a search.
        source: number of the source.
        microsecond: time since day 0, in microseconds.
    """

    user: Numbers
    intent: Numbers
    topic: Numbers
    source: Numbers
    microsecond: Numbers

    def of(self, source: str) -> Happenings:
        """Keep the events of one source."""
        kept = self.source == SOURCES.index(source)
        return Happenings(*(values[kept] for values in self))


def happen(rng: np.random.Generator, people: Population, rates: Floats) -> Happenings:
    """Draw events at daily rates (N, K, days), in the order of user, intent and day."""
    counts = rng.poisson(rates)
    user, intent, day = (np.repeat(index, counts[counts > 0]) for index in np.nonzero(counts))
    source = _choose(rng, _source_chances(), intent)
    observed = people.present[user, source]
    clicks = source == SOURCES.index("clicks")
    observed &= ~clicks | (rng.random(len(user)) < np.exp(0.6 * people.curiosity - 0.7)[user])
    user, intent, day, source = user[observed], intent[observed], day[observed], source[observed]
    paid = source == SOURCES.index("bills")
    topic = np.where(paid, _choose(rng, _topic_chances("paid"), intent), _choose(rng, _topic_chances("seen"), intent))
    # Stray events copy the topic of a random event, so a rare topic stays typical of its intents.
    stray = rng.random(len(user)) < STRAY
    topic = np.where(stray, rng.permutation(topic), topic)
    hours = np.array([kind.hour for kind in INTENTS.values()])[intent] + rng.normal(0, 2.5, len(user))
    microsecond = day * DAY_US + (hours % 24 / 24 * DAY_US).astype(np.int64)
    return Happenings(user=user, intent=intent, topic=topic, source=source, microsecond=microsecond)


def _source_chances() -> NDArray[np.float64]:
    return np.array([intent.sources for intent in INTENTS.values()])


def _topic_chances(kind: str) -> NDArray[np.float64]:
    return np.array([[getattr(intent, kind).get(topic, 0.0) for topic in TOPICS] for intent in INTENTS.values()])


def _choose(rng: np.random.Generator, chances: NDArray[np.float64], row: Numbers) -> Numbers:
    """Draw a column for each event by the chances of its row (E,): one search through all rows laid end to end."""
    cumulative = np.cumsum(chances / chances.sum(axis=1, keepdims=True), axis=1)
    ladder = (cumulative + np.arange(len(chances))[:, None]).ravel()
    rung = np.searchsorted(ladder, row + rng.random(len(row)), side="right")
    column: Numbers = np.minimum(rung - row * chances.shape[1], chances.shape[1] - 1)
    return column


def draw_tables(
    rng: np.random.Generator,
    people: Population,
    events: Happenings,
    *,
    words: dict[str, Any],
    pool: Pool,
    start: datetime,
) -> dict[str, pl.DataFrame]:
    """Make the four source tables, each in order of time; `user_id` is the row of the population."""
    made = {
        "bills": _bills(rng, people, events.of("bills"), words),
        "clicks": _views(rng, events.of("clicks"), words, column="page", key="pages"),
        "visits": _views(rng, events.of("visits"), words, column="mini_program", key="programs"),
        "searches": _searches(rng, events.of("searches"), words, pool),
    }
    instant = pl.lit(start) + pl.duration(microseconds="time")
    return {name: table.with_columns(instant.alias("time")).sort("time", "user_id") for name, table in made.items()}


def _named(words: dict[str, Any], key: str) -> pl.Series:
    """List one entry of each topic in the scenario, in the order of TOPICS."""
    return pl.Series([words["topics"][topic][key] for topic in TOPICS])


def _draw_word(
    rng: np.random.Generator, words: dict[str, Any], key: str, topic: Numbers
) -> tuple[pl.Series, NDArray[np.float64]]:
    """Draw one of each topic's items, merchants, pages or programs, the first ones more often.

    Returns:
        The words (E,), and the position of each in its topic's list, in [0, 1), (E,).
    """
    lists = _named(words, key)
    sizes = lists.list.len().to_numpy().astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    place = (rng.random(len(topic)) ** 1.5 * sizes[topic]).astype(np.int64)
    return lists.explode().gather(starts[topic] + place), place / sizes[topic]


def _bills(rng: np.random.Generator, people: Population, events: Happenings, words: dict[str, Any]) -> pl.DataFrame:
    item, place = _draw_word(rng, words, "items", events.topic)
    merchant, _ = _draw_word(rng, words, "merchants", events.topic)
    low, high = np.array(_named(words, "price").to_list(), dtype=np.float64)[events.topic].T
    amount = low * (high / low) ** place * np.exp(rng.normal(0, 0.25, len(place)) + 0.2 * people.wealth[events.user])
    debt = people.debt[events.user]
    kinds = list(INTENTS.values())
    failing = np.array([kind.failing for kind in kinds])[events.intent] * np.exp(0.4 * debt)
    parts = np.array([kind.instalments for kind in kinds])[events.intent] * np.exp(0.5 * debt)
    lot = rng.random(len(place))
    status = np.where(lot < failing, 2, np.where(lot < failing + parts, 1, 0))
    on_credit = rng.random(len(place)) < 1 / (1 + np.exp(2.2 - 0.9 * debt))
    channel = np.where(on_credit, 2, rng.choice([0, 1, 3], len(place), p=[0.5, 0.35, 0.15]))
    return pl.DataFrame(
        {
            "user_id": events.user,
            "time": events.microsecond,
            "item": item,
            "category": _named(words, "category").gather(events.topic),
            "department": _named(words, "department").gather(events.topic),
            "merchant": merchant,
            "amount": amount.round(2),
            "status": pl.Series(words["statuses"]).gather(status),
            "channel": pl.Series(words["channels"]).gather(channel),
        }
    )


def _views(
    rng: np.random.Generator, events: Happenings, words: dict[str, Any], *, column: str, key: str
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": events.user,
            "time": events.microsecond,
            column: _draw_word(rng, words, key, events.topic)[0],
            "category": _named(words, "category").gather(events.topic),
            "department": _named(words, "department").gather(events.topic),
        }
    )


def _searches(rng: np.random.Generator, events: Happenings, words: dict[str, Any], pool: Pool) -> pl.DataFrame:
    place = np.searchsorted(pool.cumulative, events.intent + rng.random(len(events.intent)), side="right")
    place = np.minimum(place, len(pool.texts) - 1)
    names = dict(zip(TOPICS, _named(words, "category"), strict=True))
    understood = pl.Series([topic and names[topic] for topic in pool.topics], dtype=pl.String)
    return pl.DataFrame(
        {
            "user_id": events.user,
            "time": events.microsecond,
            "query": pl.Series(pool.texts).gather(place),
            "category": understood.gather(place),
        }
    )
