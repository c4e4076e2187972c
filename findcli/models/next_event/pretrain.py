"""`findcli pretrain next-event`: predict the tokens of the next instant (PANTHER, arXiv 2510.10102).

`runs/next_event/` holds `tokens.parquet` and `bins.json` (the vocabulary), `columns.json` (the profile's codes),
`encoder.json`, `encoder.safetensors` and `history.parquet`. Vocabulary, bins and encoder see training users before
`train_until` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from findcli.data import events, profiles
from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import profile_columns
from findcli.errors import FindCLIError
from findcli.models.next_event.read import profile_dates, read_histories, read_profiles, silent_sources
from findcli.models.next_event.tokens import Vocabulary, fit_vocabulary
from findcli.models.next_event.train import Lessons, train_encoder, validation_batches
from findcli.models.weights import save_module, select_device
from findcli.progress import Progress
from findcli.training.examples import TrainingData
from findcli.training.loop import collapse_warning
from findcli.training.token_histories import TokenHistories
from findcli.workspace.folder import Workspace
from findcli.workspace.next_event_settings import NextEvent
from findcli.workspace.runs import Draft, Run, build, open_run


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that the stage depends on."""
    settings, sensitive = workspace.settings, workspace.settings.sensitive.used
    return (
        asdict(settings.next_event)
        | {
            "columns": [asdict(column) for column in _columns(workspace)],
            "bins": settings.tabular.bins,
            "every": settings.windows.every,
            "train_until": workspace.train_until.isoformat(),
            "silent": silent_sources(workspace),
        }
        | ({"sensitive": list(sensitive)} if sensitive else {})
    )


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the event log before `train_until`, of the training users, and of the profiles."""
    log, pairs = (open_run(workspace.run(name), name) for name in ("events", "pairs"))
    digests = {"events": log.manifest.digest("train/"), "users": pairs.manifest.digest("users")}
    if not _columns(workspace):
        return digests
    table = profiles.input_digest(workspace, workspace.train_until)
    return digests | {"profiles": pairs.manifest.digest("profiles")} | table


def pretrain_next_event(
    workspace: Workspace, *, device: str = "auto", force: bool = False, progress: Progress | None = None
) -> Run:
    """Train the next-event encoder on training users' events before `train_until`; write `runs/next_event`.

    Raises:
        FindCLIError: the pairs are missing, no training user has two events, or training diverges.
    """
    log, pairs = (open_run(workspace.run(name), name) for name in ("events", "pairs"))

    def write(draft: Draft, checkpoints: Path) -> None:
        _train(workspace, log, TrainingData(pairs), draft, checkpoints, select_device(device), progress)

    return build(
        workspace.run("next_event"), write, kind="next_event", settings=stage_settings(workspace),
        inputs=stage_inputs(workspace), seed=workspace.settings.workspace.seed, force=force,
        overrides=workspace.overrides,
    )  # fmt: skip


def _columns(workspace: Workspace) -> list[profiles.Column]:
    """The profile's columns that are read; none where the settings leave the profile out."""
    settings = workspace.settings.next_event
    wanted = settings.profile != "none" or settings.like
    return profile_columns(workspace.settings.profile) if wanted else []


def training_events(log: Run, data: TrainingData) -> Iterator[pl.DataFrame]:
    """Training users' events before `train_until`, a partition at a time."""
    for part in data.parts:
        users = data.users.filter(pl.col("part") == part)["user_id"]
        yield events.read_part(log, part).filter(pl.col("user_id").is_in(users.implode()))


def _train(
    workspace: Workspace,
    log: Run,
    data: TrainingData,
    draft: Draft,
    checkpoints: Path,
    device: torch.device,
    progress: Progress | None,
) -> None:
    settings, seed = workspace.settings.next_event, workspace.settings.workspace.seed
    vocabulary = learn_vocabulary(workspace, log, data)
    columns = _fit_columns(workspace, data)
    histories = training_histories(workspace, log, data, vocabulary, columns)
    split = data.users["split"].to_numpy()
    train, validation = (np.flatnonzero(split == name) for name in ("train", "validation"))
    lessons = Lessons(
        histories, train, validation_batches(histories, validation, settings), like_columns(settings, columns)
    )
    encoder, made_of, history = train_encoder(
        settings, vocabulary, lessons, columns.cardinalities, seed=seed, device=device, checkpoints=checkpoints,
        progress=progress,
    )  # fmt: skip
    vocabulary.save(draft)
    draft.json("columns.json", columns.to_json())
    save_module(draft, "encoder", encoder, made_of)
    draft.table("history.parquet", history.table())
    draft.metrics |= history.summary() | {"tokens": vocabulary.size, "coverage": vocabulary.coverage}
    if lessons.validation:
        with torch.no_grad():
            batch = lessons.validation[0][0].to(device)
            draft.metrics["warning"] = collapse_warning(encoder.describe_users(batch, encoder(batch)))


def learn_vocabulary(workspace: Workspace, log: Run, data: TrainingData) -> Vocabulary:
    """The tokens of training users' events before `train_until`."""
    settings = workspace.settings.next_event
    parts = list(training_events(log, data)) if len(data.parts) == 1 else _Again(log, data)
    return fit_vocabulary(
        parts, settings.fields, amount_bins=settings.amount_bins, most=settings.vocabulary,
        silent=silent_sources(workspace),
    )  # fmt: skip


class _Again:
    """The training events, read anew each time they are iterated."""

    def __init__(self, log: Run, data: TrainingData) -> None:
        self.log, self.data = log, data

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return training_events(self.log, self.data)


def _fit_columns(workspace: Workspace, data: TrainingData) -> ProfileCodes:
    """Codes of the profile, learned from training users' profiles at the training cutoffs."""
    columns = _columns(workspace)
    if not columns:
        return ProfileCodes(())
    frame = data.run.table("profiles.parquet").filter(data.pairs["split"] == "train")
    return ProfileCodes.fit(frame, columns, bins=workspace.settings.tabular.bins)


def training_histories(
    workspace: Workspace, log: Run, data: TrainingData, vocabulary: Vocabulary, columns: ProfileCodes
) -> TokenHistories:
    """The tokens of training users before `train_until`, validation users included, in the order of `data.users`."""
    users, profile = data.users["user_id"], None
    if columns.columns:
        first = min(part["time"].min() for part in training_events(log, data))  # type: ignore[type-var]
        dates = profile_dates(workspace, first, workspace.train_until)  # type: ignore[arg-type]
        profile = read_profiles(workspace, training_events(log, data), users, columns, dates)
    return read_histories(training_events(log, data), users, vocabulary, silent_sources(workspace), profile)


def like_columns(settings: NextEvent, columns: ProfileCodes) -> tuple[int, ...]:
    """The places of the columns in which users are alike.

    Raises:
        FindCLIError: one of them is not a column of the profile.
    """
    names = [column.name for column in columns.columns]
    for name in settings.like:
        if name not in names:
            hint = f"name some of {', '.join(names) or 'none: the workspace has no profile'}"
            raise FindCLIError(f"like in [next_event] names {name!r}, which is no profile column", hint=hint)
    return tuple(names.index(name) for name in settings.like)
