"""Users who are one person stay on one side of every split."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from findcli.data import pairs
from findcli.data.people import groups_of
from findcli.data.splits import held_out_users
from findcli.errors import FindCLIError
from findcli.metrics import bootstrap_weights, grouped_weights
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Split


def with_split(workspace: Workspace, **changes: object) -> Workspace:
    return Workspace(workspace.folder, replace(workspace.settings, split=Split(**changes)))  # type: ignore[arg-type]


def with_people(workspace: Workspace) -> Workspace:
    """A profile whose column `person` is the same for user n and n + 20; the last ten users have none."""
    table = workspace.folder / "data/profile.parquet"
    frame = pl.read_parquet(table).with_columns(person=pl.col("user_id") % 20)
    frame.write_parquet(table)
    return with_split(workspace, group="person", held_out_users=4, validation_users=3)


def test_users_are_people_where_nothing_is_said(tiny_workspace: Workspace) -> None:
    users = pl.Series([3, 1, 2])
    assert groups_of(tiny_workspace, users).to_list() == [3, 1, 2]


def test_a_pattern_reads_the_person_from_the_id(tiny_workspace: Workspace) -> None:
    space = with_split(tiny_workspace, group_pattern=r"-(\d+)$")
    users = pl.Series(["AAA-1", "BBB-1", "AAA-2", "guest"])
    assert groups_of(space, users).to_list() == ["1", "1", "2", "guest"]
    with pytest.raises(FindCLIError, match="fits no user, such as guest") as error:
        groups_of(space, pl.Series(["guest"]))
    assert error.value.hint


def test_a_column_of_the_profile_says_who_is_one_person(tiny_workspace: Workspace) -> None:
    groups = groups_of(with_people(tiny_workspace), pl.Series([1, 21, 2, 59]))
    assert groups.to_list() == ["1", "1", "2", "59"]
    with pytest.raises(FindCLIError, match="no column 'nobody'") as error:
        groups_of(with_split(tiny_workspace, group="nobody"), pl.Series([1]))
    assert "person" in error.value.hint


def test_a_person_is_trained_on_or_validates_or_is_held_out(tiny_workspace: Workspace) -> None:
    space = with_people(tiny_workspace)
    users = pairs.build_pairs(space).table("users.parquet")
    sides = dict(users.select("user_id", "split").iter_rows())
    assert set(sides.values()) == {"train", "validation"}
    assert 0 < len(set(range(60)) - set(sides)) < 60
    for user in range(20):
        assert sides.get(user) == sides.get(user + 20), user


def test_a_file_that_names_one_user_holds_out_the_person(tiny_workspace: Workspace) -> None:
    space = with_people(tiny_workspace)
    (space.folder / "users.txt").write_text("3\n")
    space = with_split(space, group="person", users_file="users.txt")
    assert held_out_users(space, pl.Series(range(60))) == {3, 23, 43}


def test_another_group_makes_the_pairs_out_of_date(tiny_workspace: Workspace) -> None:
    space = with_people(tiny_workspace)
    before = pairs.settings_files(space)
    table = space.folder / "data/profile.parquet"
    pl.read_parquet(table).with_columns(person=pl.col("user_id") % 7).write_parquet(table)
    assert pairs.settings_files(space) != before


def test_users_of_a_person_are_resampled_together() -> None:
    weights = grouped_weights(["a", "b", "a", "c"], 50)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[0] == 1).all()
    assert (weights[1:, 0] != weights[1:, 1]).any()
    assert (grouped_weights([3, 1, 2], 20) == bootstrap_weights(3, 20)).all()
