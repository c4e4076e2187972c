"""The command line: exit codes, what goes to which stream, and what `--help` may import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer.main

from findcli import __version__
from findcli.cli import console
from findcli.cli.main import app, main
from findcli.errors import FindCLIError

HEAVY = ("torch", "polars", "numpy", "sklearn", "transformers", "pydantic", "safetensors")
HELP = f"""
import sys
from findcli.cli.main import main
for words in {{commands!r}}:
    try:
        main([*words, "--help"])
    except SystemExit as end:
        assert end.code == 0, words
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    assert not heavy, (words, heavy)
"""
TWO_COMMANDS = """
import typer
app = typer.Typer()
@app.command()
def one(number: int = 1) -> None: "One."
@app.command()
def two(number: int = 1) -> None: "Two."
app(["--help"])
"""


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert isinstance(end.value.code, int)
    return end.value.code


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    rows = [(user, f"2024-{month:02}-{user + 1:02}", "tea") for user in range(20) for month in range(1, 13)]
    pl.DataFrame(rows, schema=["user_id", "date", "item"], orient="row").write_csv(path)
    return path


def test_no_help_imports_anything_heavy() -> None:
    every = list(commands(typer.main.get_command(app)))
    assert ("check",) in every
    subprocess.run([sys.executable, "-c", HELP.format(commands=every)], check=True, stdout=subprocess.DEVNULL)


def test_help_takes_at_most_half_as_long_again_as_that_of_a_two_command_app() -> None:
    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    ours = "from findcli.cli.main import main\nmain(['--help'])"
    pairs = [(seconds(ours), seconds(TWO_COMMANDS)) for _ in range(5)]
    assert min(one for one, _ in pairs) <= 1.5 * min(other for _, other in pairs)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"findcli {__version__}\n"


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code()
    assert "check" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("chekc",),
        ("check", "--jsno"),
        ("init", "w"),
        ("init", "w", "--from", "moon"),
        ("init", "w", "--from", "tables"),
        ("init", "w", "--from", "tables", "--seed", "1"),
        ("init", "w", "--from", "demo", "--salt", "1"),
        ("init", "w", "--from", "demo", "--users", "0"),
        ("init", "w", "a.csv", "--from", "complete-journey"),
    ],
)
def test_usage_errors_end_with_2(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(*words) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_the_user_can_mend_ends_with_1_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("check", "--workspace", str(tmp_path), "--quiet") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: there is no findcli.toml in ")
    assert f"hint: make a workspace with: findcli init {tmp_path}" in err


def test_brackets_in_a_message_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_error(FindCLIError("correct [sources] and [/x]", hint="see [windows]"))
    assert capsys.readouterr().err == "error: correct [sources] and [/x]\nhint: see [windows]\n"


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("findcli.workspace.load_workspace", interrupt)
    assert exit_code("check", "--workspace", str(tmp_path), "--quiet") == 130


def test_waiting_threads_are_passive_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    exit_code("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    exit_code("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "active"


def test_tables_become_a_workspace_that_checks(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exit_code("init", str(tmp_path / "w"), "--from", "tables", str(orders)) == 0
    assert "source orders" in capsys.readouterr().out
    (tmp_path / "w" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "w" / "deep")
    assert exit_code("check") == 0
    out, err = capsys.readouterr()
    assert "go: next, findcli run" in out
    assert "check" in err


def test_files_alone_make_a_workspace_of_the_current_folder(
    orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    assert exit_code("init", "--from", "tables", str(orders)) == 0
    assert (tmp_path / "w" / "findcli.toml").is_file()


def test_json_is_all_of_stdout(orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "w")
    assert exit_code("init", folder, "--from", "tables", str(orders), "--json") == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["role"] == "source orders"
    assert exit_code("check", "-w", folder, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["go"] is True
    assert report["sources"][0]["rows"] == 240


def test_a_no_go_ends_with_1_and_says_why(orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "w")
    exit_code("init", folder, "--from", "tables", str(orders))
    orders.unlink()
    capsys.readouterr()
    assert exit_code("check", "-w", folder, "-q", "--json") == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["go"] is False
    assert "no file matches" in out


def test_an_existing_workspace_is_left_alone(orders: Path, tmp_path: Path) -> None:
    words = ("init", str(tmp_path / "w"), "--from", "tables", str(orders))
    assert exit_code(*words) == 0
    before = (tmp_path / "w" / "findcli.toml").read_bytes()
    assert exit_code(*words) == 1
    assert (tmp_path / "w" / "findcli.toml").read_bytes() == before


def test_progress_tells_the_stage_and_its_metrics_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("pretrain [text]", quiet=False) as progress:
        progress(1, 2, {"loss": 0.5})
        progress(2, 2, {"loss": 0.25})
    out, err = capsys.readouterr()
    assert out == ""
    assert "pretrain [text]" in err
    assert "loss 0.25" in err


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("pretrain text", quiet=True) as progress:
        progress(1, 1, {})
    assert capsys.readouterr() == ("", "")


def test_a_table_marks_thousands_and_leaves_out_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(["name", "rows", "auc"], [["a", 1234567, None], ["[b]", 5, 0.5]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "1,234,567"]
    assert lines[2].split() == ["[b]", "5", "0.500"]
