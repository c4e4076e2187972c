"""The work that is measured inside a process of its own: it prepares, does the timed part, and says what that took.

`main(NAME, FOLDER, RESULT, QUICK)` is called by `python -c`; every work is a function of the workspace that returns the
timed part.

Tested in tests/evaluation/benchmark/test_speed.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch

from findcli.data import events
from findcli.data.pairs import build_pairs
from findcli.data.places.copies import source_files
from findcli.errors import FindCLIError
from findcli.models.find.pretrain_sequence import SequenceTraining
from findcli.scoring.embed import embed, latest_date
from findcli.training.examples import TrainingData
from findcli.training.loop import fit
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import open_run

Timed = Callable[[], int]  # does the work, and returns how many items it worked through
RANKED, WIDTH, BEST = 1_000_000, 256, 100
STEPS = 40
COLES_USERS = 500


def main(name: str, folder: str, result: str, quick: str) -> None:
    """Do one work and write what its timed part took as JSON."""
    timed = WORKS[name](load_workspace(Path(folder)), quick == "quick")
    wall, before = time.perf_counter(), _cpu()
    items = timed()
    cost = {"wall": time.perf_counter() - wall, "cpu": _cpu() - before, "items": items}
    Path(result).write_text(json.dumps(cost), encoding="utf-8")


def _cpu() -> float:
    """CPU seconds of this process and of the children that ended."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def _build_pairs(workspace: Workspace, _quick: bool) -> Timed:
    def timed() -> int:
        build_pairs(workspace, force=True)
        return _rows(workspace)

    return timed


def _rows(workspace: Workspace) -> int:
    return int(open_run(workspace.run("events"), "events").manifest.metrics["rows"])


def _plain_pass(workspace: Workspace, _quick: bool) -> Timed:
    """A scan of the sources' columns, a join with the users' rows, a sort by user and time and a count by group."""
    scans = [_plain_scan(workspace, i) for i in range(len(workspace.settings.sources))]

    def timed() -> int:
        log = pl.concat(scans, how="diagonal_relaxed")
        users = log.select("user").unique().sort("user").with_row_index("row").collect(engine="streaming")
        rows = log.join(users.lazy(), on="user").sort("row", "time").collect()
        groups = [name for name in ("row", "category", "item") if name in rows.columns]
        rows.group_by(groups).agg(pl.len(), pl.col("time").max())
        return len(rows)

    return timed


def _plain_scan(workspace: Workspace, number: int) -> pl.LazyFrame:
    source = workspace.settings.sources[number]
    files = source_files(workspace, source)
    scan = pl.scan_parquet if all(file.suffix == ".parquet" for file in files) else pl.scan_csv
    named = {"user": source.user, "time": source.time, "category": source.category, "item": source.item}
    named |= {"amount": source.amount}
    frame: pl.LazyFrame = scan(files)
    held = frame.collect_schema().names()
    columns = {name: column for name, column in named.items() if column in held}
    return frame.select(pl.col(column).alias(name) for name, column in columns.items())


def _embed(workspace: Workspace, _quick: bool) -> Timed:
    def timed() -> int:
        return int(embed(workspace, force=True).manifest.metrics["users"])

    return timed


def _coles(workspace: Workspace, quick: bool) -> Timed:
    """CoLES of the benchmark's own sizes, its weights as they start: inference takes as long with any."""
    from findcli.evaluation.rivals.coles import Coles
    from findcli.evaluation.rivals.probe_inputs import UserInputs

    log = open_run(workspace.run("events"), "events")
    as_of = latest_date(log)
    history = parse_duration(workspace.settings.windows.history)
    rows = pl.concat([events.read_part(log, part, before=as_of) for part in events.parts(log)]).sort("user_id", "time")
    rows = rows.filter(pl.col("time") >= as_of - history)
    users = rows["user_id"].unique().sort()
    users = users.sample(min(len(users), 50 if quick else COLES_USERS), seed=0).sort()
    rows = rows.filter(pl.col("user_id").is_in(users.implode()))
    inputs = UserInputs(
        events=rows, users=users, training_users=users, train_until=as_of, as_of=as_of, history=history,
        step=parse_duration(workspace.settings.sequence.step),
    )  # fmt: skip
    encode = Coles().untrained(inputs)

    def timed() -> int:
        return len(encode())

    return timed


def _training_steps(workspace: Workspace, quick: bool) -> Timed:
    """Steps of `pretrain sequence` in the loop of every stage: batches drawn, losses recorded, gradients clipped."""
    training, settings = _sequence_training(workspace), workspace.settings.sequence

    def timed() -> int:
        steps = _steps(quick)
        fit(
            training.loss, {"pretraining": training.module}, steps=steps, lr=settings.lr,
            weight_decay=settings.weight_decay, warmup=settings.warmup, clip=settings.clip, seed=0,
        )  # fmt: skip
        return steps

    return timed


def _bare_steps(workspace: Workspace, quick: bool) -> Timed:
    """The same forward and backward passes and optimiser on batches drawn before, in a loop that does nothing else."""
    training, settings = _sequence_training(workspace), workspace.settings.sequence
    optimizer = torch.optim.AdamW(training.module.parameters(), lr=settings.lr, fused=True)
    batches = [training.batch(step) for step in range(_steps(quick))]
    training.module.train()

    def timed() -> int:
        for step, batch in enumerate(batches):
            optimizer.zero_grad()
            torch.stack(list(training.module(batch, step).values())).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return len(batches)

    return timed


def _steps(quick: bool) -> int:
    return STEPS // 10 if quick else STEPS


def _sequence_training(workspace: Workspace) -> SequenceTraining:
    pairs, text = (open_run(workspace.run(name), name) for name in ("pairs", "text"))
    texts = torch.from_numpy(text.tensors("texts.safetensors")["vectors"])
    return SequenceTraining.of(workspace, TrainingData(pairs), texts)


def _matrix(quick: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = RANKED // 50 if quick else RANKED
    users = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    return users, rng.standard_normal((1, WIDTH), dtype=np.float32)


def _rank(_workspace: Workspace, quick: bool) -> Timed:
    from findcli.audiences.select import best_rows

    users, sentence = _matrix(quick)

    def timed() -> int:
        cosines = users @ sentence.T  # as `scoring.scores.VectorScorer`
        best_rows(cosines[:, 0], BEST)
        return len(users)

    return timed


def _rank_faiss(_workspace: Workspace, quick: bool) -> Timed:
    import faiss

    users, sentence = _matrix(quick)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(users)
    faiss.omp_set_num_threads(torch.get_num_threads())

    def timed() -> int:
        index.search(sentence, BEST)
        return len(users)

    return timed


def _target_warm(workspace: Workspace, _quick: bool) -> Timed:
    """The second demand that an engine answers; the first has loaded what it needs."""
    from findcli.audiences.target import target

    demand = demand_of(workspace)
    target(workspace, [demand])

    def timed() -> int:
        return target(workspace, [f"{demand} soon"])[0].embedded

    return timed


def demand_of(workspace: Workspace) -> str:
    """A demand about the commonest category that the users' vocabulary names.

    Raises:
        FindCLIError: no user is embedded.
    """
    folders = sorted((workspace.runs / "embeddings").glob("[0-9]*"))
    if not folders:
        raise FindCLIError("no user is embedded", hint="train first with: findcli run")
    vocabulary = pl.read_parquet(folders[-1] / "vocabulary.parquet").sort("events", descending=True)
    names = vocabulary.filter(pl.col("level") == "category")["name"].to_list()
    return f"users who will buy {names[0].lower() if names else 'something'}"


WORKS: dict[str, Callable[[Workspace, bool], Timed]] = {
    "build-pairs": _build_pairs,
    "plain pass": _plain_pass,
    "embed": _embed,
    "coles": _coles,
    "training steps": _training_steps,
    "bare steps": _bare_steps,
    "rank": _rank,
    "rank by faiss": _rank_faiss,
    "target, warm": _target_warm,
}
