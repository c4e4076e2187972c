"""`findcli embed`: one vector per user as of any date, new users included, without retraining.

`runs/embeddings/AS_OF/` holds `users.parquet` (user_id, ascending) and `users.safetensors`, its rows in the same order:
`embeddings` (n_users, d_embedding) of unit length, per modality `sequence`, `tabular`, `search` (zeros where missing)
with `has_NAME` (0 or 1), `profile` (its columns as numbers from 0 to 1), `rhythm` (weeks and recency of each kind of
behaviour), and `summary`, a short form of all of them for linear models of few labels
(`models/user_summary.py`). A
model that scores by query adds `activity` and `factors` (co-occurrence factors),
and what its scoring reads:
`habits.safetensors` (sparse levels over concepts, CSR: `indptr`, `indices` and the
values of each level),
`concepts.parquet` (text, and the shares `ever` and `late`) and `concepts.safetensors` (their
vectors, and `known_*`,
CSR, which express them in the model's own concepts). `vocabulary.*` is the vocabulary that
demands are read in. A model that scores by its tower adds `prefix.safetensors`, the keys and values that the tower
keeps of each user.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from findcli.data import events, profiles
from findcli.data.histories import search_sources
from findcli.data.reader.tables import declared
from findcli.demands.rewriter import write_vocabulary
from findcli.errors import FindCLIError
from findcli.execution.choose import HERE
from findcli.execution.parts import Engine, map_parts
from findcli.models.next_event.reader import TokenReader
from findcli.models.ranker.user_snapshot import write_snapshot
from findcli.models.trained import TrainedModel
from findcli.progress import Progress
from findcli.scoring.population import KEPT, Described, Describer, read_partition
from findcli.scoring.reuse import DIGEST, FILE, Reuse, find_reuse, write_digests
from findcli.training.loop import set_determinism
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace, to_utc
from findcli.workspace.runs import Draft, Run, build, open_run, rewriting


def embed(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
    force: bool = False,
    progress: Progress | None = None,
    engine: Engine = HERE,
) -> Run:
    """Write `runs/embeddings/AS_OF` if it is missing or out of date; vectors whose input is known are taken over.

    Args:
        workspace: the workspace of the users.
        as_of: histories end before this instant; default: the midnight after the last event.
        model: the workspace whose trained model is used; default: `workspace`.
        device: "auto", "cpu", "cuda" or "mps".
        force: embed even when the run is up to date.
        progress: called after each partition.
        engine: where partitions are described.

    Raises:
        FindCLIError: no model is trained, or no user has an event before `as_of`.
    """
    return embed_counting(
        workspace, as_of=as_of, model=model, device=device, force=force, progress=progress, engine=engine
    )[0]


def embed_counting(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
    force: bool = False,
    progress: Progress | None = None,
    engine: Engine = HERE,
) -> tuple[Run, int]:
    """As `embed`; also of how many users vectors were computed, none where the run was up to date."""
    log = events.build_events(workspace)
    cutoff = latest_date(log) if as_of is None else to_utc(as_of)
    _require_reach(workspace, log, cutoff)
    settings, inputs = stage_settings(workspace, cutoff), stage_inputs(workspace, model or workspace, log, cutoff)

    # Behaviour tokens are read further back, and by more fields, than the digests of `reuse.py` know.
    aligned = open_run((model or workspace).run("aligned"), "aligned")
    own = keeps_prefixes(aligned) or TokenReader.load(aligned) is not None
    reuse = Reuse() if force or own else find_reuse(workspace, settings, inputs, cutoff)
    computed = 0

    def write(draft: Draft, store: Path) -> None:
        nonlocal computed
        task = _Describing(
            workspace, model or workspace, cutoff, device, earlier=reuse.run.folder if reuse.run else None
        )
        done = map_parts(task, events.parts(log), store, engine, progress=progress)
        computed = sum(part.result for part in done)
        describer = task.describer
        described = describer.gather((Described.read(part.folder) for part in done), log)
        write_digests(described.tensors.pop(DIGEST), draft)
        if described.snapshot is not None:
            write_snapshot(described.snapshot, draft)
        write_vocabulary(described.vocabulary, describer.model.space, draft)
        draft.table("users.parquet", pl.DataFrame({"user_id": described.users}))
        draft.tensors("users.safetensors", described.tensors)
        if described.kept is not None:
            draft.tensors(KEPT, described.kept)
        width = int(described.tensors["embeddings"].shape[1])
        draft.metrics |= {"users": len(described.users), "d_embedding": width}

    run = build(
        workspace.embeddings(cutoff, model=model),
        write,
        kind="embeddings",
        settings=settings,
        inputs=inputs,
        seed=0,
        force=force,
    )
    return run, computed


@dataclass(frozen=True)
class _Describing:
    """Describes the users of one partition.

    Attributes:
        workspace: the workspace of the users.
        trained: the workspace of the model.
        as_of: the cutoff.
        device: "auto", "cpu", "cuda" or "mps".
        earlier: embeddings whose vectors may be taken over.
    """

    workspace: Workspace
    trained: Workspace
    as_of: datetime
    device: str
    earlier: Path | None = None

    def __call__(self, part: str, folder: Path) -> int:
        threads = torch.get_num_threads()
        set_determinism(1)  # as many as a task of any engine has; more are no faster on batches of this size
        try:
            log = open_run(self.workspace.run("events"), "events")
            describer = self.describer
            before = describer.computed
            describer.describe(read_partition(log, part, self.as_of)).write(folder)
        finally:
            torch.set_num_threads(threads)
        return describer.computed - before

    @property
    def describer(self) -> Describer:
        """What describes them; a process opens the model once, whatever number of parts it is given."""
        digests = [open_run(self.trained.run(name), name).manifest.digest() for name in ("aligned", "text")]
        digests += [] if self.earlier is None else [open_run(self.earlier, "embeddings").manifest.digest()]
        key = f"{self!r} {digests}"
        if key not in _OPENED:
            _OPENED.clear()
            reuse = Reuse(None if self.earlier is None else open_run(self.earlier, "embeddings"))
            model = TrainedModel(self.trained, device=self.device)
            _OPENED[key] = Describer(self.workspace, model, self.as_of, reuse=reuse)
        return _OPENED[key]


_OPENED: dict[str, Describer] = {}


def keeps_prefixes(aligned: Run) -> bool:
    """Whether a model's own tower scores, so that what it keeps of users is stored; that is not taken over."""
    return aligned.manifest.settings["scorer"] not in ("vector", "query_aware")


def stage_settings(workspace: Workspace, cutoff: datetime) -> dict[str, Any]:
    """The settings of the workspace file that the embeddings depend on."""
    settings = workspace.settings
    return {
        "as_of": cutoff.isoformat(),
        "history": settings.windows.history,
        "profile": declared(settings.profile),
        "search": search_sources(workspace),
    }


def stage_inputs(workspace: Workspace, model: Workspace, log: Run, cutoff: datetime) -> dict[str, str]:
    """The digests of the model and of the events before the cutoff."""
    aligned = open_run(model.run("aligned"), "aligned").manifest.digest()
    text = open_run(model.run("text"), "text").manifest.digest()
    early = cutoff <= workspace.train_until
    return {
        "aligned": aligned,
        "text": text,
        "events": log.manifest.digest("train/" if early else ""),
    } | profiles.input_digest(workspace, cutoff)


def _require_reach(workspace: Workspace, log: Run, cutoff: datetime) -> None:
    """Refuse a date so late that the history window before it contains no event.

    Raises:
        FindCLIError: the last event is older than the history window.
    """
    last = events.first_and_last(log)[1]
    history = workspace.settings.windows.history
    if last < cutoff - parse_duration(history):
        hint = f"the last event is at {last}; name an earlier date with --as-of"
        raise FindCLIError(f"no user has an event in the {history} before {cutoff}", hint=hint)


def latest_date(log: Run) -> datetime:
    """The midnight after the last event."""
    last = events.first_and_last(log)[1]
    return datetime(last.year, last.month, last.day) + timedelta(days=1)


def without_users(run: Run, users: Collection[str], *, log_digest: tuple[str, str]) -> None:
    """Take some users' rows out of a folder of embeddings, whole or not at all; the rows of others stay as they are.

    Args:
        run: the embeddings.
        users: ids as text.
        log_digest: the digest of the event log before and after the same was done there, so that embeddings that were
            up to date stay it.

    Raises:
        FindCLIError: another command is writing the folder, or the disk is full.
    """
    ids = run.table("users.parquet")
    kept = (~ids["user_id"].cast(pl.String).is_in(list(users))).to_numpy()
    before, after = log_digest
    inputs = {"events": after} if run.manifest.inputs.get("events") == before else {}
    if kept.all() and not inputs:
        return
    with rewriting(run, inputs=inputs) as draft:
        draft.table("users.parquet", ids.filter(pl.Series(kept)))
        draft.tensors("users.safetensors", {k: v[kept] for k, v in run.tensors("users.safetensors").items()})
        if run.files(FILE):
            draft.table(FILE, run.table(FILE).filter(pl.Series(kept)))
        if run.files(KEPT):
            draft.tensors(KEPT, {k: v[kept] for k, v in run.tensors(KEPT).items()})
        if run.files("habits.safetensors"):
            draft.tensors("habits.safetensors", rows_of_csr(run.tensors("habits.safetensors"), kept))
        draft.metrics["users"] = int(kept.sum())


def rows_of_csr(tensors: Mapping[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    """The kept rows of a sparse matrix with several values an entry: `indptr` (N + 1,), all others (entries,)."""
    counts = np.diff(tensors["indptr"])
    entries = np.repeat(kept, counts)
    indptr = np.concatenate([[0], counts[kept].cumsum()]).astype(tensors["indptr"].dtype)
    return {name: indptr if name == "indptr" else values[entries] for name, values in tensors.items()}
