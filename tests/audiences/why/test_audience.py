"""What sets an audience apart: real differences, large enough, and hardly ever chance."""

from __future__ import annotations

import numpy as np

from findcli.audiences.target import target
from findcli.audiences.why.audience import FEWEST, compare, sets_apart
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace


def test_what_differs_is_told_with_an_interval_around_its_ratio() -> None:
    rng = np.random.default_rng(0)
    rates = np.array([0.6, 0.3, 0.3])
    inside, outside = rng.random((400, 3)) < rates, rng.random((2000, 3)) < 0.3
    mark, *_ = compare("did", ["more", "same", "also the same"], inside, outside)
    assert mark.what == "more"
    assert mark.low < 2 < mark.high
    assert mark.share == inside[:, 0].mean()
    assert mark.users == inside[:, 0].sum()


def test_fewer_is_told_too() -> None:
    rng = np.random.default_rng(0)
    (mark,) = compare("are", ["north"], rng.random((500, 1)) < 0.1, rng.random((2000, 1)) < 0.4)
    assert mark.high < 1


def test_chance_alone_is_hardly_ever_told() -> None:
    """Of 200 families of 40 things that differ in nothing, few hold a false discovery."""
    rng = np.random.default_rng(1)
    names = [str(i) for i in range(40)]
    wrong = [bool(compare("did", names, rng.random((300, 40)) < 0.2, rng.random((900, 40)) < 0.2)) for _ in range(200)]
    assert np.mean(wrong) < 0.1


def test_what_few_users_did_and_small_differences_are_left_out() -> None:
    inside, outside = np.zeros((5000, 2), bool), np.zeros((5000, 2), bool)
    inside[: FEWEST - 1, 0] = outside[:2000, 0] = True  # too few
    inside[:2750, 1] = outside[:2500, 1] = True  # 1.1 times as often, surely
    assert compare("did", ["rare", "slight"], inside, outside) == []


def test_nothing_sets_everyone_apart(trained_workspace: Workspace) -> None:
    as_of = trained_workspace.train_until
    engine = open_engine(trained_workspace, as_of=as_of, device="cpu")
    (audience,) = target(trained_workspace, ["The user purchased tea."], as_of=as_of, device="cpu")
    assert sets_apart(engine, audience.ranking["user_id"], audience.ranking["user_id"]) == []
