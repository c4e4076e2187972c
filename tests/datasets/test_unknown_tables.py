"""Tables as shops export them: what is decided of each, and that `check` goes on the result."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from findcli.cli.main import main
from findcli.data.check import Report, check_workspace
from findcli.data.templates import source_templates
from findcli.datasets.overrides import Overrides
from findcli.datasets.tables import Guesses, create
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.objects import upload
from findcli.workspace.settings import Source

R = random.Random(0)
START = datetime(2023, 1, 1, 8, 26)
Row = Sequence[object]


def times(count: int = 300, *, days: int = 364) -> list[datetime]:
    """Instants in order over some days."""
    return [START + timedelta(minutes=i * days * 1440 // (count - 1)) for i in range(count)]


def write(folder: Path, name: str, header: str, rows: Sequence[Row], *, sep: str = ",", encoding: str = "utf-8") -> str:
    lines = [header] * bool(header) + [sep.join(map(str, row)) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return str(folder / name)


def guess(folder: Path, *files: str, **overrides: str) -> tuple[Guesses, Workspace, Report]:
    """The guess of files, the workspace, and what check says; the workspace has to go."""
    guesses = create(folder / "w", list(files), overrides=Overrides(**overrides))
    workspace = load_workspace(folder / "w")
    report = check_workspace(workspace)
    assert report.go, report.problems
    return guesses, workspace, report


def doubts(guesses: Guesses) -> str:
    return "\n".join(line for table in guesses.tables for line in table.unsure)


def retail_rows() -> list[Row]:
    """Like UCI's Online Retail: cancellations, users as decimals with gaps, days after months."""
    rows: list[Row] = []
    for i, t in enumerate(times(400)):
        cancelled = i % 40 == 7
        rows.append((
            f"{'C' * cancelled}{536365 + i}", R.choice(["85123A", "71053"]), R.choice(["WHITE CAFÉ CUP", "LAMP"]),
            -2 if cancelled else R.choice([1, 6]), f"{t.month}/{t.day}/{t.year} {t.hour}:{t.minute:02d}",
            R.randrange(100, 900) / 100, "" if i % 5 == 0 else f"{17850 + R.randrange(30)}.0", "United Kingdom",
        ))  # fmt: skip
    return rows


RETAIL = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_retail_export(tmp_path: Path, encoding: str) -> None:
    rows = retail_rows()
    file = write(tmp_path, "Online Retail.csv", RETAIL, rows, encoding=encoding)
    guesses, workspace, report = guess(tmp_path, file)
    source = workspace.settings.sources[0]
    assert (source.user, source.time, source.item) == ("CustomerID", "InvoiceDate", "Description")
    assert (source.quantity, source.price, source.returned) == ("Quantity", "UnitPrice", "InvoiceNo")
    assert source.types == {"CustomerID": "decimal"}
    assert source.time_format == "%m/%d/%Y %H:%M"
    assert source.encoding == (None if encoding == "utf-8" else "cp1252")
    assert source.families == ("purchase",)
    assert any(template.bounded for template in source_templates(source, workspace.settings))
    sold = [row for row in rows if row[6] and int(str(row[3])) > 0]
    assert report.sources[0].amount == pytest.approx(sum(float(str(row[3])) * float(str(row[5])) for row in sold))
    assert report.sources[0].returned == 10
    assert "StockCode" in guesses.tables[0].unused
    assert "# Unused: Country" in (tmp_path / "w" / "findcli.toml").read_text()
    assert [event["item"] for event in guesses.tables[0].first] == [row[2] for row in sold[:5]]


def german(folder: Path) -> str:
    rows = [
        (f"K{i % 40:03d}", f"{t:%d.%m.%Y}", R.choice(["Tee", "Käse"]), i % 3 + 1, f"1.0{i % 10}4,50")
        for i, t in enumerate(times())
    ]
    return write(folder, "bestellungen.csv", "Kundennr;Bestelldatum;Artikel;Menge;Betrag", rows, sep=";")


def french(folder: Path) -> str:
    rows = [(i % 40, f"{t:%d/%m/%Y}", R.choice(["thé", "lait"]), f"{i % 9},50 €") for i, t in enumerate(times())]
    return write(folder, "ventes.csv", "n° client;date;libellé;montant", rows, sep=";", encoding="cp1252")


def cdnow(folder: Path) -> str:
    rows = [(f"{i % 40:05d}", f"{t:%Y%m%d}", n := i % 3 + 1, f"{n * 11}.77") for i, t in enumerate(times())]
    return write(folder, "cdnow.csv", "", rows)


def cdnow_master(folder: Path) -> str:
    rows = [(f" {i % 40:05d} {t:%Y%m%d} {i % 3 + 1:2d} {(i % 3 + 1) * 11.77:7.2f}",) for i, t in enumerate(times())]
    return write(folder, "CDNOW_master.txt", "", rows)


def stream(folder: Path) -> str:
    kinds = ["view"] * 8 + ["cart", "purchase"]
    rows = [
        (f"{t:%Y-%m-%d %H:%M:%S} UTC", kinds[i % 10], 1000 + i % 70, R.choice(["toys.bear", ""]), "acme", 9.5,
         512 + i % 40, f"s{i}")
        for i, t in enumerate(times())
    ]  # fmt: skip
    header = "event_time,event_type,product_id,category_code,brand,price,user_id,user_session"
    return write(folder, "2019-Oct.csv", header, rows)


def weblog(folder: Path) -> str:
    rows = [(f"{t:%Y-%m-%dT%H:%M:%SZ}", f"s{i}", f"v{i % 40}", R.choice(["/", "/cart"])) for i, t in enumerate(times())]
    return write(folder, "access.csv", "timestamp,session_id,visitor_id,url", rows)


def payments(folder: Path) -> str:
    rows = [(f"c{i % 40}", f"{t:%Y-%m-%d}", f"${i % 90 + 1}.50") for i, t in enumerate(times())]
    return write(folder, "payments.csv", "customer,date,amount", rows)


def visits(folder: Path) -> str:
    return write(folder, "log.csv", "customer,date", [(f"c{i % 40}", f"{t:%Y-%m-%d}") for i, t in enumerate(times())])


def jsonl(folder: Path) -> str:
    rows = [
        {"orderId": i, "customerId": i % 40, "createdAt": int(t.timestamp() * 1000), "productName": "tea",
         "total": i % 9 + 0.5,
         "status": "refunded" if i % 20 == 3 else "paid"}
        for i, t in enumerate(times())
    ]  # fmt: skip
    (folder / "orders.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "orders.jsonl")


def frame() -> pl.DataFrame:
    return pl.DataFrame({
        "Customer": [f"c{i % 40}" for i in range(300)], "Order Date": [t.date() for t in times()],
        "Product": ["tea", "milk", "bread"] * 100, "Sales": [i % 9 + 0.5 for i in range(300)],
    })  # fmt: skip


def excel(folder: Path) -> str:
    pytest.importorskip("fastexcel")
    pytest.importorskip("xlsxwriter")
    frame().write_excel(folder / "sales.xlsx")
    return str(folder / "sales.xlsx")


def parquet(folder: Path) -> str:
    frame().write_parquet(folder / "sales.parquet")
    return str(folder / "sales.parquet")


def bank(folder: Path) -> str:
    rows = [
        (f"{t:%d.%m.%y}", f"DE{i % 40}", R.choice(["Miete", "Strom"]), f"-{i % 90 + 1},50", "EUR")
        for i, t in enumerate(times())
    ]
    return write(folder, "umsaetze.csv", "Buchungstag;Kundenkonto;Verwendungszweck;Betrag;Waehrung", rows, sep=";")


def flags(folder: Path) -> str:
    rows = [
        (i % 40, f"{t:%Y-%m-%d}", "tea", "unknown" if i % 30 == 2 else i % 9 + 0.5, int(i % 25 == 3))
        for i, t in enumerate(times())
    ]
    return write(folder, "orders.csv", "client_id,date,item,price,is_refund", rows)


CASES: list[tuple[Callable[[Path], str], dict[str, Any]]] = [
    (german, {"user": "Kundennr", "time": "Bestelldatum", "item": "Artikel", "amount": "Betrag", "quantity": "Menge",
              "time_format": "%d.%m.%Y", "decimal": ",", "delimiter": ";", "families": ("purchase",)}),
    (french, {"user": "n° client", "time": "date", "item": "libellé", "amount": "montant", "time_format": "%d/%m/%Y",
              "decimal": ",", "encoding": "cp1252", "currency": "euros"}),
    (cdnow, {"user": "column_1", "time": "column_2", "amount": "column_4", "item": None, "header": False,
             "event": None}),
    (cdnow_master, {"user": "column_1", "time": "column_2", "amount": "column_4", "delimiter": " "}),
    (stream, {"user": "user_id", "time": "event_time", "item": "product_id", "category": "category_code",
              "merchant": "brand", "status": "event_type", "families": ("browse",), "amount": None}),
    (weblog, {"user": "visitor_id", "time": "timestamp", "item": "url", "families": ("browse",)}),
    (payments, {"user": "customer", "time": "date", "amount": "amount", "item": None, "currency": "dollars"}),
    (visits, {"user": "customer", "time": "date", "sentences": None}),
    (jsonl, {"user": "customerId", "time": "createdAt", "item": "productName", "amount": "total",
             "time_format": "epoch_ms", "returned": "status"}),
    (excel, {"user": "Customer", "time": "Order Date", "item": "Product", "amount": "Sales"}),
    (parquet, {"user": "Customer", "time": "Order Date", "item": "Product", "amount": "Sales", "types": {}}),
    (bank, {"user": "Kundenkonto", "time": "Buchungstag", "amount": "-Betrag", "currency": "euros"}),
    (flags, {"user": "client_id", "returned": "is_refund", "null_values": ("unknown",), "amount": "price"}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_a_table_as_it_is_exported(tmp_path: Path, make: Callable[[Path], str], expected: dict[str, Any]) -> None:
    _, workspace, report = guess(tmp_path, make(tmp_path))
    source = workspace.settings.sources[0]
    values = {"currency": workspace.settings.workspace.currency}
    assert {key: values.get(key, getattr(source, key, None)) for key in expected} == expected
    assert report.sources[0].usable + report.sources[0].returned == 300


def ambiguous(folder: Path, *, last: str = "12/03/2023") -> str:
    """Dates of which none says the order of day and month but, in one table, the last."""
    rows = [(i % 40, f"{i % 12 + 1:02d}/{i // 25 + 1:02d}/2023", "tea", i) for i in range(300)]
    return write(folder, "orders.csv", "user,date,item,n", [*rows, (1, last, "tea", 1)])


def test_day_or_month_first_is_decided_by_the_last_row_too(tmp_path: Path) -> None:
    guesses, workspace, _ = guess(tmp_path, ambiguous(tmp_path, last="03/25/2023"))
    assert workspace.settings.sources[0].time_format == "%m/%d/%Y"
    assert "fits" not in doubts(guesses)


def test_where_both_orders_fit_the_likelier_is_written_and_the_other_beside_it(tmp_path: Path) -> None:
    guesses, workspace, _ = guess(tmp_path, ambiguous(tmp_path, last="12/12/2023"))
    assert workspace.settings.sources[0].time_format == "%d/%m/%Y"
    assert '# time_format = "%m/%d/%Y"' in (tmp_path / "w" / "findcli.toml").read_text()
    assert "set time_format" in doubts(guesses)


def test_formats_of_two_lengths_leave_their_order(tmp_path: Path) -> None:
    rows = [(i % 40, f"{t:%d/%m/%Y}" + f"{t: %H:%M}" * (i % 2), "tea", i) for i, t in enumerate(times())]
    _, workspace, report = guess(tmp_path, write(tmp_path, "orders.csv", "user,date,item,n", rows))
    source = workspace.settings.sources[0]
    assert (source.time_format, source.day_first, report.sources[0].usable) == (None, True, 300)


def test_placeholders_for_a_time_are_named(tmp_path: Path) -> None:
    rows = [(i % 40, "0000-00-00" if i % 30 == 29 else f"{t:%Y-%m-%d}", "tea", i) for i, t in enumerate(times())]
    _, workspace, report = guess(tmp_path, write(tmp_path, "orders.csv", "user,date,item,n", rows))
    assert workspace.settings.sources[0].null_values == ("0000-00-00",)
    assert report.sources[0].missing["time"] == 10


def test_a_session_a_row_and_a_guest_are_questioned(tmp_path: Path) -> None:
    rows = [(f"{t:%Y-%m-%d %H:%M:%S}", f"s{i}", "/") for i, t in enumerate(times())]
    guesses, _, _ = guess(tmp_path, write(tmp_path, "log.csv", "time,session,page", rows))
    assert "is it a person, or an order or a session?" in doubts(guesses)
    rows = [(f"{t:%Y-%m-%d %H:%M:%S}", "guest" if i % 2 else f"u{i % 40}", "tea") for i, t in enumerate(times())]
    (tmp_path / "second").mkdir()
    guesses, _, _ = guess(tmp_path / "second", write(tmp_path / "second", "log.csv", "time,user,item", rows))
    assert "'guest'" in doubts(guesses)
    assert '# null_values = ["guest"]' in (tmp_path / "second" / "w" / "findcli.toml").read_text()


def orders(folder: Path, ids: Sequence[str], *, name: str = "orders", user: str = "buyer") -> str:
    rows = [
        (ids[i % len(ids)], f"{t:%Y-%m-%d %H:%M}", R.choice(["tea", "milk"]), i % 9 + 1) for i, t in enumerate(times())
    ]
    return write(folder, f"{name}.csv", f"{user},when,product,paid", rows)


def test_two_tables_and_a_profile_with_users_under_different_names(tmp_path: Path) -> None:
    ids = [f"{i:05d}" for i in range(40)]
    people = write(
        tmp_path, "people.csv", "person_no,user_id,age,region", [(n, i, 20 + i, "ab"[i % 2]) for i, n in enumerate(ids)]
    )
    files = orders(tmp_path, ids), orders(tmp_path, ids, name="clicks", user="uid"), people
    _, workspace, report = guess(tmp_path, *files)
    assert [source.user for source in workspace.settings.sources] == ["buyer", "uid"]
    profile = workspace.settings.profile
    assert (profile.user, profile.categorical, profile.numeric) == ("person_no", ("region",), ("age",))
    assert report.users == 40


def test_zeros_before_ids_in_one_table_alone_say_nothing(tmp_path: Path) -> None:
    people = write(tmp_path, "people.csv", "person,age", [(i, 20 + i) for i in range(1, 41)])
    guesses, workspace, report = guess(tmp_path, orders(tmp_path, [f"{i:05d}" for i in range(1, 41)]), people)
    assert workspace.settings.sources[0].types == {"buyer": "integer"}
    assert workspace.settings.profile.types == {"person": "integer"}
    assert "007 is taken for 7" in doubts(guesses)
    assert report.profile is not None
    assert not [problem for problem in report.problems if "profile" in problem.what]


def test_a_folder_is_one_table_or_one_a_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "exports").mkdir()
    ids = [f"u{i}" for i in range(40)]
    for name in ("one", "two"):
        orders(tmp_path / "parts", ids, name=name)
    _, workspace, report = guess(tmp_path / "parts", str(tmp_path / "parts"))
    assert [source.name for source in workspace.settings.sources] == ["parts"]
    assert report.sources[0].rows == 600
    orders(tmp_path / "exports", ids)
    write(tmp_path / "exports", "people.csv", "user,age", [(name, i) for i, name in enumerate(ids)])
    _, workspace, _ = guess(tmp_path, str(tmp_path / "exports"))
    assert [source.name for source in workspace.settings.sources] == ["orders"]
    assert workspace.settings.profile.numeric == ("age",)


def test_what_is_named_is_not_guessed(tmp_path: Path) -> None:
    rows = [(i % 40, i % 7, f"{t:%Y-%m-%d}", f"{t:%Y-%m-%d}", "tea", "hot", 3, 2.5) for i, t in enumerate(times())]
    file = write(tmp_path, "orders.csv", "user,household,date,booked,product,kind,n,cost", rows)
    named = {"user": "household", "time": "booked", "item": "kind", "amount": "n * cost"}
    _, workspace, report = guess(tmp_path, file, **named)
    source = workspace.settings.sources[0]
    assert {key: getattr(source, key) for key in named} == named
    assert report.sources[0].amount == pytest.approx(300 * 7.5)
    with pytest.raises(FindCLIError, match="--user nobody") as caught:
        create(tmp_path / "x", [file], overrides=Overrides(user="nobody"))
    assert "household" in str(caught.value.hint)


def test_a_file_is_the_profile_where_it_is_named(tmp_path: Path) -> None:
    ids = [f"u{i}" for i in range(40)]
    people = write(
        tmp_path, "people.csv", "user,since,age", [(n, f"2022-0{i % 9 + 1}-01", i) for i, n in enumerate(ids + ids)]
    )
    _, workspace, _ = guess(tmp_path, orders(tmp_path, ids), people, profile=people)
    assert Path(str(workspace.settings.profile.path)).name == "people.csv"
    assert len(workspace.settings.sources) == 1


@pytest.mark.parametrize(
    ("header", "row", "asks"),
    [
        ("customer,product,amount", lambda i: (i % 40, "tea", i), ["# time = "]),
        ("customer,week,product", lambda i: (i % 40, i % 50, "tea"), ['# time = "week"']),
        ("product,price", lambda _: ("tea", 1.5), ["# time = ", "# user = "]),
    ],
)
def test_what_no_column_says_is_asked_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, row: Callable[[int], Row], asks: list[str]
) -> None:
    file = write(tmp_path, "table.csv", header, [row(i) for i in range(100)])
    with pytest.raises(SystemExit) as stopped:
        main(["init", str(tmp_path / "w"), "--from", "tables", file])
    assert stopped.value.code in (0, None)
    assert "incomplete" in capsys.readouterr().out
    text = (tmp_path / "w" / "findcli.toml").read_text()
    assert all(question in text for question in asks)
    with pytest.raises(FindCLIError, match="missing; column of the event's time"):
        load_workspace(tmp_path / "w")


def test_an_unreadable_table_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text('user,date\n1,"open\n' + "2,x\n" * 50)
    guesses, workspace, _ = guess(tmp_path, orders(tmp_path, ["a", "b"]), str(tmp_path / "bad.csv"))
    assert len(workspace.settings.sources) == 1
    assert "opens a quote" in doubts(guesses)


@pytest.mark.parametrize(("seconds", "expected"), [(0, "keep"), (17, "drop")])
def test_rows_that_repeat_are_decided(tmp_path: Path, seconds: int, expected: str) -> None:
    rows = [(i % 40, f"{t + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}", "tea") for i, t in enumerate(times())]
    guesses, workspace, _ = guess(tmp_path, write(tmp_path, "log.csv", "user,time,item", rows + rows[:9]))
    assert workspace.settings.sources[0].duplicates == expected
    assert "9 of 309 rows repeat another" in doubts(guesses)


def test_the_file_says_again_what_the_guess_says(tmp_path: Path) -> None:
    guesses, _, _ = guess(tmp_path, german(tmp_path))
    raw = tomllib.loads((tmp_path / "w" / "findcli.toml").read_text(encoding="utf-8"))
    assert raw["sources"][0].keys() <= {*Source.__dataclass_fields__}
    assert raw["text"]["model"] in guesses.notes[0]


def test_init_shows_five_events_and_check_the_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["init", str(tmp_path / "w"), "--from", "tables", german(tmp_path)])
    shown = capsys.readouterr().out
    assert "K000     2023-01-01 00:00:00" in shown
    with pytest.raises(SystemExit) as stopped:
        main(["check", "-w", str(tmp_path / "w"), "--quiet"])
    assert stopped.value.code in (0, None)
    out = capsys.readouterr().out
    total = sum(float(f"10{i % 10}4.5") for i in range(300))
    assert f"{total:,.2f}" in out
    assert "fields are parted by semicolons" in out


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("event_date,user_pseudo_id,page", "user_pseudo_id"),
        ("date,Customer User ID,item", "Customer User ID"),
        ("date,Contact ID,subject", "Contact ID"),
        ("date,party_id,topic", "party_id"),
        ("fecha,cliente,producto", "cliente"),
        ("Datum,Kunden-Nr.,Bezeichnung", "Kunden-Nr."),
        ("data,codice_cliente,prodotto", "codice_cliente"),
        ("datum,klantnummer,omschrijving", "klantnummer"),
    ],
)
def test_users_by_many_names(tmp_path: Path, header: str, user: str) -> None:
    rows = [(f"{t:%Y-%m-%d}", 1000 + i % 40, R.choice(["tea", "milk"])) for i, t in enumerate(times())]
    _, workspace, _ = guess(tmp_path, write(tmp_path, "export.csv", header, rows))
    source = workspace.settings.sources[0]
    assert (source.user, source.time) == (user, header.split(",")[0])
    assert header.split(",")[2] in (source.item, source.category)


@pytest.mark.parametrize(
    ("column", "values", "returned"),
    [
        ("Storno", ["N", "N", "N", "J"], 75),
        ("order_status", ["delivered", "delivered", "canceled"], 100),
        ("is_returned", ["False", "False", "False", "True"], 75),
        ("state", ["Texas", "Ohio"], None),
    ],
)
def test_marks_of_returns(tmp_path: Path, column: str, values: list[str], returned: int | None) -> None:
    rows = [(i % 40, f"{t:%Y-%m-%d}", "tea", 2.5, "x", values[i % len(values)]) for i, t in enumerate(times())]
    _, workspace, report = guess(
        tmp_path, write(tmp_path, "orders.csv", f"customer,date,item,amount,city,{column}", rows)
    )
    assert workspace.settings.sources[0].returned == (None if returned is None else column)
    assert report.sources[0].returned == (returned or 0)


def test_an_amount_that_does_not_read_is_left_out_and_said(tmp_path: Path) -> None:
    rows = [(i % 40, f"{t:%Y-%m-%d}", "tea", "12.3.4" if i == 299 else 2.5) for i, t in enumerate(times())]
    guesses, workspace, _ = guess(tmp_path, write(tmp_path, "orders.csv", "customer,date,item,amount", rows))
    assert workspace.settings.sources[0].amount is None
    assert '# amount = "amount"  # left out' in (tmp_path / "w" / "findcli.toml").read_text()
    assert "12.3.4" in doubts(guesses)


def test_several_currencies_are_doubted(tmp_path: Path) -> None:
    rows = [(i % 40, f"{t:%Y-%m-%d}", i % 9 + 1, ["EUR", "USD"][i % 2]) for i, t in enumerate(times())]
    guesses, workspace, _ = guess(tmp_path, write(tmp_path, "export.csv", "customer,date,amount,currency", rows))
    assert any("several currencies (EUR, USD)" in note for note in guesses.notes)
    assert workspace.settings.workspace.currency == "dollars"


def test_a_price_that_grows_with_the_pieces_is_that_of_all(tmp_path: Path) -> None:
    rows = [(i % 40, f"{t:%Y-%m-%d}", n := i % 3 + 1, n * 14.5) for i, t in enumerate(times())]
    _, workspace, report = guess(tmp_path, write(tmp_path, "export.csv", "id,date,CDs,Price", rows))
    assert workspace.settings.sources[0].amount == "Price"
    assert report.sources[0].amount == pytest.approx(sum(float(row[3]) for row in rows))


def test_amounts_of_an_unknown_unit_are_neither_users_nor_items(tmp_path: Path) -> None:
    rows = [
        f"{i * 7 % 60:08d};{1 + i % 28:02d}.{1 + i % 12:02d}.2022;{1 + i % 9} {100 + i},{10 + i % 89} zł"
        for i in range(700)
    ]
    (tmp_path / "bank.csv").write_bytes("\r\n".join(["Nr;Data operacji;Suma", *rows]).encode("cp1250"))
    (source,) = guess(tmp_path, str(tmp_path / "bank.csv"))[1].settings.sources
    assert source.user == "Nr"
    assert source.item != "Suma"


def test_an_id_of_many_is_likelier_the_user_than_a_word_of_few(tmp_path: Path) -> None:
    rows = [f"{('home', 'item', 'cart')[i % 3]},{1_700_000_000 + i * 3600},p-{i * 13 % 70}" for i in range(900)]
    (tmp_path / "hits.csv").write_text("\n".join(["screen,ts,party_id", *rows]))
    (source,) = guess(tmp_path, str(tmp_path / "hits.csv"))[1].settings.sources
    assert source.user == "party_id"


def shop_tables() -> dict[str, pl.DataFrame]:
    """Orders, and a row a customer."""
    rows = [(i % 30, t, f"thing {i % 7}", 1.5 + i % 9) for i, t in enumerate(times(400))]
    orders = pl.DataFrame(rows, schema=["customer_id", "ordered_at", "product", "price"], orient="row")
    people = pl.DataFrame({"customer_id": range(30), "city": ["Riga", "Oslo", "Bern"] * 10})
    return {"orders": orders, "people": people}


def test_the_tables_of_a_duckdb_file_become_queries(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        for name, frame in shop_tables().items():
            frame.write_parquet(tmp_path / f"{name}.parquet")
            database.execute(f"create table {name} as from '{tmp_path}/{name}.parquet'")
    guesses, workspace, report = guess(tmp_path, str(tmp_path / "shop.duckdb"))
    assert [table.path.rpartition("::")[2] for table in guesses.tables] == ["orders", "people"]
    (source,) = workspace.settings.sources
    assert (source.name, source.query, source.amount) == ("orders", 'select * from "orders"', "price")
    assert workspace.settings.profile.query == 'select * from "people"'
    assert (report.sources[0].rows, report.users) == (400, 30)


def test_a_delta_table_is_one_table(tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    shop_tables()["orders"].write_delta(str(tmp_path / "lake" / "orders"))
    _, workspace, report = guess(tmp_path, str(tmp_path / "lake" / "orders"))
    assert workspace.settings.sources[0].name == "orders"
    assert report.sources[0].rows == 400
    assert not (Path.cwd() / "runs" / "copies").exists()


def test_objects_are_looked_at_and_named_by_their_url(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop_tables()["orders"].write_csv(tmp_path / "orders.csv")
    upload(tmp_path / "orders.csv", f"{bucket}/new/orders.csv")
    _, workspace, report = guess(tmp_path, f"{bucket}/new/orders.csv")
    assert workspace.settings.sources[0].path == "s3://shop/new/orders.csv"
    assert report.sources[0].rows == 400
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(SystemExit, match="0"):
        main(["init", "--from", "tables", f"{bucket}/new/orders.csv"])
    assert "s3://shop/new/orders.csv: source orders" in capsys.readouterr().out
    assert [path.name for path in Path().iterdir()] == ["findcli.toml"]
