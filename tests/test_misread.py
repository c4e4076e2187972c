"""Tables as people have them: each was misread once, and is read right now or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from findcli.cli.main import main
from findcli.data.check import check_workspace
from findcli.data.events import build_events, first_and_last
from findcli.workspace.folder import load_workspace

Spoil = Callable[[pl.DataFrame], pl.DataFrame]
Export = Callable[[pl.DataFrame, Path], str]
START = datetime(2024, 1, 1, 2, 21, 36)
ROWS, USERS = 600, 40
TIME, AMOUNT = pl.col("time"), pl.col("amount")
IDS = pl.col("user_id")
TEXT = IDS.cast(pl.String)
WORDS = pl.col("amount").cast(pl.String)


def orders() -> pl.DataFrame:
    """Purchases of 40 users over a year."""
    items = [("oat milk", "dairy"), ("tulips", "flowers"), ("rye bread", "bakery"), ("soap", "home")]
    return pl.DataFrame(
        {
            "user_id": [1000 + (7 * i) % USERS for i in range(ROWS)],
            "time": [START + timedelta(hours=14 * i) for i in range(ROWS)],
            "product": [items[i * i % 4][0] for i in range(ROWS)],
            "category": [items[i * i % 4][1] for i in range(ROWS)],
            "amount": [round(3 + (i * 37 % 1700) / 100, 2) for i in range(ROWS)],
        }
    )


AMOUNTS = orders()["amount"].sum()
LAST = orders()["time"].max()


def written(**options: Any) -> Export:
    """A CSV file."""

    def export(frame: pl.DataFrame, folder: Path) -> str:
        encoding = options.pop("encoding", "utf-8")
        text = frame.write_csv(datetime_format=options.pop("times", "%Y-%m-%d %H:%M:%S"), **options)
        (folder / "orders.csv").write_bytes(text.encode(encoding))
        return "orders.csv"

    return export


def named(name: str) -> Export:
    """A CSV file of that name, beside one that a pattern would match."""

    def export(frame: pl.DataFrame, folder: Path) -> str:
        frame.head(3).write_csv(folder / "orders 2.csv")
        frame.write_csv(folder / name, datetime_format="%Y-%m-%d %H:%M:%S")
        return name

    return export


def parts(*changes: Spoil, kind: str = "parquet") -> Export:
    """A folder of several files, each changed in its own way."""

    def export(frame: pl.DataFrame, folder: Path) -> str:
        size = len(frame) // len(changes)
        for i, change in enumerate(changes):
            part = change(frame.slice(i * size, size))
            if kind == "parquet":
                part.write_parquet(folder / f"orders-{i}.parquet")
            else:
                part.write_csv(folder / f"orders-{i}.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        return f"orders-*.{kind}"

    return export


def one_file(frame: pl.DataFrame, folder: Path) -> str:
    """A Parquet file."""
    frame.write_parquet(folder / "orders.parquet")
    return "orders.parquet"


def same(frame: pl.DataFrame) -> pl.DataFrame:
    """Nothing is spoiled."""
    return frame


def having(**columns: pl.Expr) -> Spoil:
    """A table with columns written in another way."""
    return lambda frame: frame.with_columns(**columns)


def some(share: int, value: pl.Expr, column: pl.Expr) -> pl.Expr:
    """A value in one row of so many."""
    return pl.when(pl.int_range(pl.len()) % share == 0).then(value).otherwise(column)


EPOCH = TIME.dt.epoch("s")
COMMA = pl.format("{}", AMOUNT).str.replace(".", ",", literal=True)
GROUPED = pl.format("1,{}", pl.format("{}", AMOUNT + 100))
# What is exported, how, and what of the totals differs from those of `orders`.
READ: dict[str, tuple[Spoil, Export, dict[str, Any]]] = {
    "plain CSV": (same, written(), {}),
    "semicolons": (same, written(separator=";"), {}),
    "tabs": (same, written(separator="\t"), {}),
    "Latin-1": (having(product=pl.lit("crème brûlée")), written(encoding="latin-1"), {}),
    "cp1252": (having(product=pl.lit("5 € crème")), written(encoding="cp1252"), {}),
    "UTF-16": (having(product=pl.lit("crème")), written(encoding="utf-16"), {}),
    "a BOM": (same, written(encoding="utf-8-sig"), {}),
    "brackets in the name": (same, named("orders [2024].csv"), {}),
    "decimal commas": (having(amount=COMMA), written(separator=";"), {}),
    "thousands": (having(amount=GROUPED), written(), {"amount": AMOUNTS + 1100 * ROWS}),
    "currency signs": (having(amount=pl.format("${}", AMOUNT)), written(), {}),
    "amounts missing as NA": (having(amount=some(9, pl.lit("NA"), WORDS)), written(), {"amount": None}),
    "NaN amounts": (having(amount=some(9, pl.lit(float("nan")), AMOUNT)), one_file, {"amount": None}),
    "no user as NA": (having(user_id=some(9, pl.lit("NA"), TEXT)), written(), {"usable": 533}),
    "no user as empty text": (having(user_id=some(9, pl.lit(""), TEXT)), one_file, {"usable": 533}),
    "ids of a float export": (having(user_id=some(9, pl.lit(None), TEXT + ".0")), written(), {"usable": 533}),
    "ids of 21 digits": (having(user_id=pl.format("90071992547409910{}", IDS)), written(), {}),
    "ids beyond Int64": (having(user_id=IDS.cast(pl.UInt64) + 2**63), one_file, {}),
    "a late id that is text": (having(user_id=some(599, pl.lit("guest-17"), TEXT)), written(), {"users": 41}),
    "offsets and fractions": (same, written(times="%Y-%m-%dT%H:%M:%S%.3f+00:00"), {}),
    "UTC by name": (same, written(times="%Y-%m-%d %H:%M:%S UTC"), {}),
    "AM and PM": (same, written(times="%m/%d/%Y %I:%M:%S %p"), {}),
    "two-digit years": (same, written(times="%m/%d/%y %H:%M:%S"), {}),
    "seconds": (having(time=EPOCH), written(), {}),
    "milliseconds": (having(time=EPOCH * 1000), written(), {}),
    "microseconds": (having(time=EPOCH * 10**6), written(), {}),
    "nanoseconds": (having(time=EPOCH * 10**9), written(), {}),
    "milliseconds as floats": (having(time=EPOCH * 1000.0), one_file, {}),
    "integers of two sizes": (same, parts(having(user_id=IDS.cast(pl.Int32)), same), {}),
    "times of two units": (same, parts(having(time=TIME.cast(pl.Datetime("ms"))), same), {}),
    "columns in another order": (same, parts(lambda f: f.select(reversed(f.columns)), same, kind="csv"), {}),
}  # fmt: skip


def created(tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `findcli check` reports of a workspace that `findcli init` made of a table."""
    for words in (
        ["init", str(tmp_path / "w"), "--from", "tables", str(tmp_path / path)],
        ["check", "--json", "--quiet"],
    ):
        where = [] if words[0] == "init" else ["--workspace", str(tmp_path / "w")]
        with pytest.raises(SystemExit) as done:
            main([*words, *where])
        output = capsys.readouterr()
        assert not done.value.code, output
    return json.loads(output.out)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", READ)
def test_totals_are_those_of_the_table(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, export, differing = READ[kind]
    report = created(tmp_path, export(spoil(orders()), tmp_path), capsys)
    (source,) = report["sources"]
    expected = {"rows": ROWS, "usable": ROWS, "users": USERS, "first": str(START), "last": str(LAST), "amount": AMOUNTS}
    expected |= differing
    if expected["amount"] is None or expected["usable"] < ROWS:
        del expected["amount"]
        assert source["amount"] < AMOUNTS
    if expected["usable"] < ROWS:
        expected["first"] = source["first"]
    assert {name: source[name] for name in expected} == expected | (
        {"amount": pytest.approx(expected["amount"])} if "amount" in expected else {}
    )
    assert report["go"]


def test_ids_are_written_as_the_table_has_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    padded = pl.format("0{}", IDS)
    orders().with_columns(user_id=padded).write_csv(tmp_path / "orders.csv")
    created(tmp_path, "orders.csv", capsys)
    log = build_events(load_workspace(tmp_path / "w"))
    assert set(log.table("train/part-000.parquet")["user_id"]) == {f"0{1000 + user}" for user in range(USERS)}


def test_profiles_match_whatever_file_has_their_zeros(tmp_path: Path) -> None:
    padded = orders().with_columns(user_id=pl.format("0{}", IDS))
    padded.write_parquet(tmp_path / "orders.parquet")
    customers = padded.select("user_id").unique().sort("user_id").with_row_index("age", offset=20)
    customers.write_csv(tmp_path / "customers.csv")
    with pytest.raises(SystemExit):
        main(
            [
                "init",
                str(tmp_path / "w"),
                "--from",
                "tables",
                *(str(tmp_path / f) for f in ("orders.parquet", "customers.csv")),
            ]
        )
    report = check_workspace(load_workspace(tmp_path / "w"))
    assert report.go, report.problems
    assert report.profile is not None
    assert report.profile.users == USERS


@pytest.mark.parametrize("year", [2031, 9999])
def test_one_event_of_a_far_year_moves_nothing(year: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders().write_csv(tmp_path / "orders.csv")
    created(tmp_path, "orders.csv", capsys)
    far = orders().tail(1).with_columns(time=pl.lit(datetime(year, 1, 1)))
    pl.concat([orders(), far]).write_csv(tmp_path / "orders.csv")
    workspace = load_workspace(tmp_path / "w")
    report = check_workspace(workspace)
    assert report.go
    (problem,) = report.problems
    assert str(year) in problem.what
    assert first_and_last(build_events(workspace))[1] == LAST


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (having(time=EPOCH * 1000), "is the unit right"),
        (having(user_id=IDS + 2.0**53), "no exact whole numbers"),
        (having(amount=some(9, pl.lit(float("inf")), AMOUNT)), "infinite"),
        (having(time=pl.lit("soon")), "'soon'"),
    ],
)
def test_what_reads_in_no_way_is_refused_with_the_value(
    spoil: Spoil, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders().write_parquet(tmp_path / "orders.parquet")
    created(tmp_path, "orders.parquet", capsys)
    toml = tmp_path / "w/findcli.toml"
    if told == "is the unit right":
        toml.write_text(toml.read_text().replace("[[sources]]", "[[sources]]\ntime_format = 'epoch_s'", 1))
    spoil(orders()).write_parquet(tmp_path / "orders.parquet")
    report = check_workspace(load_workspace(tmp_path / "w"))
    assert not report.go
    assert told in report.problems[0].what
    assert report.problems[0].fix


def test_a_byte_order_mark_in_the_settings_is_no_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders().write_csv(tmp_path / "orders.csv")
    created(tmp_path, "orders.csv", capsys)
    toml = tmp_path / "w/findcli.toml"
    toml.write_bytes(b"\xef\xbb\xbf" + toml.read_bytes())
    assert check_workspace(load_workspace(tmp_path / "w")).go


def test_a_quote_that_nothing_closes_is_named_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = orders().write_csv(datetime_format="%Y-%m-%d %H:%M:%S")
    lines = text.splitlines()
    lines[400] = lines[400].replace("bread", 'bread "', 1).replace("1", '"1', 1)
    (tmp_path / "orders.csv").write_text("\n".join(lines))
    with pytest.raises(SystemExit) as done:
        main(["init", str(tmp_path / "w"), "--from", "tables", str(tmp_path / "orders.csv")])
    printed = " ".join(capsys.readouterr().err.split())
    assert done.value.code == 1
    assert "line 401" in printed
    assert len(printed) < 500


def test_ids_with_zeros_are_asked_for_as_the_table_has_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    padded = orders().with_columns(user_id=pl.format("0{}", IDS))
    padded.write_csv(tmp_path / "orders.csv")
    created(tmp_path, "orders.csv", capsys)
    toml = tmp_path / "w/findcli.toml"
    toml.write_text(toml.read_text().replace("[workspace]", '[workspace]\nuser_id = "text"', 1))
    with pytest.raises(SystemExit) as done:
        main(["describe", "01003", "--workspace", str(tmp_path / "w"), "--quiet"])
    assert not done.value.code
    assert "user 01003" in capsys.readouterr().out
