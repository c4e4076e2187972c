"""Makes a workspace of the demo world, one part of its users at a time.

Tested in tests/datasets/test_demo.py.
"""

import shutil
import tomllib
from collections import Counter
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.datasets.creation import Summary, installed_text_model, new_workspace
from findcli.datasets.demo import profile
from findcli.datasets.demo.events import draw_tables, happen
from findcli.datasets.demo.labels import RULES, draw_labels
from findcli.datasets.demo.next_event import amount_law, held_out_rows, next_event_law
from findcli.datasets.demo.population import daily_rates, draw_population
from findcli.datasets.demo.queries import Pool, build_pool
from findcli.workspace.folder import write_settings
from findcli.workspace.settings import SHIPPED

SCENARIOS = ("city", "harbour")
ONE_WORLD = "demo"  # as the card of the shipped ranker calls it
START = datetime(2025, 9, 1)
OUTCOME = 28
SHORTEST = 90
PART = 5_000
NEXT_EVENT = "tasks/next_event"

HEADER = """\
A simulated world: nobody in it exists. Scenario {scenario}, seed {seed}, {users} users, {days} days.
Each task's `truth` is the probability its label was drawn from: the best any model can reach, for evaluation alone.
Labels live in data/tasks alone; no training stage reads them. `hard_negative` marks those who behave much like
positives and are none, such as who repairs phones beside who wants to rent one. data/demands.tsv lists all demands."""

SOURCES: tuple[dict[str, Any], ...] = (
    {
        "name": "bills",
        "families": ["purchase", "payment"],
        "item": "item",
        "merchant": "merchant",
        "amount": "amount",
        "status": "status",
        "channel": "channel",
    },
    {"name": "clicks", "families": ["click"], "item": "page"},
    {"name": "visits", "families": ["browse"], "item": "mini_program"},
    {"name": "searches", "families": ["search"], "text": "query"},
)


def create(
    folder: Path,
    *,
    users: int = 20_000,
    seed: int = 0,
    scenario: str = "city",
    days: int = 120,
    text_model: str | None = None,
) -> Summary:
    """Make a workspace with a simulated world; the same arguments make the same files.

    Args:
        folder: the new workspace, made if missing.
        users: how many; they are made in parts, so memory does not grow with their number.
        seed: of the simulation; each seed makes another world.
        scenario: "city" or "harbour": the same kinds of people with other words, merchants and channels.
        days: how many days of events; the last 28 are the outcome window of the tasks, which no training stage reads.
        text_model: the text model for [text]; when None, the packaged MiniLM if it is installed, else "scratch".

    Raises:
        FindCLIError: `folder` already holds a workspace.
        ValueError: the scenario is unknown, there are no users, or fewer than 90 days.
    """
    if scenario not in SCENARIOS or users < 1 or days < SHORTEST:
        wanted = f"a scenario of {SCENARIOS}, at least 1 user and {SHORTEST} days"
        raise ValueError(f"the demo needs {wanted}, not {scenario!r}, {users} and {days}")
    words = tomllib.loads(files(__package__).joinpath(f"{scenario}.toml").read_text(encoding="utf-8"))
    model = text_model or installed_text_model()
    with new_workspace(folder) as scratch:
        counts = _write_tables(scratch / "data", words, users=users, days=days, seed=(seed, SCENARIOS.index(scenario)))
        _demands(words).write_csv(scratch / "data" / "demands.tsv", separator="\t")
        header = HEADER.format(scenario=scenario, seed=seed, users=users, days=days)
        write_settings(scratch, _settings(words, scenario=scenario, days=days, text_model=model), header=header)
        tasks = {
            name: pl.read_parquet(scratch / "data" / "tasks" / f"{name}.parquet", columns=["label"]) for name in RULES
        }
    return Summary(
        folder=folder,
        users=users,
        rows={f"data/{name}": count for name, count in counts.items() if not name.startswith("tasks/")},
        tasks={name: (table.height, int(table["label"].sum())) for name, table in tasks.items()},
        text_model=model,
        notes=(
            "the world is simulated: nobody in it exists, and the probability behind every label is known",
            "findcli evaluate ranks by each task's demand and its paraphrases, against its hard negatives too",
        ),
    )


def _write_tables(data: Path, words: dict[str, Any], *, users: int, days: int, seed: tuple[int, ...]) -> Counter[str]:
    """Write every table part by part, each part with its own random numbers; count the rows of each table."""
    pool = build_pool(words)
    counts: Counter[str] = Counter()
    for number, first in enumerate(range(0, users, PART)):
        rng = np.random.default_rng(np.random.SeedSequence((*seed, number)))
        for name, table in _part(rng, words, pool, users=min(PART, users - first), days=days, first=first).items():
            (data / name).mkdir(parents=True, exist_ok=True)
            table.with_columns(pl.col("user_id") + first + 1).write_parquet(data / name / f"part-{number:04d}.parquet")
            counts[name] += table.height
    amount_law(words).write_parquet(data / "tasks" / "next_event_amounts.parquet")
    for name in ("profile", NEXT_EVENT, *(f"tasks/{task}" for task in RULES)):
        pl.scan_parquet(data / name / "*.parquet").sink_parquet(data / f"{name}.parquet")
        shutil.rmtree(data / name)
    return counts


def _part(
    rng: np.random.Generator, words: dict[str, Any], pool: Pool, *, users: int, days: int, first: int
) -> dict[str, pl.DataFrame]:
    """Make the tables of some users; `user_id` is the row, from 0, and in all it is `first` more."""
    people = draw_population(rng, users=users, days=days, regions=len(words["regions"]))
    rates = daily_rates(people, days)
    events = happen(rng, people, rates)
    made = draw_tables(rng, people, events, words=words, pool=pool, start=START)
    made["profile"] = profile.draw_profile(rng, people, rates, regions=words["regions"], start=START)
    labels = draw_labels(rng, people, as_of=days - OUTCOME, outcome=OUTCOME)
    as_of, chosen = days - OUTCOME, held_out_rows(first, users)
    made[NEXT_EVENT] = next_event_law(people, rates, words, pool, as_of=as_of, rows=chosen)
    return made | {f"tasks/{name}": table for name, table in labels.items()}


def _demands(words: dict[str, Any]) -> pl.DataFrame:
    """List each task's demand, as in its settings, and three paraphrases."""
    pairs = [(task, demand) for task, demands in words["demands"].items() for demand in demands]
    return pl.DataFrame(pairs, schema=["task", "demand"], orient="row")


def _settings(words: dict[str, Any], *, scenario: str, days: int, text_model: str) -> dict[str, Any]:
    as_of = (START + timedelta(days=days - OUTCOME)).date()
    common = {"user": "user_id", "time": "time", "category": "category"}
    return {
        "workspace": {"name": f"demo-{scenario}", "currency": words["currency"]},
        "windows": {"train_until": as_of, "history": "8w", "future": "4w", "every": "2w", "min_history": "4w"},
        "ranker": {"start": SHIPPED[2]},
        "text": {"model": text_model},
        "sources": [
            {"name": source["name"], "path": f"data/{source['name']}/*.parquet", **common, **source}
            | ({} if source["name"] == "searches" else {"department": "department"})
            for source in SOURCES
        ],
        "profile": {
            "path": "data/profile.parquet",
            "user": "user_id",
            "time": "time",
            "categorical": list(profile.CATEGORICAL),
            "ordered": {name: list(values) for name, values in profile.ORDERED.items()},
            "numeric": list(profile.NUMERIC),
        },
        "tasks": {
            name: {
                "title": rule.title,
                "demand": words["demands"][name][0],
                "paraphrases": words["demands"][name][1:],
                "path": f"data/tasks/{name}.parquet",
                "as_of": as_of,
                "truth": "truth",
                "hard_negative": "hard_negative",
            }
            for name, rule in RULES.items()
        },
    }
