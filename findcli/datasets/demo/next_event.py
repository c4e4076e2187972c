"""The law of held-out users' next events: what the simulator would draw first from the tasks' instant on.

It is worked out, not sampled, and uses no random number, so that it changes no other table. Of a user whose traits and
intents are known: events of each intent come at their rates by day and hour; the first of them has a source, a topic,
and for bills a status, a channel and an amount. `tasks/next_event.parquet` holds `user_id`, `source`, `topic`,
`category`, `status`, `channel`, `probability` and `scale`; amounts of a topic are `scale` times one of the equally
likely `amount`s of `tasks/next_event_amounts.parquet`. Evaluation alone reads them, for the best figure possible.

Tested in tests/evaluation/next_event/test_ceiling.py.

Legend: N users, K intents, S sources, D days, H parts of a day.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm

from findcli.data.splits import bucket
from findcli.datasets.demo.events import STRAY
from findcli.datasets.demo.population import Floats, Population
from findcli.datasets.demo.queries import Pool
from findcli.datasets.demo.world import INTENTS, SOURCES, TOPICS

PARTS_OF_DAY, HOUR_SPREAD = 96, 2.5
POINTS = 400
LEAST = 1e-7
ONE_IN = 5
AT_ONCE = 200


def held_out_rows(first: int, users: int) -> NDArray[np.int64]:
    """The rows of a part whose users are held out by the default split; ids are the row, `first` and 1 added up."""
    return np.array(
        [row for row in range(users) if bucket("user", row + first + 1, salt="", buckets=ONE_IN) == 0], np.int64
    )


def next_event_law(
    people: Population, rates: Floats, words: dict[str, Any], pool: Pool, *, as_of: int, rows: NDArray[np.int64]
) -> pl.DataFrame:
    """The probability of each kind of event as the first from a day on, for users who will do anything.

    Args:
        people: all users of a part.
        rates: daily rates, (N, K, days).
        words: of the scenario.
        pool: the searches.
        as_of: the day.
        rows: of the users whose law is wanted.
    """
    shares = observed_shares(people)  # (N, K, S)
    stray = _topics_overall(rates, shares)
    tables = []
    for start in range(0, len(rows), AT_ONCE):
        chosen = rows[start : start + AT_ONCE]
        first = _first_of(rates[chosen][:, :, as_of:] * shares[chosen].sum(2, keepdims=True))  # (n, K)
        mixed = shares[chosen] / np.maximum(shares[chosen].sum(2, keepdims=True), 1e-12)
        tables.append(_spell_out(people, chosen, first[:, :, None] * mixed, stray, words, pool))
    empty = {"user_id": pl.Int64, "source": pl.String, "topic": pl.Int64, "category": pl.String, "status": pl.String,
             "channel": pl.String, "probability": pl.Float64, "scale": pl.Float64}  # fmt: skip
    return pl.concat(tables) if tables else pl.DataFrame(schema=empty)


def observed_shares(people: Population) -> Floats:
    """The share of each intent's events that come by each source and that the data hold: (N, K, S)."""
    chances = np.array([intent.sources for intent in INTENTS.values()])
    chances = chances / chances.sum(1, keepdims=True)
    held = people.present[:, : len(SOURCES)].astype(float)  # (N, S)
    held[:, SOURCES.index("clicks")] *= np.minimum(1, np.exp(0.6 * people.curiosity - 0.7))
    shares: Floats = held[:, None, :] * chances
    return shares


def _first_of(rates: Floats) -> Floats:
    """The probability of each intent to be behind the first event, given that there is one: (N, K, D) -> (N, K)."""
    hours = np.array([intent.hour for intent in INTENTS.values()])
    edges = np.linspace(0, 24, PARTS_OF_DAY + 1)
    turns = np.arange(-2, 3)[:, None, None] * 24
    within = np.diff(norm.cdf((edges + turns - hours[:, None]) / HOUR_SPREAD), axis=-1).sum(0)  # (K, H)
    total = np.einsum("nkd,kh->ndh", rates, within).reshape(len(rates), -1)  # (N, D H)
    before = np.cumsum(total, 1) - total
    weight = np.exp(-before) * np.where(total > 1e-12, -np.expm1(-total) / np.maximum(total, 1e-12), 1)
    chances = np.einsum("nkd,kh,ndh->nk", rates, within, weight.reshape(len(rates), -1, PARTS_OF_DAY), optimize=True)
    first: Floats = chances / np.maximum(chances.sum(1, keepdims=True), 1e-12)
    return first


def _topics(kind: str) -> NDArray[np.float64]:
    chances = np.array([[getattr(intent, kind).get(topic, 0.0) for topic in TOPICS] for intent in INTENTS.values()])
    normal: NDArray[np.float64] = chances / chances.sum(1, keepdims=True)
    return normal


def _topics_overall(rates: Floats, shares: Floats) -> NDArray[np.float64]:
    """The share of each topic among all events of a part, which stray events copy: (topics,)."""
    totals = np.einsum("nk,nks->ks", rates.sum(2), shares)
    paid = totals[:, SOURCES.index("bills")]
    overall = paid @ _topics("paid") + (totals.sum(1) - paid) @ _topics("seen")
    return np.asarray(overall / overall.sum())


def _spell_out(
    people: Population, rows: NDArray[np.int64], weights: Floats, stray: NDArray[np.float64], words: dict[str, Any],
    pool: Pool,
) -> pl.DataFrame:  # fmt: skip
    """The rows of users for (N, K, S) probabilities of intent and source."""
    categories = [words["topics"][topic]["category"] for topic in TOPICS]
    seen, paid = ((1 - STRAY) * _topics(kind) + STRAY * stray for kind in ("seen", "paid"))
    of_source = {name: weights[:, :, number] for number, name in enumerate(SOURCES)}
    tables = [_views(rows, of_source[name] @ seen, name, categories) for name in ("clicks", "visits")]
    tables.append(_searches(rows, of_source["searches"], categories, pool))
    tables.append(_bills(people, rows, of_source["bills"], paid, words, categories))
    return pl.concat(tables, how="diagonal").filter(pl.col("probability") > LEAST)


def _views(rows: NDArray[np.int64], chances: Floats, source: str, categories: list[str]) -> pl.DataFrame:
    users, topics = (index.ravel() for index in np.indices(chances.shape))
    return pl.DataFrame(
        {
            "user_id": rows[users], "source": source, "topic": topics,
            "category": pl.Series(categories).gather(topics), "probability": chances.ravel(), "scale": 1.0,
        }
    )  # fmt: skip


def _searches(rows: NDArray[np.int64], weights: Floats, categories: list[str], pool: Pool) -> pl.DataFrame:
    chances = np.diff(np.concatenate([[0.0], pool.cumulative]))
    intent = np.minimum(np.ceil(pool.cumulative - 1e-9).astype(int) - 1, len(INTENTS) - 1)
    topics = np.array([-1 if topic is None else TOPICS.index(topic) for topic in pool.topics])
    understood = np.zeros((len(INTENTS), len(TOPICS) + 1))
    np.add.at(understood, (intent, topics + 1), chances)
    odds = weights @ understood  # (n, topics + 1), the first for what is not understood
    users, places = (index.ravel() for index in np.indices(odds.shape))
    names = pl.Series([None, *categories], dtype=pl.String)
    return pl.DataFrame(
        {
            "user_id": rows[users], "source": "searches", "topic": places - 1,
            "category": names.gather(places), "probability": odds.ravel(), "scale": 1.0,
        }
    )  # fmt: skip


def _bills(
    people: Population, rows: NDArray[np.int64], weights: Floats, paid: NDArray[np.float64], words: dict[str, Any],
    categories: list[str],
) -> pl.DataFrame:  # fmt: skip
    debt = people.debt[rows].astype(float)
    kinds = list(INTENTS.values())
    failing = np.minimum(np.array([kind.failing for kind in kinds]) * np.exp(0.4 * debt)[:, None], 1)  # (n, K)
    parts = np.array([kind.instalments for kind in kinds]) * np.exp(0.5 * debt)[:, None]
    parts = np.minimum(parts, 1 - failing)
    status = np.stack([1 - failing - parts, parts, failing])  # (3, n, K)
    credit = 1 / (1 + np.exp(2.2 - 0.9 * debt))
    channel = np.stack([(1 - credit) * 0.5, (1 - credit) * 0.35, credit, (1 - credit) * 0.15])  # (4, n)
    odds = np.einsum("snk,nk,kt,cn->ntsc", status, weights, paid, channel, optimize=True)
    users, topics, statuses, channels = (index.ravel() for index in np.indices(odds.shape))
    return pl.DataFrame(
        {
            "user_id": rows[users], "source": "bills", "topic": topics,
            "category": pl.Series(categories).gather(topics),
            "status": pl.Series(words["statuses"]).gather(statuses),
            "channel": pl.Series(words["channels"]).gather(channels),
            "probability": odds.ravel(), "scale": np.exp(0.2 * people.wealth[rows].astype(float))[users],
        }
    )  # fmt: skip


def amount_law(words: dict[str, Any]) -> pl.DataFrame:
    """Equally likely amounts of each topic's bills, of a user of middling means: `topic` and `amount`."""
    grid = (np.arange(POINTS) + 0.5) / POINTS
    rows = []
    for number, topic in enumerate(TOPICS):
        low, high = words["topics"][topic]["price"]
        items = len(words["topics"][topic]["items"])
        place = (np.repeat(grid[:: POINTS // 20], 20) ** 1.5 * items).astype(int) / items
        noise = np.tile(norm.ppf((np.arange(20) + 0.5) / 20) * 0.25, 20)
        amounts = low * (high / low) ** place * np.exp(noise)
        rows.append(pl.DataFrame({"topic": np.full(len(amounts), number), "amount": amounts}))
    return pl.concat(rows)
