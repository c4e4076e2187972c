"""Commands that are killed at any moment and given again end with the same bytes, and leave nothing behind."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import polars as pl
import pytest

from findcli.audiences.log import FILE as LOG
from findcli.workspace.runs import MANIFEST

pytestmark = pytest.mark.campaign
CASES, CAMPAIGN = 4, 40
TRAINED = ("text", "sequence", "tabular", "aligned")
KILLS_IN_TRAINING = 2
KILLS = 6  # of each world at any moment; some come after the end
LONGEST = 60  # seconds that a command may take
SETTINGS = [
    "text.model=scratch", "text.vocabulary=400", "text.d_model=16", "text.layers=1", "text.heads=2",
    "text.max_tokens=24", "text.whiten=12", "text.steps=10", "text.batch_size=16", "text.checkpoint_every=2",
    "sequence.d_model=16", "sequence.layers=1", "sequence.heads=2", "sequence.steps=40", "sequence.batch_size=16",
    "sequence.checkpoint_every=2", "tabular.d_token=8", "tabular.layers=1", "tabular.heads=2", "tabular.steps=40",
    "tabular.batch_size=32", "tabular.checkpoint_every=2", "align.d_embedding=16", "align.layers=1", "align.heads=2",
    "align.steps=12", "align.batch_size=16", "align.sentences=8", "align.validate_every=3", "align.lora_rank=2",
    "align.checkpoint_every=2", "ranker.steps=30", "ranker.checkpoint_every=2", "ranker.batch_size=32",
    "ranker.width=16",
]  # fmt: skip
SET = [word for setting in SETTINGS for word in ("--set", setting)]
COMMANDS = {
    "init": ["init", "{world}", "--from", "demo", "--users", "300"],
    "run": ["run", "-w", "{world}", *SET],
    "embed": ["embed", "-w", "{world}", "--as-of", "2025-11-01", *SET],
    "target": ["target", "users who like games", "-w", "{world}", "-o", "{world}/chosen.csv"],
    "tune-prompt": ["tune-prompt", "players", "--seeds", "{seeds}", "-n", "play", "-w", "{world}"],
}

TIMES = ("started", "seconds", "cpu_seconds", "peak_bytes")  # of a manifest


@dataclass
class Commands:
    """The process that runs commands, and where their output goes."""

    process: subprocess.Popen[str]
    folder: Path

    def run(self, words: list[str], *, kill_after: float = LONGEST, once: Path | None = None) -> int:
        """The exit status of a command; negative where a signal ended it, so many seconds after a folder is there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([str(self.folder / "log.txt"), *words]), file=self.process.stdin, flush=True)
        child, ended = int(self.process.stdout.readline()), Event()
        killer = Thread(target=kill, args=(child, ended, kill_after, once))
        killer.start()
        status = int(self.process.stdout.readline())
        ended.set()
        killer.join()
        return status

    def printed(self) -> str:
        return (self.folder / "log.txt").read_text()


def kill(child: int, ended: Event, after: float, once: Path | None) -> None:
    """Kill a process some time after a folder holds a whole file, unless it has ended."""
    while once is not None and not any(once.rglob("*.safetensors")):
        if ended.wait(0.001):
            return
    if not ended.wait(after):
        os.kill(child, signal.SIGKILL)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("commands")
    server = [sys.executable, str(Path(__file__).with_name("kept_process.py"))]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Commands(process, folder)
        process.stdin.close()


@dataclass
class Undisturbed:
    """A world that nobody disturbed: what it holds, and the seconds of each command."""

    content: dict[str, str]
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def undisturbed(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    world = tmp_path_factory.mktemp("undisturbed") / "world"
    seconds = {}
    for name in COMMANDS:
        start = time.perf_counter()
        assert commands.run(words_of(name, world)) == 0, commands.printed()
        seconds[name] = time.perf_counter() - start
    assert commands.run(["clean", "-w", str(world)]) == 0
    return Undisturbed(content_of(world), seconds)


def words_of(name: str, world: Path) -> list[str]:
    seeds = world.parent / "seeds.csv"
    if name == "tune-prompt":
        labels = pl.read_parquet(world / "data/tasks/d3.parquet").sort("user_id")
        labels.group_by("label").head(8).select("user_id", "label").sort("user_id").write_csv(seeds)
    return [word.replace("{world}", str(world)).replace("{seeds}", str(seeds)) for word in COMMANDS[name]]


def content_of(world: Path) -> dict[str, str]:
    """A digest of every file but the log; of a manifest without when it was written and how long that took."""
    files = (path for path in sorted(world.rglob("*")) if not path.is_dir() and path.name != LOG)
    return {str(path.relative_to(world)): digest(path) for path in files}


def digest(path: Path) -> str:
    content = path.read_bytes()
    if path.name == MANIFEST:
        manifest = json.loads(content)
        content = json.dumps({k: v for k, v in manifest.items() if k not in TIMES}).encode()
    return hashlib.sha256(content).hexdigest()


def moments_of(seed: int, seconds: dict[str, float]) -> list[float]:
    """When to kill: one moment within each of some commands, the first and two others, the rest anywhere."""
    rng, starts, total = random.Random(seed), {}, 0.0
    for name, length in seconds.items():
        starts[name], total = total, total + length
    chosen = [next(iter(seconds)), *rng.sample(sorted(seconds), 2)]
    within = [starts[name] + rng.random() * seconds[name] for name in chosen]
    return sorted([*within, *(rng.random() * total for _ in range(KILLS - len(within)))])


def disturb(commands: Commands, undisturbed: Undisturbed, world: Path, seed: int) -> list[str]:
    """Give every command until it ends, killing some at moments spread over all of them; the moments of the kills."""
    at, killed = 0.0, []
    moments = moments_of(seed, undisturbed.seconds)
    rng = random.Random(f"training {seed}")
    for name, seconds in undisturbed.seconds.items():
        reached = at
        for stage in rng.sample(TRAINED, KILLS_IN_TRAINING) if name == "run" else ():
            once, after = world / f"runs/.{stage}.checkpoints", rng.random() * 0.05
            if commands.run(words_of(name, world), kill_after=after, once=once) == -signal.SIGKILL:
                killed.append(f"{stage} {after:.2f} s after its first checkpoint")
        for moment in [moment for moment in moments if at <= moment < at + seconds]:
            if commands.run(words_of(name, world), kill_after=moment - reached) == -signal.SIGKILL:
                killed.append(f"{name} after {moment - at:.2f} s")
            reached = moment
        done = name == "init" and (world / "findcli.toml").exists()
        status = 0 if done else commands.run(words_of(name, world))
        assert status == 0, f"{name}: {status}\n{commands.printed()}\nkilled: {killed}"
        at += seconds
    return killed


def test_a_killed_command_ends_the_same(
    commands: Commands, undisturbed: Undisturbed, tmp_path: Path, seed: int
) -> None:
    world = tmp_path / "world"
    killed = disturb(commands, undisturbed, world, seed)
    assert killed, "every kill came too late"
    assert commands.run(["clean", "-w", str(world)]) == 0, commands.printed()
    content = content_of(world)
    missing, left = undisturbed.content.keys() - content.keys(), content.keys() - undisturbed.content.keys()
    changed = [name for name, value in undisturbed.content.items() if content.get(name, value) != value]
    assert [missing, left, changed] == [set(), set(), []], (
        f"missing {missing}, left behind {left}, changed {changed}\n{killed}"
    )
    shutil.rmtree(world)
