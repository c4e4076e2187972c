"""Reasons of users: what they name costs most, is enough, and is about the demand."""

from __future__ import annotations

import numpy as np
import pytest

from findcli.audiences.why.deletion import open_histories
from findcli.audiences.why.user import PARTS, Explainer
from findcli.models.ranker.features import FEATURES
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.folder import Workspace

TEA, SOAP = "The user purchased tea.", "The user purchased soap."


@pytest.fixture
def engine(trained_workspace: Workspace) -> Engine:
    return open_engine(trained_workspace, as_of=trained_workspace.train_until, device="cpu")


def explainer(engine: Engine, demand: str) -> Explainer:
    return Explainer(engine, engine.read([demand])[0])


def best_of(engine: Engine, demand: str, n: int) -> tuple[list[object], float]:
    """The ids of the n best users, and the score of the last."""
    scores = engine.score_read(engine.read([demand])).scores[:, 0]
    best = np.argsort(-scores, kind="stable")[:n]
    return engine.users.gather(best).to_list(), float(scores[best[-1]])


def test_without_the_named_events_a_user_is_below_the_bar_and_with_them_he_is_not(engine: Engine) -> None:
    users, bar = best_of(engine, TEA, 12)
    reasons = explainer(engine, TEA).explain(users[:6], bar)
    assert [each.user for each in reasons] == users[:6]
    assert any(each.out for each in reasons)
    for each in reasons:
        *before, last = (each.score, *(event.score for event in each.events))
        assert all(score >= bar - 1e-4 for score in before)
        assert (last < bar) == each.out


def test_they_cost_more_than_as_many_random_or_recent_ones(engine: Engine) -> None:
    rng, explain = np.random.default_rng(0), explainer(engine, TEA)
    users, bar = best_of(engine, TEA, 15)
    ahead = []
    for history in open_histories(engine, users[:8]):
        gone, _ = explain.smallest_set(history, bar)
        random = rng.choice(len(history), len(gone), replace=False).tolist()
        recent = list(range(len(history) - len(gone), len(history)))
        named, by_chance, latest = explain.scores_without(history, [gone, random, recent])
        ahead.append([by_chance - named, latest - named])
    assert (np.mean(ahead, 0) > 0).all()


def test_they_change_with_the_demand(engine: Engine) -> None:
    """For some users the event that costs most is another one for another demand."""
    histories = open_histories(engine, engine.users[:10].to_list())
    tea, soap = (
        [explainer(engine, demand).smallest_set(each, np.inf)[0] for each in histories] for demand in (TEA, SOAP)
    )
    assert any(one != other for one, other in zip(tea, soap, strict=True))


def test_of_two_demands_that_must_hold_the_whole_score_is_explained(engine: Engine) -> None:
    both = "The user purchased tea. and not The user purchased soap."
    explain = Explainer(engine, engine.read(["tea but not soap"], both)[0])
    users = engine.users[:3].to_list()
    scores = engine.score_read([explain.rewriting]).scores[:3, 0]
    assert [each.score for each in explain.explain(users, -10.0)] == pytest.approx(scores.tolist(), abs=1e-3)


def test_shares_sum_to_what_the_score_has_above_the_mean_users(engine: Engine) -> None:
    explain = explainer(engine, TEA)
    (user,), bar = best_of(engine, TEA, 1)
    (reasons,) = explain.explain([user], bar)
    questions, scorer = explain.questions, explain.scorer
    habits = open_histories(engine, [user])[0].without([[]])
    mean = scorer.score_features(questions, scorer.mean_features(questions)[None], habits).scores[0, 0]
    assert sum(reasons.shares.values()) == pytest.approx(reasons.score - mean, abs=1e-3)


def test_every_feature_of_a_user_is_in_one_part() -> None:
    named = [name for names in PARTS.values() for name in names]
    of_the_question = {name for name in FEATURES if name.startswith(("rate ", "asks for "))} | {"least"}
    assert sorted(named) == sorted(set(FEATURES) - of_the_question)
