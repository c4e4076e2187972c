"""Group rates of sensitive columns and the ratio of the lowest to the highest."""

from __future__ import annotations

from datetime import datetime
from math import exp, sqrt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findcli.audiences.group_rates import FEWEST, Group, GroupRates, group_rates
from findcli.workspace.folder import Workspace, load_workspace

AS_OF = datetime(2024, 9, 9)


def marked(workspace: Workspace, people: pl.DataFrame, *columns: str) -> Workspace:
    people.write_csv(workspace.folder / "data/people.csv")
    path = workspace.folder / "findcli.toml"
    text = path.read_text().replace("data/profile.parquet", "data/people.csv")
    path.write_text(text + f"\n[sensitive]\ncolumns = {[*columns]}\n".replace("'", '"'))
    return load_workspace(workspace.folder)


def people() -> pl.DataFrame:
    """Two hundred users: women and men by turns, ten others, and some of whom nothing is known."""
    gender = ["x" if i < 10 else None if i < 20 else ("f", "m")[i % 2] for i in range(200)]
    return pl.DataFrame(
        {"user_id": range(200), "gender": gender, "age": [18 + i // 4 for i in range(200)], "city": "north",
         "tier": "gold", "disabled": [i % 4 == 0 for i in range(200)]}
    )  # fmt: skip


def test_rates_are_counted_by_hand(tiny_workspace: Workspace) -> None:
    workspace = marked(tiny_workspace, people(), "gender", "disabled")
    users = pl.Series("user_id", range(200))
    selected = users.filter((users % 2 == 0) & (users < 110))  # 55, of them 45 of the 90 women
    gender, disabled = group_rates(workspace, users, selected, AS_OF)
    assert gender.groups == (
        Group("f", 90, 45),
        Group("m", 90, 0),
        Group("groups of fewer than 20", 10, 5),
        Group("not known", 10, 5),
    )
    assert gender.ratio == 0
    assert gender.is_adverse
    assert gender.interval is None
    assert {group.value: (group.users, group.selected) for group in disabled.groups} == {
        "true": (50, 28),
        "false": (150, 27),
    }


def test_numbers_are_shown_in_quarters(tiny_workspace: Workspace) -> None:
    workspace = marked(tiny_workspace, people(), "age")
    users = pl.Series("user_id", range(200))
    (age,) = group_rates(workspace, users, users.filter(users >= 100), AS_OF)
    assert sum(group.users for group in age.groups) == 200
    assert sum(group.selected for group in age.groups) == 100
    assert {group.value for group in age.groups} == {"18 to 30", "31 to 42", "43 to 55", "56 to 67"}


def test_the_ratio_and_its_interval_are_katz() -> None:
    rates = GroupRates("gender", (Group("f", 200, 60), Group("m", 100, 20)), 2)
    assert rates.ratio == pytest.approx(2 / 3)
    low, high = rates.interval or (0, 0)
    half = 1.96 * sqrt(1 / 20 - 1 / 100 + 1 / 60 - 1 / 200)
    assert (low, high) == pytest.approx((2 / 3 / exp(half), 2 / 3 * exp(half)), abs=1e-4)
    assert rates.is_adverse
    assert rates.may_be_chance  # the interval holds 1
    assert not GroupRates("gender", (Group("f", 2000, 600), Group("m", 1000, 200)), 2).may_be_chance
    assert not GroupRates("gender", (Group("f", 200, 60), Group("m", 100, 24)), 2).is_adverse
    assert not GroupRates("gender", (Group("f", 200, 0), Group("m", 100, 0)), 2).is_adverse


def test_no_column_is_marked_no_rate_is_told(tiny_workspace: Workspace) -> None:
    users = pl.Series("user_id", range(60))
    assert group_rates(tiny_workspace, users, users, AS_OF) == ()


@given(st.lists(st.tuples(st.integers(FEWEST, 500), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_ratio_is_between_none_and_all(groups: list[tuple[int, float]]) -> None:
    rates = GroupRates("c", tuple(Group(str(i), n, int(n * p)) for i, (n, p) in enumerate(groups)), len(groups))
    if rates.ratio is not None:
        assert 0 <= rates.ratio <= 1
        assert rates.lowest is not None
        assert all(rates.lowest.rate <= group.rate for group in rates.groups)
    if rates.interval is not None:
        assert rates.interval[0] <= float(rates.ratio or 0) <= rates.interval[1]
