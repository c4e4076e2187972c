"""The command line: exit codes, what goes to which stream, and what `--help` may import."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer.main

from findcli import __version__
from findcli.cli import console
from findcli.cli.commands import COMMANDS
from findcli.cli.main import app, main
from findcli.cli.status import spoken
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

PLACES = ("adbc_driver_manager", "arro3", "deltalake", "duckdb", "obstore", "pyiceberg", "sqlalchemy")
HEAVY = ("torch", "polars", "numpy", "sklearn", "transformers", "pydantic", "safetensors", "phonenumbers", *PLACES)
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


def test_importing_findcli_imports_nothing_of_it() -> None:
    code = f"import sys, findcli; assert not {{*{HEAVY!r}, 'findcli.audiences', 'typer'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_lists_each_command_as_its_own_help_begins() -> None:
    for command in COMMANDS:
        loaded = command.load()
        assert loaded.help.split("\n\n")[0] == command.help, command.name
        assert (loaded.name, loaded.rich_help_panel) == (command.name, command.panel)


def test_help_imports_no_command() -> None:
    code = """
import sys
from findcli.cli.commands import COMMANDS
from findcli.cli.main import main
try:
    main(["--help"])
except SystemExit:
    pass
loaded = {"findcli.cli." + command.loads.partition(":")[0] for command in COMMANDS} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_help_takes_at_most_half_as_long_again_as_that_of_a_two_command_app() -> None:
    def seconds(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    ours = "from findcli.cli.main import main\nmain(['--help'])"
    # Seconds of the processor, the least of several runs: they say what the code takes, whatever else is running.
    pairs: list[tuple[float, float]] = []
    while len(pairs) < 30:
        pairs.append((seconds(ours), seconds(TWO_COMMANDS)))
        ratio = min(one for one, _ in pairs) / min(other for _, other in pairs)
        if len(pairs) >= 5 and ratio <= 1.5:
            return
    pytest.fail(f"--help takes {ratio:.2f} times as long")


def test_every_help_shows_an_example_that_findcli_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    group: Any = typer.main.get_command(app)
    for words in commands(group):
        assert exit_code(*words, "--help") == 0
        (line,) = re.findall("^ *Example: findcli (.+)$", capsys.readouterr().out, re.MULTILINE)
        example = shlex.split(line)
        assert tuple(example[: len(words)]) == words
        command = group
        while hasattr(command, "commands"):
            command, example = command.commands[example[0]], example[1:]
        command.make_context(command.name, example)  # parses, converts and refuses; calls nothing


def test_a_paragraph_of_help_is_wrapped_by_the_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert exit_code("few-shot", "--help") == 0
    assert "left out of the evaluation. Prints the mean over draws of AUC, average precision" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "now"),
    [
        (("--few-shot",), "findcli evaluate --few-shot is now: findcli few-shot"),
        (("--few-shot", "--rivals", "one4all"), "findcli evaluate --few-shot is now: findcli few-shot"),
        (("--variants", "find", "--few-shot"), "findcli evaluate --variants is now: findcli ablate --variants"),
        (("--sentences", "--rivals", "all"), "findcli evaluate --sentences is now: findcli rank-sentences"),
        (("--draws=3",), "findcli evaluate --draws is now: findcli few-shot --draws"),
        (("--dry-run",), "findcli evaluate --dry-run is now: findcli ablate --dry-run"),
        (("-o", "x.parquet"), "findcli evaluate -o is now: findcli few-shot -o"),
    ],
)
def test_what_evaluate_no_longer_does_names_the_command_that_does(
    words: tuple[str, ...], now: str, tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("evaluate", "-w", str(tiny_workspace.folder), *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert now in err


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

    monkeypatch.setattr("findcli.workspace.folder.load_workspace", interrupt)
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


def test_each_stage_by_its_own_command(tiny_workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(tiny_workspace.folder)
    stages = ["build-pairs", "pretrain text", "pretrain sequence", "pretrain tabular", "align", "embed"]
    told = []
    for command in [stage.split() for stage in stages]:
        assert exit_code(*command, "-w", folder, "--quiet") == 0, command
        out, err = capfd.readouterr()
        assert err == "", command
        told.append(out)
    assert "330 pairs of 55 users at 6 cutoffs" in told[0]
    assert "The user purchased" in told[0]
    assert "in 5 steps" in told[1]
    assert "validation AUC 0." in told[4]
    assert "60 users, 16 dimensions" in told[5]
    assert exit_code("run", "-w", folder) == 0
    assert capfd.readouterr() == ("everything is up to date\n", "")


def test_a_stage_that_stands_is_left_alone_unless_forced(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = finished_workspace.run("tabular") / "manifest.json"
    words = ("pretrain", "tabular", "-w", str(finished_workspace.folder))
    before = manifest.stat().st_mtime_ns
    assert exit_code(*words) == 0
    out, err = capsys.readouterr()
    assert "up to date; redo it with --force" in out
    assert err == ""
    assert manifest.stat().st_mtime_ns == before
    assert exit_code(*words, "--force", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["made"] is True
    assert "tabular" in err
    assert "loss" in err
    assert manifest.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run",), []),
        (("pretrain", "sequence"), []),
        (("pretrain", "sequence", "--force"), [("sequence", "--force")]),
        (("align", "--seed", "3"), [("aligned", "seed changed: 0 -> 3")]),
        (("embed", "--as-of", "2024-09-09"), [("embeddings", "missing")]),
        (("tune-rewriter", "--steps", "9"), [("rewriter", "missing")]),
        (
            ("run", "--set", "align.steps=9", "--set", "align.loss=sigmoid"),
            [("aligned", "settings changed: loss, steps"), ("embeddings", "waits for aligned")],
        ),
        (
            ("run", "--force-from", "aligned", "--as-of", "2024-09-09T12:00+02:00"),
            [("aligned", "--force-from"), ("embeddings", "missing")],
        ),
    ],
)
def test_a_dry_run_says_what_would_run_and_why(
    words: tuple[str, ...],
    expected: list[tuple[str, str]],
    finished_workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in finished_workspace.folder.rglob("*") if path.is_file()}

    before = files()
    assert exit_code(*words, "-w", str(finished_workspace.folder), "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(step["stage"], step["reason"]) for step in found] == expected
    assert files() == before


def test_other_workspaces_teach_the_ranker_now_and_later(
    finished_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `--set` does: the next command holds to it and says so, until another ends it."""
    others = [shutil.copytree(finished_workspace.folder, tmp_path / name) for name in ("köln", "other shop")]
    few = ("--set", "ranker.steps=2", "--set", "ranker.trees=0", "--set", "align.steps=1")
    words = ("align", "-w", str(finished_workspace.folder), "-q", "--device", "cpu")
    assert exit_code(*words, *few, "--with", str(others[0]), "--with", str(others[1])) == 0
    inputs = json.loads((finished_workspace.run("aligned") / "manifest.json").read_text())["inputs"]
    assert {f"world {other}" for other in others} <= set(inputs)
    capsys.readouterr()
    assert exit_code(*words, "--dry-run", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "ranker.worlds=" in err
    assert str(others[1]) in "".join(err.split("\n"))
    assert exit_code(*words, "--dry-run", "--json", "--set", "ranker.worlds=[]") == 0
    assert [step["reason"] for step in json.loads(capsys.readouterr().out)] == ["settings changed: ranker"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--with", "{folder}"), 1, "is this workspace"),
        (("--with", "{folder}/nowhere"), 1, "there is no findcli.toml"),
        (("--with", "{other}"), 1, "findcli run --workspace {other}"),
        (("--with", "{other}", "--set", "align.scorer=vector"), 1, "scorer is 'vector'"),
        (("--with", "{other}", "--set", "ranker.worlds=[]"), 2, "ranker.worlds"),
    ],
)
def test_a_workspace_that_cannot_teach_is_refused(
    words: tuple[str, ...], code: int, text: str, finished_workspace: Workspace, tiny_workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.rmtree(tiny_workspace.folder / "runs", ignore_errors=True)
    folders = {"folder": finished_workspace.folder, "other": tiny_workspace.folder}
    filled = [word.format(**folders) for word in words]
    assert exit_code("align", "-w", str(finished_workspace.folder), *filled) == code
    assert text.format(**folders) in "".join(capsys.readouterr().err.split("\n"))


def test_a_missing_stage_names_its_command(tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("align", "-w", str(tiny_workspace.folder)) == 1
    assert "hint: make it with: findcli build-pairs (or everything with: findcli run)" in capsys.readouterr().err


def test_a_stage_warns_that_those_before_it_have_other_settings(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("pretrain", "tabular", "-w", str(finished_workspace.folder), "-q", "--set", "sentences.min_support=6")
    assert exit_code(*words) == 0
    assert "warning: pairs is out of date (settings changed: sentences)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("sequence.stepz=50", "sequence.stepz: unknown key; did you mean 'step'?"),
        ("sequence.steps=many", "sequence.steps: 'many' should be a valid integer"),
        ("sources.path=x", "sources: should be a list of tables"),
        ("steps=5", "steps: unknown key"),
    ],
)
def test_a_setting_of_the_command_line_is_checked_like_the_file(
    setting: str, told: str, tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("run", "-w", str(tiny_workspace.folder), "--set", setting) == 1
    assert told in capsys.readouterr().err
    assert not tiny_workspace.runs.exists()


@pytest.mark.parametrize("setting", ["sequence.steps", "a b.c=1", "=3"])
def test_what_is_no_setting_is_a_usage_error(setting: str, tiny_workspace: Workspace) -> None:
    assert exit_code("run", "-w", str(tiny_workspace.folder), "--set", setting) == 2


def test_a_date_that_is_none_ends_with_1(tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("embed", "run"):
        assert exit_code(command, "-w", str(tiny_workspace.folder), "--as-of", "30/10/2017") == 1
        assert "'30/10/2017' is not a date" in capsys.readouterr().err


def test_another_workspaces_model_embeds(
    finished_workspace: Workspace, tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("embed", "-w", str(tiny_workspace.folder), "--model", str(finished_workspace.folder), "-q")
    assert exit_code(*words) == 0
    assert exit_code(*words) == 0
    assert "up to date" in capsys.readouterr().out
    own = finished_workspace.runs / "embeddings/2024-10-07/users.safetensors"
    other = tiny_workspace.runs / f"embeddings/2024-10-07+{finished_workspace.folder.name}/users.safetensors"
    assert other.read_bytes() == own.read_bytes()
    assert exit_code("target", "tea drinkers", *words[1:5], "--top-k", "3", "--json") == 0
    ranked = json.loads(capsys.readouterr().out)[0]["audience"]
    assert exit_code("target", "tea drinkers", "-w", str(finished_workspace.folder), "--top-k", "3", "--json") == 0
    at_home = json.loads(capsys.readouterr().out)[0]["audience"]
    # Another workspace's odds are not calibrated for these users.
    assert [{**row, "probability": None} for row in at_home] == ranked


def test_status_says_what_stands_and_what_has_to_run(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(finished_workspace.folder)
    assert exit_code("status", "-w", folder) == 0
    out = capsys.readouterr().out
    assert out.count("current") == 7
    assert out.endswith("everything is up to date\n")
    file = finished_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace("positives = 2", "positives = 3"))
    assert exit_code("status", "-w", folder, "--json") == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["sequence"]["reason"] == "settings changed: positives"
    assert found["aligned"]["state"] == "waiting"
    assert exit_code("status", "-w", folder) == 0
    assert capsys.readouterr().out.endswith("next: findcli run\n")


def test_clean_says_what_it_removes(finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(finished_workspace.folder)
    assert exit_code("clean", "-w", folder) == 0
    assert "nothing" in capsys.readouterr().out
    assert exit_code("clean", "-w", folder, "--all", "--dry-run") == 0
    assert "would remove" in capsys.readouterr().out
    assert finished_workspace.run("aligned").exists()
    assert exit_code("clean", "-w", folder, "--all", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 8
    assert not finished_workspace.run("aligned").exists()


@pytest.mark.parametrize(("seconds", "told"), [(5, "5 s"), (60, "1 min"), (7_300, "2 h"), (200_000, "2 d")])
def test_an_age_is_told_in_its_largest_unit(seconds: int, told: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == told


def test_describe_draws_each_source_and_marks_train_until(
    tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("describe", "-w", str(tiny_workspace.folder), "-q")
    for width in (40, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        assert exit_code(*words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith("orders: 4,800 events") for line in lines)
        assert "│ train_until 2024-09-09" in lines
        assert max(len(line) for line in lines if set(line) & set("▁▂▃▄▅▆▇█")) <= width
        assert not any("\x1b" in line for line in lines)
    assert exit_code(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(row["events"] for row in found["counts"]) == 4800 + 800


def test_describe_draws_a_user_around_the_cutoff(tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("describe", "7", "-w", str(tiny_workspace.folder), "-q", "--as-of", "2024-07-01")
    assert exit_code(*words) == 0
    out = capsys.readouterr().out
    assert "city south" in out
    before, after = out.split("cutoff 2024-07-01: inputs above, what came after below")
    assert "The user purchased" in before
    assert "The user purchased" in after
    assert exit_code(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"time", "source", "text"} <= found["events"][0].keys()
    assert found["user"] == 7


def test_a_cutoff_needs_a_user(tiny_workspace: Workspace) -> None:
    assert exit_code("describe", "-w", str(tiny_workspace.folder), "--as-of", "2024-07-01") == 2


def test_a_probe_stands_beside_the_best_possible(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = finished_workspace.folder / "data/tea.parquet"
    pl.read_parquet(labels).with_columns(p=pl.col("label") * 0.5 + 0.25).write_parquet(labels)
    words = ("probe", "-d", "tea", "-w", str(finished_workspace.folder), "-q")
    assert exit_code(*words) == 0
    assert " of 1.00" not in capsys.readouterr().out
    file = finished_workspace.folder / "findcli.toml"
    file.write_text(file.read_text() + 'truth = "p"\n')
    assert exit_code(*words) == 0
    assert capsys.readouterr().out.count(" of 1.00") >= 12
    assert exit_code(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ceiling"] == {"auc": 1.0, "ks": 1.0, "precision": 1.0}


def test_an_evaluation_stands_beside_the_best_possible(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = finished_workspace.folder / "data/tea.parquet"
    hard = (pl.col("label") == 0) & (pl.int_range(pl.len()) % 2 == 0)
    pl.read_parquet(labels).with_columns(p=pl.col("label") * 0.5 + 0.25, hard=hard).write_parquet(labels)
    words = ("evaluate", "-d", "tea", "-w", str(finished_workspace.folder), "-q", "--untrained")
    assert exit_code(*words) == 0
    assert "hard" not in capsys.readouterr().out
    file = finished_workspace.folder / "findcli.toml"
    file.write_text(file.read_text() + 'truth = "p"\nhard_negative = "hard"\nparaphrases = ["who drinks tea?"]\n')
    monkeypatch.setenv("COLUMNS", "80")
    assert exit_code(*words) == 0
    out = capsys.readouterr().out
    assert 'paraphrase 1: "who drinks tea?"' in out
    assert out.count(" of 1.00") == 5  # words, paraphrase, as understood, single vector, untrained
    assert "hard negatives" in out
    assert out.splitlines()[-1].startswith("the best possible")


def test_target_shows_how_a_demand_was_understood(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("-w", str(finished_workspace.folder))
    assert exit_code("target", "people who buy tea or bread but no soap next month", *where, "--top-k", "3") == 0
    told = capsys.readouterr().out
    assert '"The user purchased tea."' in told
    assert 'not "The user purchased soap."' in told
    assert '"next month"' in told
    assert "probability: that what was understood comes true" in told


def test_a_rewriting_can_be_explained_kept_replaced_and_turned_off(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("-w", str(finished_workspace.folder))
    assert exit_code("target", "people who buy tea", "--explain-query", *where, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["expression"].startswith("The user purchased tea.")

    def ranked(rewrite: str) -> list[dict[str, Any]]:
        words = ("target", "people who buy tea", *where, "--rewrite", rewrite, "--top-k", "5", "--json")
        assert exit_code(*words) == 0
        audience: list[dict[str, Any]] = json.loads(capsys.readouterr().out)[0]["audience"]
        return audience

    sentence = "The user purchased soap."
    assert exit_code("target", sentence, *where, "--rewrite", "off", "--top-k", "5", "--json") == 0
    own = json.loads(capsys.readouterr().out)[0]["audience"]
    assert ranked(sentence) == own
    assert ranked("off") != own
    nobody = ranked("The user purchased tea. and not The user purchased tea.")
    assert all(row["probability"] <= 0.25 for row in nobody)


def test_a_rewriting_that_cannot_be_read_is_refused(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("target", "tea", "-w", str(finished_workspace.folder), "--rewrite", "tea") == 1
    assert "does not end in a full stop" in capsys.readouterr().err


def test_what_cannot_be_answered_is_said_and_spoils_no_file(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from findcli.demands.clauses import ParsedDemand

    known = ParsedDemand._answerable
    monkeypatch.setattr(
        ParsedDemand, "_answerable", lambda self, clauses: bool(known(self, clauses))
    )  # as a workspace whose text model knows words
    where = ("-w", str(finished_workspace.folder))
    assert exit_code("target", "people who vote", *where) == 1
    told = capsys.readouterr().err
    assert "people who vote" in told
    assert "--rewrite off" in told
    demands = finished_workspace.path("demands.txt")
    demands.write_text("people who vote\npeople who buy tea\n")
    assert exit_code("target", "--demands", str(demands), *where, "--top-k", "3", "--json") == 0
    printed = capsys.readouterr()
    lost, found = json.loads(printed.out)
    assert (lost["rewriting"]["answerable"], lost["audience"], len(found["audience"])) == (False, [], 3)
    assert "cannot be answered" in printed.err


def test_a_sentence_that_the_vocabulary_lacks_is_told(
    finished_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("target", "tea", "-w", str(finished_workspace.folder), "--top-k", "3", "--rewrite")
    assert exit_code(*words, "The user purchased unobtainium.") == 0
    assert "not in the vocabulary" in capsys.readouterr().out
    assert exit_code(*words, "The user purchased tea.") == 0
    out = capsys.readouterr().out
    assert "not in the vocabulary" not in out
    assert "cosine" not in out
    assert exit_code(*words, "The user purchased tea.", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["rewriting"]["clauses"][0]["any_of"][0]["cosine"] is None
    assert [near["cosine"] for near in found["nearest"]] == [None]
