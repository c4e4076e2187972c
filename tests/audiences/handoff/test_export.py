"""Exports: who is in the file and who is not, what is counted, and that training never reads contacts."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import findcli
from findcli.audiences.handoff.export import FORMATS, export
from findcli.audiences.handoff.platforms import PLATFORMS
from findcli.audiences.log import read_log
from findcli.audiences.saved import Record, Sizes, save_audience
from findcli.cli.main import main
from findcli.data.forgotten import remember_forgotten
from findcli.data.pairs import build_pairs
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace, load_workspace

TABLE = """customer,mail,mail2,tel,first,last,land,plz,device,xname
1,Jane.Doe@gmail.com,,(650) 555-1212,Jane,Doe,US,01234,AEBE52E7-03EE-455A-B3C4-E57283966239,@jane
2,,second@example.com,+0000000000,Max,,DE,10115,,
3,not an address,,,,,,,00000000-0000-0000-0000-000000000000,
5,,,,Ann,Lee,US,94043,,
6,EF537F25C895BFA782526529A9B63D97AA631564D5D789C2B765448C8635FB6C,,,,,,,,
7,control@example.com,,,,,,,,
"""
TOML = """
[contacts]
path = "data/contacts.csv"
user = "customer"
region = "US"
email = ["mail", "mail2"]
phone = ["tel"]
first_name = "first"
last_name = "last"
country = "land"
zip = "plz"
madid = "device"
handle = "xname"
"""


@pytest.fixture
def shop(tiny_workspace: Workspace) -> Workspace:
    """A workspace with contacts, and an audience of users 1 to 7 of whom the last is in a control group."""
    (tiny_workspace.folder / "data/contacts.csv").write_text(TABLE)
    path = tiny_workspace.folder / "findcli.toml"
    path.write_text(path.read_text() + TOML)
    opened = load_workspace(tiny_workspace.folder)
    users = pl.DataFrame({"user_id": range(1, 8), "score": [7.0 - i for i in range(7)]})
    users = users.with_columns(group=pl.Series(["target"] * 6 + ["control"]))
    save_audience(opened, "tea", users, Record(demands=["tea"], made_by="target", sizes=Sizes(selected=7)))
    return opened


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rows(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


def run(*words: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert (end.value.code or 0) == code


def test_google_gets_hashes_whole_addresses_and_nothing_else(shop: Workspace, tmp_path: Path) -> None:
    done = export(shop, "tea", tmp_path / "out.csv", name="google")
    header, *lines = rows(tmp_path / "out.csv")
    assert header == ["Email", "Email", "Phone", "First Name", "Last Name", "Country", "Zip"]
    assert lines == [
        [sha("janedoe@gmail.com"), "", sha("+16505551212"), sha("jane"), sha("doe"), "US", "01234"],
        ["", sha("second@example.com"), "", "", "", "", ""],
        ["", "", "", sha("ann"), sha("lee"), "US", "94043"],
        ["ef537f25c895bfa782526529a9b63d97aa631564d5d789c2b765448c8635fb6c", "", "", "", "", "", ""],
    ]
    assert done.users == done.rows == 4
    assert {drop.reason: drop.users for drop in done.drops} == {
        "are in the control group": 1,
        "have no row in the table of contacts": 1,
        "have no identifier that can be used": 1,
    }
    assert done.bad["phone"] == 1
    assert done.bad["email"] == 1
    assert done.values["email"] == 3
    assert "at least 100" in done.warnings[0]


@pytest.mark.parametrize("name", FORMATS)
def test_sizes_add_up_and_no_control_user_is_in_any_file(shop: Workspace, tmp_path: Path, name: str) -> None:
    output = tmp_path / f"out.{name if name in ('parquet', 'jsonl') else 'csv'}"
    done = export(shop, "tea", output, name=name)
    assert done.listed == 7
    assert done.users == done.listed - sum(drop.users for drop in done.drops)
    content = output.read_bytes()
    if name in PLATFORMS:
        assert len(content.splitlines()) == done.rows + PLATFORMS[name].header
        assert sha("control@example.com").encode() not in content
    else:
        read: Any = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}[name]
        table = read(output)
        assert table["user_id"].to_list() == [1, 2, 3, 4, 5, 6]
        assert len(table) == done.users
        assert "group" not in table.columns
    entry = read_log(shop, "tea")[-1]
    assert (entry.action, entry.users, entry.details["format"]) == ("exported", done.users, name)


def test_platform_files_are_never_escaped(shop: Workspace, tmp_path: Path) -> None:
    """LinkedIn takes plain names; an apostrophe before one would be another name."""
    shop.path("data/contacts.csv").write_text(TABLE.replace("Jane", "=Jane"))
    export(shop, "tea", tmp_path / "out.csv", name="linkedin")
    assert "'=Jane" not in (tmp_path / "out.csv").read_text()
    assert ",=Jane," in (tmp_path / "out.csv").read_text()


def test_x_gets_one_hash_a_line(shop: Workspace, tmp_path: Path) -> None:
    export(shop, "tea", tmp_path / "mail.txt", name="x")
    assert (tmp_path / "mail.txt").read_text().split() == [
        sha("jane.doe@gmail.com"), "ef537f25c895bfa782526529a9b63d97aa631564d5d789c2b765448c8635fb6c",
        sha("second@example.com"),
    ]  # fmt: skip
    export(shop, "tea", tmp_path / "device.txt", name="x", by="madid")
    assert (tmp_path / "device.txt").read_text().split() == [sha("aebe52e7-03ee-455a-b3c4-e57283966239")]


def test_who_was_forgotten_is_in_no_file(shop: Workspace, tmp_path: Path) -> None:
    remember_forgotten(shop, [1])
    done = export(shop, "tea", tmp_path / "out.csv", name="meta")
    assert sha("jane.doe@gmail.com") not in (tmp_path / "out.csv").read_text()
    assert {drop.reason: drop.users for drop in done.drops}["were forgotten"] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 7), st.text(max_size=12), st.text(max_size=12)), max_size=12))
def test_no_value_makes_an_export_fail(shop: Workspace, values: list[tuple[int, str, str]]) -> None:
    contacts = pl.DataFrame(values, schema={"user": pl.Int64, "mail": pl.String, "tel": pl.String}, orient="row")
    contacts.write_parquet(shop.folder / "data/contacts.parquet")
    table = replace(
        load_workspace(shop.folder).settings.contacts, path="data/contacts.parquet", user="user", email=("mail",),
        phone=("tel",), first_name=None, last_name=None, country=None, zip=None, madid=None, handle=None,
    )  # fmt: skip
    changed = replace(shop, settings=replace(shop.settings, contacts=table))
    done = export(changed, "tea", shop.folder / "out.csv", name="meta")
    assert done.users == done.listed - sum(drop.users for drop in done.drops)
    for line in rows(shop.folder / "out.csv")[1:]:
        assert all(len(cell) in (0, 64) for cell in line)


def test_the_command_shows_each_step(shop: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "tea", "--format", "meta", "-o", tmp_path / "meta.csv", "-w", shop.folder]
    run(*words, "--dry-run")
    assert not (tmp_path / "meta.csv").exists()
    assert "would write" in capsys.readouterr().out
    run(*words)
    printed = capsys.readouterr()
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    assert "in tea 7" in lines
    assert "left out: are in the control group -1" in lines
    assert "in the file 3" in lines
    assert "wrote 3 users" in printed.out
    assert "at least 100 users" in printed.err
    run(*words, "--json")
    assert json.loads(capsys.readouterr().out)["users"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tea", "-o", "{}/out.txt"], "does not say which format"),
        (["tea", "--format", "snap", "-o", "{}/out.csv"], "no format 'snap'"),
        (["tea", "--format", "csv", "-o", "{}/out.parquet"], "not named as a csv file"),
        (["tea", "--format", "meta", "-o", "{}/out.parquet"], ".csv, .txt"),
        (["coffee", "-o", "{}/out.csv"], "no audience 'coffee'"),
        (["tea", "--format", "meta", "-o", "{}/workspace/data/contacts.csv"], "the workspace reads"),
    ],
)
def test_what_cannot_be_exported_says_why(
    shop: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    run("export", *(word.format(tmp_path) for word in words), "-w", shop.folder, code=1)
    assert said in " ".join(capsys.readouterr().err.split())


def test_contacts_that_are_missing_or_misnamed_say_so(shop: Workspace, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    changed = replace(shop, settings=replace(shop.settings, contacts=replace(shop.settings.contacts, zip="postcode")))
    with pytest.raises(FindCLIError, match="no column 'postcode'"):
        export(changed, "tea", output, name="google")
    bare = replace(shop.settings.contacts, email=(), phone=(), madid=None)
    changed = replace(shop, settings=replace(shop.settings, contacts=bare))
    with pytest.raises(FindCLIError, match="needs email or phone or madid"):
        export(changed, "tea", output, name="meta")
    (shop.folder / "data/contacts.csv").unlink()
    with pytest.raises(FindCLIError, match="no file matches"):
        export(shop, "tea", output, name="google")
    assert not output.exists()


def test_training_never_reads_contacts(shop: Workspace) -> None:
    """In code the export reads them, its check and the card name them; pairs are built without their file."""
    readers = set()
    for path in Path(findcli.__file__).parent.rglob("*.py"):
        names = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute))
        if any(node.attr == "contacts" for node in names):
            readers.add(path.relative_to(Path(findcli.__file__).parent).parts[:2])
    assert readers <= {("audiences", "handoff"), ("audiences", "export.py"), ("audiences", "card.py")}
    (shop.folder / "data/contacts.csv").unlink()
    assert build_pairs(shop).manifest.metrics["pairs"] > 0


def test_an_export_goes_to_s3_with_its_digest_in_the_log(shop: Workspace, bucket: str, tmp_path: Path) -> None:
    export(shop, "tea", Path(f"{bucket}/meta.csv"), name="meta")
    entry = read_log(shop)[-1]
    assert entry.details["file"] == "s3://shop/meta.csv"
    export(shop, "tea", tmp_path / "meta.csv", name="meta")
    assert read_log(shop)[-1].details["digest"] == entry.details["digest"]
