"""Commands with wrong settings, options and files end with 0, 1 or 2, soon, in words and with the next step."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_type_hints
from unittest.mock import Mock

import polars as pl
import pytest
import tomlkit
from typer.main import get_command

from findcli import pipeline
from findcli.cli.main import app, main
from findcli.errors import FindCLIError
from findcli.workspace.settings import Settings

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(60), pytest.mark.filterwarnings("default")]
CASES, CAMPAIGN = 60, 1000
NEXT_STEPS = ("hint: ", "no-go: fix the problems", '"fix": "')
IN_ITS_OWN_PROCESS = 30  # one command in so many, to see that a process of its own ends as `main` does

READ = [
    ["check"], ["check", "--json"], ["status"], ["status", "--json"], ["describe"],
    ["describe", "3", "--as-of", "2024-08-01"], ["clean", "--dry-run"], ["clean"], ["clean", "--all"],
    ["run", "--dry-run"], ["build-pairs", "--dry-run"], ["embed", "--dry-run"], ["target", "people who buy tea"],
    ["target", "tea", "--top-k", "5", "--json", "--where", "age > 30"],
    ["target", "tea", "-o", "{folder}/tea.csv", "--top-percent", "10"],
    ["target", "--demands", "{folder}/demands.txt"], ["target", "tea", "--explain-query"],
    ["target", "tea", "--as-of", "2024-09-01"], ["target", "--prompt", "tea"],
    ["probe", "-d", "tea", "--rivals", "none"], ["evaluate", "-d", "tea", "--rivals", "none"], ["prompts", "list"],
    ["prompts", "show", "tea"], ["plot", "-o", "{folder}/map.html", "--users", "20", "--task", "tea"],
    ["init", "{folder}/new", "--from", "demo", "--users", "3"],
    ["init", "{folder}/new", "--from", "tables", "{folder}/data/orders.csv", "{folder}/data/profile.parquet"],
]  # fmt: skip
TRAIN = [
    ["run"], ["run", "--force-from", "aligned"], ["build-pairs", "--force"], ["pretrain", "text", "--force"],
    ["pretrain", "sequence", "--force"], ["pretrain", "tabular", "--force"], ["align", "--force"],
    ["embed", "--as-of", "2024-09-09", "--force"], ["few-shot", "-d", "tea", "--draws", "2", "--seeds", "2"],
    ["tune-prompt", "tea buyers", "--seeds", "{folder}/seeds.csv", "-n", "tea"], ["rank-sentences"],
]  # fmt: skip
WRONG: list[Any] = [
    "", "text", "☃", "\x00", "a" * 10_000, "-1", True, -1, 0, 1, 2, 0.5, -0.0, 10**20, -(10**18), float("nan"),
    float("inf"), 1e308, [], ["text"], [[[[]]]], [1, "a"], {}, {"a": 1}, {"a": {"b": {"c": [{}]}}}, "data",
    "findcli.toml", "runs", "data/*", "data/**", "[", "{", "{item}", "%d", "2024-13-45", "1w", "0w", "-3w",
    "99999999w", "user_id", "amount", "time", "no such",
]  # fmt: skip
LIKELY: list[Any] = [
    "user_id", "time", "item", "category", "amount", "status", "query", "label", "city", "age", "tier", "1d", "4w",
    "60w", "500w", "data/orders.parquet", "data/searches.parquet", "data/profile.parquet", "data/tea.parquet",
    "data/*.parquet", "orders", "searches", "sum", "mean", "count", "distinct", "drop", "keep", "epoch_s",
    "%Y-%m-%d", "iso", "Europe/Berlin", 3, 5, 7, 16, 50, 0.1, 0.9, 1.5, 1e-9, False, ["purchase"], ["search"],
    ["exposure"], ["city"], ["age", "tier"], ["amount"], ["user_id"], date(2024, 1, 1), date(2024, 9, 9),
    date(2024, 12, 1), date(1, 1, 1), date(9999, 12, 31), datetime(2024, 5, 1, 12),
]  # fmt: skip
LARGE = [10**4, 10**6, 10**9]
OPTIONS = [
    "--as-of", "--set", "--seed", "--device", "--threads", "--workspace", "--top-k", "--top-percent", "--min-score",
    "--where", "--min-probability", "--output", "--rewrite", "--model", "--demands", "--prompt", "--dataset",
    "--rivals", "--users", "--seeds", "--draws", "--task", "--method", "--force-from", "--name", "--from", "--json",
    "--quiet", "--all", "--nonsense", "-q",
]  # fmt: skip
VALUES = [
    "", "-1", "0", "1", "2", "1e400", "nan", "inf", "9" * 25, "text", "☃", "\udcff", "tea", "none", "all", "auto",
    "off", "cpu", "cuda", "2024-09-01", "2024-99-01", "0001-01-01", "9999-12-31", "{folder}",
    "{folder}/findcli.toml", "{folder}/data/tea.parquet", "{folder}/no/such", "../..", "align.steps=1",
    "align.steps=-1", "align.steps=nan", "x.y=z", "=", "a=b=c", "[" * 500, "age >", "age > 30", "city = 'north'",
    "city in ()", "nothing = 1", "(" * 300, "a" * 5000, "--", "-", "%", "tsne", "umap", "{folder}/m.png",
]  # fmt: skip
LIKELY_VALUES = {
    "--as-of": [
        "2024-01-01", "2024-05-01T12:00:00", "2024-09-09", "2024-10-07", "2030-01-01", "1970-01-01", "0001-01-01",
        "9999-12-31", "2024-09-09T00:00:00+14:00",
    ],
    "--where": [
        "age > 30", "age between 20 and 30", "city = 'north'", "city is missing", "not tier = gold", "age > 'x'",
        "spend > 1e400", "x = 1", "age >", "(" * 300, "age in (1, 2", "☃ = '☃'", "tier >= silver or age < 5",
    ],
    "--rewrite": [
        "auto", "off", "", "The user purchased tea.", "The user purchased tea. and not The user searched for bread.",
        "and", "not not not", "The user purchased ☃.",
    ],
    "--set": [
        "align.steps=1", "align.steps=-1", "sequence.lr=nan", "x=1", "text=3", "windows.train_until=2024-05-01",
        "profile.numeric=[]", "sources=[]", "tasks={}", "split.held_out_users=1000", "split.held_out_users=59",
        "sentences.min_support=10000", "text.max_tokens=1", "windows.history='1d'", "windows.every='400w'",
    ],
    "--demands": [
        "{folder}/demands.txt", "{folder}/data/tea.parquet", "{folder}/data/orders.csv", "{folder}",
        "{folder}/map.html",
    ],
    "--seeds": [
        "{folder}/seeds.csv", "{folder}/demands.txt", "{folder}/data/tea.parquet", "{folder}/data/profile.parquet",
        "2", "50",
    ],
    "--output": [
        "{folder}/o.csv", "{folder}/o.parquet", "{folder}/o.jsonl", "{folder}/o.png", "{folder}/o.html", "{folder}",
        "{folder}/findcli.toml", "{folder}/data/orders.parquet", "{folder}/a/b/c.csv", "/dev/null",
        "{folder}/runs/x.csv",
    ],
    "--model": ["{folder}", "{folder}/data", "{folder}/runs", "no/such"],
    "--workspace": ["{folder}", "{folder}/runs", "no/such"],
    "--dataset": ["tea", "all", "none", "", "☃"],
    "--task": ["tea", "none"],
    "--prompt": ["tea", "none", "../x", "☃"],
    "--name": ["tea", "a/b", "..", "☃", "x" * 300, ""],
    "--rivals": ["all", "none", "activity", "x,y", ","],
}  # fmt: skip


@pytest.fixture(scope="module")
def template(finished_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished workspace with a prompt, demands, seeds and a table in CSV."""
    folder = shutil.copytree(finished_template, tmp_path_factory.mktemp("commands") / "workspace")
    orders = pl.read_parquet(folder / "data/orders.parquet")
    orders.head(400).write_csv(folder / "data/orders.csv")
    labels = pl.read_parquet(folder / "data/tea.parquet").sort("user_id")
    labels.group_by("label").head(6).select("user_id", "label").write_csv(folder / "seeds.csv")
    (folder / "demands.txt").write_text("people who buy tea\nbread\n")
    code, printed = run_here(filled(TRAIN[-2], folder))
    assert code == 0, printed
    return folder


def filled(words: list[str], folder: Path) -> list[str]:
    words = [word.replace("{folder}", str(folder)) for word in words]
    return words if words[0] == "init" else [*words, "-w", str(folder)]


def run_here(words: list[str]) -> tuple[int, str]:
    """Run a command line in this process: its exit code and all that it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0), printed.getvalue()


def run_apart(words: list[str]) -> tuple[int, str]:
    """The same in a process of its own."""
    source = "import sys; from findcli.cli.main import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", source, *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def wrong_settings(rng: random.Random, folder: Path, *, large: bool) -> str:
    """Change up to three settings of findcli.toml, more often to a value of the same type than to any."""
    path, changes = folder / "findcli.toml", []
    values = tomlkit.parse(path.read_text()).unwrap()
    places = [*list(leaves(values)) * 3, *keys(values)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        table, key = rng.choice(places)
        pool = [*WRONG, *(LARGE if large else [])]
        alike = [value for value in [*pool, *LIKELY] if key in table and type(value) is type(table[key])]
        value = rng.choice(alike if alike and rng.random() < 0.85 else pool)
        if rng.random() < 0.1:
            table.pop(key, None)
            changes.append(f"{key} removed")
        elif not (key in ("model", "base") and value in LIKELY):  # a name that a hub may have
            table[key] = value
            changes.append(f"{key} = {str(value)[:40]!r}")
    if rng.random() < 0.05:
        values["deep"] = deep = {}
        for _ in range(200):
            deep["d"] = deep = {}
    path.write_text(tomlkit.dumps(values))
    return ", ".join(changes)


def leaves(values: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every table with a key that is there."""
    for key, value in values.items():
        yield values, key
        for inner in value if isinstance(value, list) else [value]:
            yield from leaves(inner) if isinstance(inner, dict) else ()


def keys(values: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every table of the settings with a key that it has or may have."""
    for name, kind in get_type_hints(Settings).items():
        yield values, name
        if is_dataclass(kind):
            for field in fields(kind):
                yield values.setdefault(name, {}), field.name
    more = ("time_format", "timezone", "decimal", "types", "null_values", "quantity", "returned", "event", "duplicates")
    tables = [*values["sources"], *values["tasks"].values(), *values["profile"]["aggregates"], values["profile"]]
    for table in [*tables, *tables, values["windows"], values["split"]]:
        for key in [*table, *more]:
            yield table, key


def wrong_options(rng: random.Random, words: list[str]) -> list[str]:
    """Change up to three words of a command line, more often an option of that command than any."""
    words, own = list(words), own_options(words)
    for _ in range(rng.choice([1, 1, 2, 3])):
        place = rng.randint(1, len(words))
        action = rng.choice(["own", "own", "own", "own", "option", "value", "replace", "remove", "again"])
        if action == "own" and own:
            option, takes_value = rng.choice(own)
            words += [option, rng.choice(LIKELY_VALUES.get(option, VALUES))] if takes_value else [option]
        elif action == "option":
            words[place:place] = [rng.choice(OPTIONS), rng.choice(VALUES)]
        elif action == "value":
            words.insert(place, rng.choice(VALUES))
        elif place < len(words) and action == "replace":
            words[place] = rng.choice([*VALUES, *OPTIONS])
        elif place < len(words) and action == "remove":
            del words[place]
        else:
            words += words[1:]
    return words


def own_options(words: list[str]) -> list[tuple[str, bool]]:
    """The options of a command, and whether each takes a value."""
    command: Any = get_command(app)
    for word in words:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
    options = [(param.opts[0], not param.is_flag) for param in command.params if hasattr(param, "is_flag")]
    return [option for option in options if option[0] not in ("--users", "--scenario", "--help")]


def wrong_file(rng: random.Random, folder: Path) -> str:
    """Damage a file or folder of the workspace."""
    places = sorted(path for path in folder.rglob("*") if not path.is_symlink())
    part = rng.choice(["data", "data", "runs", "runs", "runs", ""])
    path = rng.choice([place for place in places if part in place.relative_to(folder).parts[:1]] or places)
    damages = ["truncated", "empty", "a folder", "random bytes", "flipped", "removed", "unreadable", "a loop", "text"]
    action = rng.choice(damages)
    content = path.read_bytes() if path.is_file() else b""
    if action == "unreadable":
        path.chmod(0)
        return f"{path.relative_to(folder)} {action}"
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if action == "a folder":
        (path / "inside").mkdir(parents=True)
    elif action == "a loop":
        path.symlink_to(path.name)
    elif action != "removed":
        middle = rng.randrange(len(content) + 1)
        new = {
            "truncated": content[:middle], "empty": b"", "random bytes": rng.randbytes(300),
            "text": "null\n☃,\n".encode(), "flipped": content[:middle] + rng.randbytes(8) + content[middle + 8 :],
        }  # fmt: skip
        path.write_bytes(new[action])
    return f"{path.relative_to(folder)} {action}"


def problems_of(code: int, printed: str) -> list[str]:
    """What is wrong with how a command ended."""
    lines = [line.strip() for line in printed.splitlines()]
    checks = {
        f"exit code {code}": code not in (0, 1, 2),
        "a traceback": "Traceback (most recent call last)" in printed,
        "an unexpected error": "stopped at an unexpected error" in printed,
        "no next step": code == 1 and not any(line.startswith(NEXT_STEPS) for line in lines),
        "no usage": code == 2 and "Try 'findcli" not in printed and "Usage: findcli" not in printed,
    }
    return [problem for problem, holds in checks.items() if holds]


def test_a_command(template: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder = shutil.copytree(template, tmp_path / "workspace")
    trains = rng.random() < 0.2
    wrong = rng.choice(["settings", "options", "files"])
    words = rng.choice(TRAIN if trains else [words for words in READ if wrong == "options" or "demo" not in words])
    made = wrong_settings(rng, folder, large=not trains) if wrong == "settings" else ""
    words = wrong_options(rng, words) if wrong == "options" else words
    made = ", ".join(wrong_file(rng, folder) for _ in range(rng.choice([1, 2, 4]))) if wrong == "files" else made
    apart = seed % IN_ITS_OWN_PROCESS == IN_ITS_OWN_PROCESS - 1
    with contextlib.chdir(tmp_path):
        code, printed = (run_apart if apart else run_here)(filled(words, folder))
    for path in folder.rglob("*"):
        if not path.is_symlink():
            os.chmod(path, 0o700)  # noqa: PTH101, for the one who removes it
    problems = problems_of(code, printed)
    assert not problems, f"{problems}: findcli {' '.join(words)[:300]} with {made}\n{printed[-1500:]}"


def test_a_command_that_ends_badly_is_seen(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, problem in (KeyError("x"), "an unexpected error"), (FindCLIError("no"), "no next step"):
        monkeypatch.setattr(pipeline, "plan", Mock(side_effect=error))
        assert problems_of(*run_here(["status", "-w", str(template)])) == [problem]
    assert problems_of(3, "Traceback (most recent call last)") == ["exit code 3", "a traceback"]
