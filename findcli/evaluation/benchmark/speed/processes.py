"""What a process costs: wall time, CPU seconds, and the most memory it held, each process measured from its start.

A process is started by a launcher that has imported next to nothing, since a forked child counts its parent's memory
as its own. A process may say itself which part of its time counts, so that loading and preparing are left out.

Tested in tests/evaluation/benchmark/test_speed.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from findcli.errors import FindCLIError

LAUNCHER = """
import json, subprocess, sys, time
try:
    import resource
except ImportError:  # Windows
    resource = None
clock = time.perf_counter()
done = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
cost = {"wall": time.perf_counter() - clock, "code": done.returncode, "error": done.stderr[-2000:]}
if resource is not None:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    cost |= {"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * unit}
with open(sys.argv[1], "w") as file:
    json.dump(cost, file)
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to measure.

    Attributes:
        words: the program and its arguments.
        folder: where it runs.
        part: the file in which it says itself what the part that counts took; None counts the whole process.
    """

    words: Sequence[str]
    folder: Path
    part: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run of a program took.

    Attributes:
        wall: seconds.
        cpu: CPU seconds of the process and its children.
        peak: bytes held at most; 0 where the system does not say.
        items: how many users or the like it worked through; 0 if that says nothing.
    """

    wall: float
    cpu: float
    peak: int
    items: int = 0


def python(*arguments: str) -> list[str]:
    """The words that start this very Python."""
    return [sys.executable, *arguments]


def measure(command: Command, scratch: Path) -> Cost:
    """Run a program once and measure it.

    Args:
        command: the program.
        scratch: a folder for what the launcher writes.

    Raises:
        FindCLIError: it fails.
    """
    result = scratch / "cost.json"
    words = [sys.executable, "-I", "-c", LAUNCHER, str(result), *command.words]
    subprocess.run(words, cwd=command.folder, check=True, env=_environment())
    whole: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if whole["code"]:
        lines = whole["error"].strip().splitlines() or ["it says nothing"]
        raise FindCLIError(
            f"{' '.join(command.words)[:200]} ended with exit code {whole['code']}: {lines[-1]}",
            hint="run it by itself to see all that it says, or leave the row out with --only",
        )
    timed = {} if command.part is None else json.loads(command.part.read_text(encoding="utf-8"))
    both = {**whole, **timed}
    return Cost(wall=both["wall"], cpu=both.get("cpu", 0.0), peak=whole.get("peak", 0), items=both.get("items", 0))


def _environment() -> dict[str, str]:
    """This process's variables, and the folders it imports from: a started Python finds the same findcli."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
