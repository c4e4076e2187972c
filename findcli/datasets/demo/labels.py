"""The five tasks after FIND's Table 1: each label is drawn from a probability that is written beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.datasets.demo.population import Floats, Population, daily_activity, flares
from findcli.datasets.demo.world import INTENTS

RIVAL = 0.08


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What lies ahead of and behind N users at one instant; the truth, which no table holds.

    Attributes:
        people: their lasting traits.
        ahead: log(1 + 8 r), r the mean daily rate of each flare in the outcome window at activity 1, (N, K).
        behind: the mean daily rate of each flare in as many days before, (N, K).
        active: log of the mean activity ahead, (N,); of who has left or not yet come, log of 0.03 at least.
    """

    people: Population
    ahead: Floats
    behind: Floats
    active: Floats

    def wants(self, intent: str) -> Floats:
        """How strong an intent will be, (N,)."""
        return self.ahead[:, list(INTENTS).index(intent)]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a task's probability comes about: sigmoid(intercept + score).

    Attributes:
        title: readable name.
        intercept: sets the prevalence.
        score: of the users' outlook, (N,).
        rivals: intents that look alike from outside and do not raise the score.
    """

    title: str
    intercept: float
    score: Callable[[Outlook], Floats]
    rivals: tuple[str, ...]


def _theft(view: Outlook) -> Floats:
    return 2.6 * view.wants("compromised") - 1.3 * view.people.prudence + 0.3 * view.active


def _click(view: Outlook) -> Floats:
    people = view.people
    return 1.8 * view.wants("play_games") + 0.9 * people.curiosity + 0.7 * people.youth + 0.4 * view.active


def _activity(view: Outlook) -> Floats:
    return 1.2 * view.active + 1.0 * view.people.loyalty - 2.5 * view.wants("leave_app")


def _rent(view: Outlook) -> Floats:
    people = view.people
    return 3.0 * view.wants("rent_phone") + 0.6 * people.youth - 0.8 * people.wealth + 0.2 * view.active


def _credit(view: Outlook) -> Floats:
    people = view.people
    return 2.2 * view.wants("need_credit") + 1.1 * people.debt - 0.5 * people.wealth + 0.3 * view.active


RULES = {
    "d1": Rule(title="account-theft risk", intercept=-6.3, score=_theft, rivals=("cautious", "leave_app")),
    "d2": Rule(title="app click", intercept=-2.7, score=_click, rivals=("gift_games",)),
    "d3": Rule(title="app activity", intercept=-0.9, score=_activity, rivals=("leave_app",)),
    "d4": Rule(title="willingness to rent a phone", intercept=-4.9, score=_rent, rivals=("repair_phone", "love_phones")),
    "d5": Rule(title="willingness to use credit", intercept=-3.2, score=_credit, rivals=("repay_credit",)),
}


def look_ahead(people: Population, *, as_of: int, outcome: int) -> Outlook:
    """See what the outcome window [as_of, as_of + outcome) and as many days before it hold, in days."""
    later = np.arange(as_of, as_of + outcome, dtype=np.float32)
    active = daily_activity(people, later)                                                    # (N, outcome)
    there = active > 0
    passing = (flares(people, later) * there[:, None, :]).mean(axis=2)                        # (N, K)
    return Outlook(
        people=people,
        ahead=np.log1p(8 * passing),
        behind=flares(people, later - outcome).mean(axis=2),
        active=np.log(np.maximum(active.mean(axis=1), 0.03)),
    )


def draw_labels(rng: np.random.Generator, view: Outlook) -> dict[str, pl.DataFrame]:
    """Draw the label of every user in every task.

    Returns:
        For each task `user_id` (row of the population), `label` (0/1), `truth` (its probability) and `hard_negative`
        (a rival intent was strong of late, and the label is 0).
    """
    names = list(INTENTS)
    made = {}
    for task, rule in RULES.items():
        truth = 1 / (1 + np.exp(-(rule.intercept + rule.score(view).astype(np.float64))))
        label = rng.random(len(truth)) < truth
        rival = view.behind[:, [names.index(name) for name in rule.rivals]].max(axis=1) > RIVAL
        made[task] = pl.DataFrame(
            {
                "user_id": np.arange(len(truth)),
                "label": label.astype(np.int8),
                "truth": truth,
                "hard_negative": rival & ~label,
            }
        )
    return made
