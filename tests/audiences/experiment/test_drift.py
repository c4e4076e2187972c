"""The population stability index, and what moved between two dates of a workspace."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.experiment import moved
from findcli.audiences.experiment.drift import psi
from findcli.audiences.experiment.lift import measure
from findcli.audiences.saved import open_audience
from findcli.cli.main import main
from findcli.scoring.embed import embed
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace

TEA = "The user purchased tea."


def test_the_index_is_that_of_the_formula() -> None:
    then = np.repeat(np.arange(4), [40, 30, 20, 10])
    now = np.repeat(np.arange(4), [10, 20, 30, 40])
    p, q = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    assert psi(then, now) == pytest.approx(((q - p) * np.log(q / p)).sum())


def test_nothing_moved_is_near_none_and_a_shift_is_large() -> None:
    rng = np.random.default_rng(0)
    then = rng.normal(size=5_000)
    assert psi(then, rng.normal(size=5_000)) < 0.02
    assert psi(then, rng.normal(0.7, 1, size=5_000)) > 0.2


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_it_is_never_negative_and_none_for_the_same_values(then: list[float], now: list[float]) -> None:
    assert psi(np.array(then), np.array(now)) >= 0
    assert psi(np.array(then), np.array(then[::-1])) == pytest.approx(0)


def test_what_moved_is_told_where_both_dates_are_stored(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["target", TEA, "--all", "--holdout", "40%", "--experiment", "spring", "--save", "tea"]
    with pytest.raises(SystemExit):
        main([*words, "-w", str(trained_workspace.folder)])
    pl.DataFrame({"user_id": [1, 2, 3]}).write_csv(tmp_path / "did.csv")
    assert measure(trained_workspace, "tea", tmp_path / "did.csv").drift is None  # no newer date is stored
    later = trained_workspace.train_until + timedelta(weeks=3)
    embed(trained_workspace, as_of=later, device="cpu")
    done = measure(trained_workspace, "tea", tmp_path / "did.csv")
    assert done.drift is not None
    assert (done.drift.then, done.drift.now) == (trained_workspace.train_until, later)
    names = [each.name for each in done.drift.moved]
    assert names[0] == "scores"
    assert {"city", "age", "tier", "spend", "how active users are"} == set(names[1:])
    assert all(each.psi >= 0 for each in done.drift.moved)
    unchanged = {each.name: each.psi for each in done.drift.moved}
    assert unchanged["city"] == unchanged["age"] == pytest.approx(0)  # the profile is not dated
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["lift", "tea", str(tmp_path / "did.csv"), "-w", str(trained_workspace.folder), "--json"])
    assert not end.value.code
    assert json.loads(capsys.readouterr().out)["drift"]["moved"][0]["name"] == "scores"


def test_the_users_who_were_ranked_then_are_looked_at_and_no_others(trained_workspace: Workspace) -> None:
    with pytest.raises(SystemExit):
        main(["target", TEA, "--all", "--where", "age >= 40", "--save", "older", "-w", str(trained_workspace.folder)])
    record = open_audience(trained_workspace, "older").record
    scores, inputs = moved._scores_and_inputs(trained_workspace, record, None, trained_workspace.train_until, WhoNot())
    assert 0 < len(scores) == record.sizes.selected < len(open_engine(trained_workspace).users)
    assert {len(each) for each in inputs.values()} == {len(scores)}
