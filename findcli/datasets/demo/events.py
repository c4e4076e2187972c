"""From daily rates to the four tables of events: bills, page clicks, mini-program visits and searches."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from findcli.datasets.demo.population import Floats, Population
from findcli.datasets.demo.queries import Pool
from findcli.datasets.demo.world import INTENTS, SOURCES, TOPICS

STRAY = 0.08
DAY_US = 86_400_000_000
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Happenings:
    """E events of a part: who, when, and what was behind them, each (E,).

    Attributes:
        user: row of the population.
        intent: number of the intent.
        topic: number of the topic it shows itself in; for a search the intent alone counts.
        source: number of the source.
        microsecond: since the world began.
    """

    user: Numbers
    intent: Numbers
    topic: Numbers
    source: Numbers
    microsecond: Numbers

    def of(self, source: str) -> "Happenings":
        """Keep the events of one source."""
        kept = self.source == SOURCES.index(source)
        return Happenings(
            user=self.user[kept],
            intent=self.intent[kept],
            topic=self.topic[kept],
            source=self.source[kept],
            microsecond=self.microsecond[kept],
        )


def happen(rng: np.random.Generator, people: Population, rates: Floats) -> Happenings:
    """Let events happen at the given daily rates (N, K, days), in the order of user, intent and day."""
    counts = rng.poisson(rates)
    user, intent, day = (np.repeat(index, counts[counts > 0]) for index in np.nonzero(counts))
    source = _choose(rng, _source_chances(), intent)
    observed = people.present[user, source]
    clicks = source == SOURCES.index("clicks")
    observed &= ~clicks | (rng.random(len(user)) < np.exp(0.6 * people.curiosity - 0.7)[user])
    user, intent, day, source = user[observed], intent[observed], day[observed], source[observed]
    paid = source == SOURCES.index("bills")
    topic = np.where(paid, _choose(rng, _topic_chances("paid"), intent), _choose(rng, _topic_chances("seen"), intent))
    stray = rng.random(len(user)) < STRAY
    topic = np.where(stray, rng.integers(0, len(TOPICS), len(user)), topic)
    hours = np.array([kind.hour for kind in INTENTS.values()])[intent] + rng.normal(0, 2.5, len(user))
    microsecond = day * DAY_US + (hours % 24 / 24 * DAY_US).astype(np.int64)
    return Happenings(user=user, intent=intent, topic=topic, source=source, microsecond=microsecond)


def _source_chances() -> NDArray[np.float64]:
    return np.array([intent.sources for intent in INTENTS.values()])


def _topic_chances(kind: str) -> NDArray[np.float64]:
    return np.array([[getattr(intent, kind).get(topic, 0.0) for topic in TOPICS] for intent in INTENTS.values()])


def _choose(rng: np.random.Generator, chances: NDArray[np.float64], row: Numbers) -> Numbers:
    """Draw a column for each event by the chances of its row: one search in the rows' cumulated chances laid end to end."""
    cumulative = np.cumsum(chances / chances.sum(axis=1, keepdims=True), axis=1)
    ladder = (cumulative + np.arange(len(chances))[:, None]).ravel()
    found = np.searchsorted(ladder, row + rng.random(len(row)), side="right")
    return np.minimum(found - row * chances.shape[1], chances.shape[1] - 1)


class Words:
    """A scenario's words as arrays to draw from, topic by topic."""

    def __init__(self, words: dict[str, Any]) -> None:
        topics = [words["topics"][topic] for topic in TOPICS]
        self.category = pl.Series([topic["category"] for topic in topics])
        self.department = pl.Series([topic["department"] for topic in topics])
        self.price = np.array([topic["price"] for topic in topics], dtype=np.float64)
        self._lists = {key: [topic[key] for topic in topics] for key in ("items", "merchants", "pages", "programs")}
        self.channels = pl.Series(words["channels"])
        self.statuses = pl.Series(words["statuses"])

    def draw(self, rng: np.random.Generator, key: str, topic: Numbers) -> tuple[pl.Series, NDArray[np.float64]]:
        """Draw one of each topic's items, merchants, pages or programs, the first ones more often.

        Returns:
            The words (E,), and where in its topic's list each stands, from 0 to 1 (E,).
        """
        lists = self._lists[key]
        sizes = np.array([len(entries) for entries in lists])
        place = (rng.random(len(topic)) ** 1.5 * sizes[topic]).astype(np.int64)
        flat = pl.Series([entry for entries in lists for entry in entries])
        starts = np.cumsum(sizes) - sizes
        return flat.gather(starts[topic] + place), place / sizes[topic]


def tables(
    rng: np.random.Generator, people: Population, events: Happenings, *, words: Words, pool: Pool, start: datetime
) -> dict[str, pl.DataFrame]:
    """Write the events as the four source tables, each in the order of time; `user_id` is the row of the population."""
    made = {
        "bills": _bills(rng, people, events.of("bills"), words),
        "clicks": _views(rng, events.of("clicks"), words, "page", "pages"),
        "visits": _views(rng, events.of("visits"), words, "mini_program", "programs"),
        "searches": _searches(rng, events.of("searches"), words, pool),
    }
    instant = pl.lit(start) + pl.duration(microseconds="time")
    return {name: table.with_columns(instant.alias("time")).sort("time", "user_id") for name, table in made.items()}


def _bills(rng: np.random.Generator, people: Population, events: Happenings, words: Words) -> pl.DataFrame:
    item, place = words.draw(rng, "items", events.topic)
    merchant, _ = words.draw(rng, "merchants", events.topic)
    low, high = words.price[events.topic].T
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
            "category": words.category.gather(events.topic),
            "department": words.department.gather(events.topic),
            "merchant": merchant,
            "amount": amount.round(2),
            "status": words.statuses.gather(status),
            "channel": words.channels.gather(channel),
        }
    )


def _views(rng: np.random.Generator, events: Happenings, words: Words, column: str, key: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": events.user,
            "time": events.microsecond,
            column: words.draw(rng, key, events.topic)[0],
            "category": words.category.gather(events.topic),
            "department": words.department.gather(events.topic),
        }
    )


def _searches(rng: np.random.Generator, events: Happenings, words: Words, pool: Pool) -> pl.DataFrame:
    place = np.searchsorted(pool.cumulative, events.intent + rng.random(len(events.intent)), side="right")
    place = np.minimum(place, len(pool.texts) - 1)
    names = dict(zip(TOPICS, words.category, strict=True))
    understood = pl.Series([topic and names[topic] for topic in pool.topics], dtype=pl.String)
    return pl.DataFrame(
        {
            "user_id": events.user,
            "time": events.microsecond,
            "query": pl.Series(pool.texts).gather(place),
            "category": understood.gather(place),
        }
    )
