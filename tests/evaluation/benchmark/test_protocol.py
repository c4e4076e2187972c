"""What is scored, on tables small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.data.splits import bucket
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.figures import members
from findcli.evaluation.benchmark.protocol import build_case
from findcli.workspace.folder import Workspace, load_workspace

DATE = datetime(2024, 7, 1)
TOML = """
[windows]
train_until = 2024-07-01
history = "8w"
future = "4w"
[[sources]]
name = "till"
path = "till.csv"
families = ["purchase"]
user = "user"
time = "time"
category = "category"
duplicates = "keep"
[split]
salt = "s"
held_out_users = 3
held_out_categories = 3
[text]
model = "scratch"
"""
Make = Callable[[list[tuple[int, int, str]]], Workspace]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A workspace of rows (user, day relative to the test date, category)."""

    def workspace(rows: list[tuple[int, int, str]]) -> Workspace:
        (tmp_path / "findcli.toml").write_text(TOML)
        table = pl.DataFrame(rows, schema=["user", "day", "category"], orient="row")
        table.select("user", (pl.lit(DATE) + pl.duration(days="day")).alias("time"), "category").write_csv(
            tmp_path / "till.csv"
        )
        return load_workspace(tmp_path)

    return workspace


def everyone(users: int, rows: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Rows besides one old purchase of each user, so that all are known."""
    return [*((user, -100, "MILK") for user in range(users)), *rows]


def test_held_out_users_and_categories_are_those_of_the_salted_hash(make: Make) -> None:
    names = ("TEA", "SOAP", "BREAD", "WINE", "RICE", "EGGS")
    case = build_case(make(everyone(30, [(user, 1, name) for user in range(0, 30, 4) for name in names])))
    everybody = [str(user) for user in range(30)]
    held = [user for user in everybody if bucket("user", user, salt="s", buckets=3) == 0]
    assert case.inputs.users.to_list() == sorted(held)
    assert sorted(case.inputs.training_users) == sorted(set(everybody) - set(held))
    assert case.inputs.categories == sorted(names)
    assert case.inputs.seen.tolist() == [bucket("category", name, salt="s", buckets=3) != 0 for name in sorted(names)]
    assert case.inputs.demands[0] == "The user purchased bread."


def test_only_categories_bought_by_a_fit_share_of_the_known_are_scored(make: Make) -> None:
    rows = [(user, 1, "COMMON") for user in range(70)] + [(user, 1, "FIT") for user in range(60)]
    rows += [(1, 1, "RARE"), (2, 2, "JUST"), (3, 2, "JUST"), (4, 28, "LATE"), (5, 28, "LATE"), (6, 28, "LATE")]
    rows += [(user, 1, "STRANGERS") for user in range(100, 140)]  # they have no row before the test date
    assert build_case(make(everyone(100, rows))).inputs.categories == ["FIT", "JUST"]


def test_truth_and_new_buyers(make: Make) -> None:
    held = [user for user in range(60) if bucket("user", user, salt="s", buckets=3) == 0]
    one, two, three, *_ = held
    rows = [(one, 0, "TEA"), (two, 27, "TEA"), (three, 28, "TEA"), (three, -90, "TEA"), (one, -1, "TEA")]
    case = build_case(make(everyone(60, rows)))
    at = {int(user): i for i, user in enumerate(case.inputs.users)}
    assert case.inputs.categories == ["TEA"]
    assert [bool(case.truth[at[user], 0]) for user in (one, two, three)] == [True, True, False]
    # A row older than the history window is a row of the category too.
    assert [bool(case.new[at[user], 0]) for user in (one, two, three)] == [False, True, False]


def test_a_column_needs_five_of_both_kinds(make: Make) -> None:
    held = [user for user in range(90) if bucket("user", user, salt="s", buckets=3) == 0]
    old = [(held[0], -5, "TEA")]
    case = build_case(make(everyone(90, [(user, 3, "TEA") for user in held[:5]] + old)))
    kind = "seen" if case.inputs.seen[0] else "held-out"
    other = "held-out" if case.inputs.seen[0] else "seen"
    assert members(case, kind, 0) is not None
    assert members(case, other, 0) is None
    assert members(case, f"new buyers, {kind}", 0) is None  # the one who bought it before is no new buyer


def test_base_rates_are_of_training_users_in_the_window_before(make: Make) -> None:
    training = [user for user in range(60) if bucket("user", user, salt="s", buckets=3) != 0]
    before = [(training[0], -1, "TEA"), (training[1], -28, "TEA"), (training[2], -29, "TEA")]
    case = build_case(make(everyone(60, [(user, 1, "TEA") for user in range(20)] + before)))
    assert case.base_rates[0] == pytest.approx(2 / len(training))


def test_later_events_change_nothing_that_a_ranker_sees(make: Make) -> None:
    rows = everyone(60, [(user, -day, "TEA") for user in range(30) for day in (3, 10)])
    later = [(user, 1, "TEA") for user in range(20)]
    one = build_case(make(rows + later))
    other = build_case(make(rows + [(user, 2, "TEA") for user in range(10, 40)]))
    assert one.inputs.digest() == other.inputs.digest()
    assert not np.array_equal(one.truth, other.truth)
    assert one.inputs.purchases["time"].max() < DATE - timedelta(days=1)  # type: ignore[operator]


def test_categories_can_be_left_out(make: Make) -> None:
    rows = everyone(60, [(user, 1, name) for user in range(20) for name in ("TEA", "SOAP")])
    case = build_case(make(rows), without={"SOAP"})
    assert case.inputs.categories == ["TEA"]
    assert "SOAP" not in case.inputs.all_seen


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('category = "category"', 'item = "category"', "no source of purchases has a category"),
        ("held_out_users = 3", "held_out_users = 0", "nobody is held out"),
        ("train_until = 2024-07-01", "train_until = 2025-07-01", "no category was bought"),
    ],
)
def test_what_cannot_be_scored_is_said(make: Make, before: str, after: str, message: str) -> None:
    workspace = make(everyone(30, [(user, 1, "TEA") for user in range(10)]))
    file = workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace(before, after))
    with pytest.raises(FindCLIError, match=message):
        build_case(load_workspace(workspace.folder))
