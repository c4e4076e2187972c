"""The law of next events that the demo world writes: it is certain in all, and what happened is likely by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.data import events
from findcli.datasets.demo.simulation import create
from findcli.evaluation.next_event.ceiling import read_possible
from findcli.models.next_event.tokens import fit_vocabulary
from findcli.workspace.folder import Workspace, load_workspace


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("demo") / "world"
    create(folder, users=1500, text_model="scratch")
    return load_workspace(folder)


@pytest.fixture(scope="module")
def happened(world: Workspace) -> pl.DataFrame:
    """The first event of each user from train_until on."""
    log = events.build_events(world)
    frames = [log.table(f"later/{part}") for part in events.parts(log)]
    return pl.concat(frames).sort("user_id", "time").unique("user_id", keep="first", maintain_order=True)


def law(world: Workspace) -> pl.DataFrame:
    return pl.read_parquet(world.folder / "data/tasks/next_event.parquet")


def test_the_law_is_of_held_out_users_and_adds_up(world: Workspace) -> None:
    sums = law(world).group_by("user_id").agg(pl.col("probability").sum())
    assert 0.15 < len(sums) / 1500 < 0.25
    present = sums.filter(pl.col("probability") > 0)
    np.testing.assert_allclose(present["probability"], 1, atol=1e-3)


@pytest.mark.parametrize("column", ["source", "category", "status", "channel"])
def test_what_happens_first_is_as_likely_as_the_law_says(world: Workspace, happened: pl.DataFrame, column: str) -> None:
    known = happened.filter(pl.col("user_id").is_in(law(world)["user_id"].unique().implode()))
    expected = law(world).filter(pl.col("user_id").is_in(known["user_id"].implode()))
    shares = expected.group_by(column).agg(expected=pl.col("probability").sum() / len(known))
    realised = known.group_by(column).agg(realised=pl.len() / len(known))
    both = shares.join(realised, on=column, how="left", nulls_equal=True).fill_null(0)
    error = (both["expected"] * (1 - both["expected"]) / len(known)).sqrt()
    assert ((both["expected"] - both["realised"]).abs() < 4 * error + 0.005).all()


def test_knowing_a_user_makes_what_happened_likelier(world: Workspace, happened: pl.DataFrame) -> None:
    vocabulary = fit_vocabulary(
        [happened], ["source", "channel", "status", "amount", "category"], amount_bins=4, most=5000
    )
    users = law(world)["user_id"].unique().sort()
    possible = read_possible(world.folder, users, vocabulary)
    assert possible is not None
    assert possible.known.all()
    assert possible.odds.sum(1).max() <= 1 + 1e-3
    seen = happened.filter(pl.col("user_id").is_in(users.implode())).sort("user_id")
    rows = np.searchsorted(users.to_numpy(), seen["user_id"].to_numpy())
    tokens = vocabulary.read(seen) - 1
    own, average = possible.odds[rows, tokens], possible.odds.mean(0)[tokens]
    assert np.log(own + 1e-9).mean() > np.log(average + 1e-9).mean() + 0.2


def test_other_workspaces_have_no_ceiling(tmp_path: Path, happened: pl.DataFrame) -> None:
    vocabulary = fit_vocabulary([happened], ["source"], amount_bins=4, most=5)
    assert read_possible(tmp_path, pl.Series([1]), vocabulary) is None
