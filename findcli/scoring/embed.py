"""`findcli embed`: one vector per user as of any date, new users included, without retraining.

`runs/embeddings/AS_OF/` holds `users.parquet` (user_id, ascending) and `users.safetensors`, its rows in the same order:
`embeddings` (n_users, d_embedding) of unit length, per modality `sequence`, `tabular`, `search` (zeros where missing)
with `has_NAME` (0 or 1), `profile` (its columns as numbers from 0 to 1), `rhythm` (weeks and recency of each kind of
behaviour), and `summary`, a short form of all of them for linear models of few labels
(`models/find/user_summary.py`). A
model that scores by query adds `activity` and `factors` (co-occurrence factors),
and what its scoring reads:
`habits.safetensors` (sparse levels over concepts, CSR: `indptr`, `indices` and the
values of each level),
`concepts.parquet` (text, and the shares `ever` and `late`) and `concepts.safetensors` (their
vectors, and `known_*`,
CSR, which express them in the model's own concepts). `vocabulary.*` is the vocabulary that
demands are read in.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from findcli.data import events, profiles
from findcli.data.histories import search_sources
from findcli.data.reader.tables import declared
from findcli.demands.rewriter import write_vocabulary
from findcli.errors import FindCLIError
from findcli.models.ranker.user_snapshot import write_snapshot
from findcli.models.trained import TrainedModel
from findcli.progress import Progress
from findcli.scoring.population import describe_users
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace, to_utc
from findcli.workspace.runs import Draft, Run, build, open_run


def embed(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Write `runs/embeddings/AS_OF` if it is missing or out of date.

    Args:
        workspace: the workspace of the users.
        as_of: histories end before this instant; default: the midnight after the last event.
        model: the workspace whose trained model is used; default: `workspace`.
        device: "auto", "cpu", "cuda" or "mps".
        force: embed even when the run is up to date.
        progress: called after each partition.

    Raises:
        FindCLIError: no model is trained, or no user has an event before `as_of`.
    """
    log = events.build_events(workspace)
    cutoff = latest_date(log) if as_of is None else to_utc(as_of)
    _require_reach(workspace, log, cutoff)
    settings, inputs = stage_settings(workspace, cutoff), stage_inputs(workspace, model or workspace, log, cutoff)

    def write(draft: Draft, _: Path) -> None:
        trained = TrainedModel(model or workspace, device=device)
        described = describe_users(workspace, trained, log, cutoff, progress=progress)
        if described.snapshot is not None:
            write_snapshot(described.snapshot, draft)
        write_vocabulary(described.vocabulary, trained.space, draft)
        draft.table("users.parquet", pl.DataFrame({"user_id": described.users}))
        draft.tensors("users.safetensors", described.tensors)
        width = int(described.tensors["embeddings"].shape[1])
        draft.metrics |= {"users": len(described.users), "d_embedding": width}

    return build(
        workspace.embeddings(cutoff, model=model),
        write,
        kind="embeddings",
        settings=settings,
        inputs=inputs,
        seed=0,
        force=force,
    )


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
