"""Who is held out: the same users at every refresh, a fair share of them, and nothing to do with training's split."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from findcli.audiences.experiment.assign import experiments_file, held_by_others, open_experiment, parse_share
from findcli.data.splits import held_out_users
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, load_workspace

MANY = pl.Series("user_id", range(20_000))


@pytest.fixture(autouse=True)
def same_key(tiny_workspace: Workspace) -> None:
    """A key that is the same in every run: figures about who is drawn are then the same too."""
    tiny_workspace.audiences.mkdir(exist_ok=True)
    (tiny_workspace.audiences / "key").write_text("07" * 32 + "\n")


def test_the_share_is_held_out_apart_from_the_training_split(tiny_workspace: Workspace) -> None:
    held = open_experiment(tiny_workspace, "spring", 0.1).held_out(tiny_workspace, MANY)
    assert binomtest(int(held.sum()), len(held), 0.1).pvalue > 0.001
    split = held_out_users(tiny_workspace, MANY)
    of_split = np.array([user in split for user in MANY])
    table = [[(held & of_split).sum(), (held & ~of_split).sum()], [(~held & of_split).sum(), (~held & ~of_split).sum()]]
    assert chi2_contingency(table).pvalue > 0.001


def test_experiments_hold_out_users_apart_from_each_other(tiny_workspace: Workspace) -> None:
    one = open_experiment(tiny_workspace, "spring", 0.5).held_out(tiny_workspace, MANY)
    other = open_experiment(tiny_workspace, "autumn", 0.5).held_out(tiny_workspace, MANY)
    assert abs((one & other).mean() - 0.25) < 0.015


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=30, unique=True), st.randoms())
def test_a_user_is_on_the_same_side_whoever_else_is_there(
    tiny_workspace: Workspace, users: list[str], random: object
) -> None:
    experiment = open_experiment(tiny_workspace, "spring", 0.3)
    first = dict(zip(users, experiment.held_out(tiny_workspace, pl.Series(users)), strict=True))
    fewer = users[: max(1, len(users) // 2)]
    random.shuffle(fewer)  # type: ignore[attr-defined]
    again = open_experiment(load_workspace(tiny_workspace.folder), "spring")
    assert dict(zip(fewer, again.held_out(tiny_workspace, pl.Series(fewer)), strict=True)) == {
        user: first[user] for user in fewer
    }


def test_numbers_and_texts_of_one_id_are_on_one_side(tiny_workspace: Workspace) -> None:
    experiment = open_experiment(tiny_workspace, "spring", 0.3)
    texts = MANY.head(500).cast(pl.String)
    assert (experiment.held_out(tiny_workspace, MANY.head(500)) == experiment.held_out(tiny_workspace, texts)).all()


def test_users_who_are_one_person_are_on_one_side(tiny_workspace: Workspace) -> None:
    path = tiny_workspace.folder / "findcli.toml"
    path.write_text(path.read_text().replace("[split]\n", "[split]\ngroup_pattern = '-(\\d+)$'\n"))
    workspace = load_workspace(tiny_workspace.folder)
    users = pl.Series([f"{account}-{person}" for person in range(200) for account in "ab"])
    held = open_experiment(workspace, "spring", 0.5).held_out(workspace, users)
    assert (held[::2] == held[1::2]).all()
    assert 60 < held[::2].sum() < 140


def test_another_workspace_draws_other_users(tiny_workspace: Workspace) -> None:
    one = open_experiment(tiny_workspace, "spring", 0.5).held_out(tiny_workspace, MANY)
    shutil.rmtree(tiny_workspace.audiences)
    other = open_experiment(tiny_workspace, "spring", 0.5).held_out(tiny_workspace, MANY)
    assert 0.45 < (one == other).mean() < 0.55


def test_a_share_is_never_changed(tiny_workspace: Workspace) -> None:
    open_experiment(tiny_workspace, "spring", 0.1)
    assert open_experiment(tiny_workspace, "spring").share == 0.1
    with pytest.raises(FindCLIError, match=r"holds out 0\.1 of users, not 0\.2"):
        open_experiment(tiny_workspace, "spring", 0.2)
    with pytest.raises(FindCLIError, match="no experiment 'summer'") as refused:
        open_experiment(tiny_workspace, "summer")
    assert "spring" in str(refused.value.hint)
    with pytest.raises(FindCLIError, match="not a valid name"):
        open_experiment(tiny_workspace, "../x", 0.1)


@pytest.mark.parametrize("content", ["", "{}", '{"key": "x"}', "[]"])
def test_a_torn_file_is_not_replaced_in_silence(tiny_workspace: Workspace, content: str) -> None:
    open_experiment(tiny_workspace, "spring", 0.1)
    experiments_file(tiny_workspace).write_text(content)
    with pytest.raises(FindCLIError, match="cannot be read"):
        open_experiment(tiny_workspace, "spring", 0.1)
    assert experiments_file(tiny_workspace).read_text() == content


def test_a_lost_key_is_said_not_replaced_by_other_sides(tiny_workspace: Workspace) -> None:
    open_experiment(tiny_workspace, "spring", 0.1)
    (tiny_workspace.audiences / "key").unlink()
    with pytest.raises(FindCLIError, match="key is not the one"):
        open_experiment(tiny_workspace, "spring")


def test_shares_are_kept_and_no_id_is(tiny_workspace: Workspace) -> None:
    open_experiment(tiny_workspace, "spring", 0.1)
    open_experiment(tiny_workspace, "autumn", 0.2)
    kept = json.loads(experiments_file(tiny_workspace).read_text())
    assert {name: each["share"] for name, each in kept["experiments"].items()} == {"spring": 0.1, "autumn": 0.2}
    assert {path.name for path in tiny_workspace.audiences.glob("[!.]*")} == {"key", "experiments.json"}


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.1", 0.1), (" 2.5 % ", 0.025)])
def test_a_share_is_read(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["10", "0%", "100%", "1", "ten", "-5%", "", "10%%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(FindCLIError, match="no share"):
        parse_share(text)


def test_who_is_held_out_by_another_experiment_is_counted(tiny_workspace: Workspace) -> None:
    users = pl.Series([f"user-{i}" for i in range(200)])
    own, other = (open_experiment(tiny_workspace, name, 0.3) for name in ("spring", "autumn"))
    assert held_by_others(tiny_workspace, users, own) == {"autumn": int(other.held_out(tiny_workspace, users).sum())}
    assert held_by_others(tiny_workspace, users.head(0), None) == {}
