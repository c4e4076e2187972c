"""The rows of `findcli benchmark speed`: what is measured, beside what, and what has to be reached.

Tested in tests/evaluation/benchmark/test_speed.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import polars as pl

from findcli.data.places.copies import source_files
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.speed.processes import Command, python
from findcli.evaluation.benchmark.speed.sides import demand_of
from findcli.workspace.folder import Workspace, load_workspace

Measure = Literal["wall", "cpu", "peak"]
SIDES = "from findcli.evaluation.benchmark.speed.sides import main; import sys; main(*sys.argv[1:])"
FINDCLI = "from findcli.cli.main import main; main()"
TWO_COMMANDS = """
import typer
app = typer.Typer()
@app.command()
def one(name: str = "", times: int = 1): "The first."
@app.command()
def two(name: str = "", times: int = 1): "The second."
app()
"""
TIMES_THE_USERS = 10
GIB = 2**30


@dataclass(frozen=True)
class Place:
    """Where the rows work.

    Attributes:
        workspace: a copy of the workspace that may be written to.
        scratch: an empty folder beside it.
        quick: whether to work on less.
    """

    workspace: Workspace
    scratch: Path
    quick: bool = False


Side = Callable[[Place], Command]


@dataclass(frozen=True)
class Limit:
    """What a row has to reach.

    Attributes:
        measure: of "wall" (seconds), "cpu" (seconds) and "peak" (bytes).
        most: the largest value that passes.
        ratio: whether it is a multiple of the counterpart's.
    """

    measure: Measure
    most: float
    ratio: bool = True


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: how `--only` calls it.
        what: what is measured.
        beside: the counterpart; "" where there is none.
        ours: starts findcli's side.
        theirs: starts the counterpart.
        limits: what has to be reached, all of it.
        needs: the module that the counterpart needs, and how to install it.
        long: whether it takes minutes; a quick benchmark leaves it out.
        repetitions: at most so many.
    """

    name: str
    what: str
    beside: str
    ours: Side
    theirs: Side | None
    limits: tuple[Limit, ...]
    needs: tuple[str, str] | None = None
    long: bool = False
    repetitions: int = 100

    @property
    def lacking(self) -> str:
        """Why the counterpart cannot be measured; "" where it can."""
        if self.needs is None or find_spec(self.needs[0]) is not None:
            return ""
        return f"not installed: {self.needs[1]}"


def _side(name: str) -> Side:
    """A side that says itself which part of it counts."""

    def start(place: Place) -> Command:
        result = place.scratch / f"{name}.json"
        words = [name, str(place.workspace.folder), str(result), "quick" if place.quick else ""]
        return Command(words=python("-c", SIDES, *words), folder=place.workspace.folder, part=result)

    return start


def _whole(*words: str) -> Side:
    """A whole process of this Python."""
    return lambda place: Command(words=python(*words), folder=place.workspace.folder)


def _target(place: Place) -> Command:
    words = python("-c", FINDCLI, "target", demand_of(place.workspace), "--workspace", str(place.workspace.folder))
    return Command(words=words, folder=place.scratch)


def _run(place: Place) -> Command:
    shutil.rmtree(place.workspace.runs, ignore_errors=True)
    words = python("-c", FINDCLI, "run", "--quiet", "--workspace", str(place.workspace.folder))
    return Command(words=words, folder=place.scratch)


def _quickstart(place: Place) -> Command:
    shutil.rmtree(place.scratch / "quickstart", ignore_errors=True)
    return Command(words=python("-c", FINDCLI, "quickstart", "quickstart", "--quiet"), folder=place.scratch)


def _many_users(place: Place) -> Command:
    """`build-pairs` of a workspace that holds every user ten times, under different ids."""
    folder = place.scratch / "many"
    if not folder.exists():
        shutil.copytree(place.workspace.folder, folder, ignore=shutil.ignore_patterns("runs", "audiences"))
        many = load_workspace(folder)
        for source in many.settings.sources:
            for file in source_files(many, source):
                multiply_users(file, source.user, times=TIMES_THE_USERS)
    return _side("build-pairs")(Place(load_workspace(folder), place.scratch, place.quick))


def multiply_users(file: Path, column: str, *, times: int) -> None:
    """Replace a table by one that holds every row several times, each time of another user.

    Args:
        file: a Parquet file.
        column: of the users' ids.
        times: how often.

    Raises:
        FindCLIError: it is no Parquet file.
    """
    if file.suffix != ".parquet":
        hint = "leave this row out with --only"
        raise FindCLIError(f"users are multiplied in Parquet files alone, and {file.name} is none", hint=hint)
    frame = pl.scan_parquet(file)
    whole = frame.collect_schema()[column].is_integer()
    most = frame.select(pl.col(column).max()).collect().item() if whole else 0
    ids = [pl.col(column) + i * (most + 1) if whole else pl.col(column) + f"-{i}" for i in range(times)]
    larger = file.with_suffix(".larger")
    pl.concat([frame.with_columns(each) for each in ids]).sink_parquet(larger)
    larger.replace(file)


COLES = ("ptls", 'pip install "findcli[benchmark]" && pip install --no-deps pytorch-lifestream==0.7.0')
FAISS = ("faiss", "pip install faiss-cpu")
ROWS = (
    Row(
        "help", "findcli --help", "--help of a Typer app with two commands", _whole("-c", FINDCLI, "--help"),
        _whole("-c", TWO_COMMANDS, "--help"), (Limit("cpu", 1.5), Limit("wall", 1.5)),
    ),
    Row(
        "build-pairs", "build-pairs --force", "a plain polars scan, join, sort and group", _side("build-pairs"),
        _side("plain pass"), (Limit("cpu", 3),), repetitions=3,
    ),
    Row(
        "memory", "build-pairs, ten times the users", "build-pairs", _many_users, _side("build-pairs"),
        (Limit("peak", 1.3),), long=True, repetitions=1,
    ),
    Row(
        "embed", "embed --force, a user", "CoLES inference of pytorch-lifestream, a user", _side("embed"),
        _side("coles"), (Limit("cpu", 1 / 20),), needs=COLES, repetitions=3,
    ),
    Row(
        "training-step", "steps of pretrain sequence", "the same passes in a bare loop, batches drawn before",
        _side("training steps"), _side("bare steps"), (Limit("cpu", 1.1),),
    ),
    Row(
        "ranking", "ranking a million vectors, the best 100", "faiss IndexFlatIP", _side("rank"),
        _side("rank by faiss"), (Limit("cpu", 1.2),), needs=FAISS,
    ),
    Row(
        "target", "findcli target as a process", "python -c 'import torch, transformers'", _target,
        _whole("-c", "import torch, transformers"), (Limit("cpu", 2), Limit("wall", 2)),
    ),
    Row(
        "target-warm", "a further demand, engine loaded", "", _side("target, warm"), None,
        (Limit("wall", 0.3, ratio=False),),
    ),
    Row(
        "quickstart", "findcli quickstart", "", _quickstart, None,
        (Limit("wall", 180, ratio=False), Limit("cpu", 240, ratio=False)), long=True, repetitions=1,
    ),
    Row(
        "run", "the whole of findcli run", "", _run, None,
        (Limit("wall", 360, ratio=False), Limit("peak", 3 * GIB, ratio=False)), long=True, repetitions=1,
    ),
)  # fmt: skip
