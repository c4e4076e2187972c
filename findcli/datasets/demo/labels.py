"""Five tasks after FIND's Table 1: each label is drawn from a probability that is stored beside it.

Tested in tests/datasets/test_demo.py.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.datasets.demo.population import Floats, Population, daily_activity, flares
from findcli.datasets.demo.world import INTENTS

RIVAL = 0.08


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A task's probability of a positive label: sigmoid(intercept + weighted sum).

    Attributes:
        title: readable name.
        intercept: sets the prevalence.
        intents: weights of log(1 + 8 r), r the mean daily rate of an intent in the outcome window at activity 1.
        traits: weights of lasting traits of the population.
        active: weight of the log of the mean activity in the outcome window.
        rivals: intents with similar events that do not raise the probability.
    """

    title: str
    intercept: float
    intents: dict[str, float]
    traits: dict[str, float]
    active: float
    rivals: tuple[str, ...]


RULES = {
    "d1": Rule(
        title="account-theft risk",
        intercept=-6.3,
        intents={"compromised": 2.8},
        traits={"prudence": -1.0},
        active=0.3,
        rivals=("cautious", "leave_app"),
    ),
    "d2": Rule(
        title="app click",
        intercept=-2.7,
        intents={"play_games": 1.8},
        traits={"curiosity": 0.9, "youth": 1.0},
        active=0.4,
        rivals=("gift_games",),
    ),
    "d3": Rule(
        title="app activity",
        intercept=-0.9,
        intents={"leave_app": -2.8},
        traits={"loyalty": 1.0},
        active=1.2,
        rivals=("leave_app",),
    ),
    "d4": Rule(
        title="willingness to rent a phone",
        intercept=-4.9,
        intents={"rent_phone": 3.0},
        traits={"youth": 0.6, "wealth": -0.8},
        active=0.2,
        rivals=("repair_phone", "love_phones"),
    ),
    "d5": Rule(
        title="willingness to use credit",
        intercept=-3.2,
        intents={"need_credit": 2.2},
        traits={"debt": 1.1, "wealth": -0.5},
        active=0.3,
        rivals=("repay_credit",),
    ),
}


def draw_labels(rng: np.random.Generator, people: Population, *, as_of: int, outcome: int) -> dict[str, pl.DataFrame]:
    """Draw the label of every user in every task.

    Args:
        rng: of the part.
        people: N users.
        as_of: the day the labels are about.
        outcome: length of the outcome window [as_of, as_of + outcome), in days.

    Returns:
        For each task `user_id` (row of the population), `label` (0/1), `truth` (its probability) and `hard_negative`
        (the label is 0, and a rival intent was strong in the `outcome` days before).
    """
    ahead = np.arange(as_of, as_of + outcome, dtype=np.float32)
    activity = daily_activity(people, ahead)  # (N, outcome)
    passing = (flares(people, ahead) * (activity > 0)[:, None, :]).mean(axis=2)  # (N, K)
    before = flares(people, ahead - outcome).mean(axis=2)  # (N, K)
    made = {}
    for task, rule in RULES.items():
        truth = probability(rule, people, passing, activity.mean(axis=1))
        label = rng.random(len(people)) < truth
        rival = before[:, [list(INTENTS).index(name) for name in rule.rivals]].max(axis=1) > RIVAL
        made[task] = pl.DataFrame(
            {
                "user_id": np.arange(len(people)),
                "label": label.astype(np.int8),
                "truth": truth,
                "hard_negative": rival & ~label,
            }
        )
    return made


def probability(rule: Rule, people: Population, passing: Floats, activity: Floats) -> Floats:
    """Apply a task's rule.

    Args:
        rule: of the task.
        people: N users.
        passing: mean daily rate of each intent's flare in the outcome window at activity 1, (N, K).
        activity: mean activity in the outcome window, (N,).

    Returns:
        The probability of a positive label, (N,).
    """
    names = list(INTENTS)
    # The floor keeps the log finite for users who have left.
    score = rule.intercept + rule.active * np.log(np.maximum(activity, 0.03)).astype(np.float64)
    for intent, weight in rule.intents.items():
        score += weight * np.log1p(8 * passing[:, names.index(intent)])
    for trait, weight in rule.traits.items():
        score += weight * getattr(people, trait)
    return 1 / (1 + np.exp(-score))
