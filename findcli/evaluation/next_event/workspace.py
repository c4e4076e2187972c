"""A workspace as a world: held-out users as of `train_until`, what training users did before it for baselines.

Labels here are events of held-out users at or after `train_until`; nothing that is trained or tuned sees them.

Tested in tests/evaluation/next_event/test_run.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch

from findcli.data import events
from findcli.data.profile_codes import ProfileCodes
from findcli.errors import FindCLIError
from findcli.evaluation.next_event.baselines.encoder import EncoderScorer
from findcli.evaluation.next_event.baselines.teaching import Teaching
from findcli.evaluation.next_event.ceiling import read_possible
from findcli.evaluation.next_event.protocol import PANTHER, World
from findcli.evaluation.next_event.questions import every_instant, first_after, last_instants
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.models.next_event.pretrain import like_columns, training_events, training_histories
from findcli.models.next_event.read import profile_dates, read_histories, read_profiles, silent_sources
from findcli.models.next_event.tokens import Vocabulary
from findcli.models.next_event.train import Lessons, validation_batches
from findcli.models.weights import load_module, select_device
from findcli.progress import Progress
from findcli.training.examples import TrainingData, seconds
from findcli.training.token_histories import TokenHistories
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

FIRST, EVERY = "first instant", "every instant"
TUNED_INSTANTS = 10


def open_world(
    workspace: Workspace, *, every: bool = False, device: str = "auto", progress: Progress | None = None
) -> World:
    """Ask held-out users what they do first from `train_until` on.

    Args:
        workspace: with `runs/next_event`.
        every: ask about every instant in [train_until, train_until + future) too.
        device: where torch computes.
        progress: told of the baselines' trainings.

    Raises:
        FindCLIError: the encoder is not trained, or nobody is held out.
    """
    run, log, pairs = (open_run(workspace.run(name), name) for name in ("next_event", "events", "pairs"))
    data, place = TrainingData(pairs), str(select_device(device))
    vocabulary, columns = Vocabulary.load(run), ProfileCodes.from_json(run.json("columns.json"))
    settings = workspace.settings.next_event
    histories = training_histories(workspace, log, data, vocabulary, columns)
    split = data.users["split"].to_numpy()
    train, validation = (np.flatnonzero(split == name) for name in ("train", "validation"))
    lessons = Lessons(
        histories, train, validation_batches(histories, validation, settings), like_columns(settings, columns)
    )
    teaching = Teaching(
        lessons=lessons, tuning=last_instants(histories, validation, settings.max_events, most=TUNED_INSTANTS),
        vocabulary=vocabulary, settings=settings, cardinalities=tuple(columns.cardinalities), ordered_alone=False,
        seed=workspace.settings.workspace.seed, device=place, progress=progress,
    )  # fmt: skip
    users, held_out = _held_out(workspace, log, data, vocabulary, columns)
    start = int(seconds([workspace.train_until])[0])
    asked = {FIRST: first_after(held_out, start, settings.max_events)}
    if not len(asked[FIRST]):
        raise FindCLIError("no held-out user has events before and after train_until", hint="hold out more in [split]")
    if every:
        end = start + int(parse_duration(workspace.settings.windows.future).total_seconds())
        asked[EVERY] = every_instant(held_out, start, end, settings.max_events)
    name = workspace.settings.workspace.name
    possible = read_possible(workspace.folder, users, vocabulary)
    complete = possible is not None and possible.known[asked[FIRST].users].all()
    return World(
        name, asked, teaching, lambda: EncoderScorer(PANTHER, load_encoder(run, place), place),
        {FIRST: possible} if possible is not None and complete else {},
    )  # fmt: skip


def load_encoder(run: Run, device: str) -> NextEventEncoder:
    """The trained encoder, in eval mode."""
    return load_module(run, "encoder", NextEventEncoder).to(torch.device(device)).requires_grad_(requires_grad=False)


def _held_out(
    workspace: Workspace, log: Run, data: TrainingData, vocabulary: Vocabulary, columns: ProfileCodes
) -> tuple[pl.Series, TokenHistories]:
    """The users who took no part in training, with what they did until the end of the future window."""
    until = workspace.train_until + parse_duration(workspace.settings.windows.future)

    def parts(before: object = until) -> Iterator[pl.DataFrame]:
        for part in events.parts(log):
            frame = events.read_part(log, part, before=before)  # type: ignore[arg-type]
            yield frame.filter(~pl.col("user_id").is_in(data.users["user_id"].implode()))

    users = pl.concat([part["user_id"].unique() for part in parts(workspace.train_until)]).sort()
    profile = None
    if columns.columns and len(users):
        first = min(part["time"].min() for part in training_events(log, data))  # type: ignore[type-var]
        dates = profile_dates(workspace, first, workspace.train_until)  # type: ignore[arg-type]
        profile = read_profiles(workspace, parts(workspace.train_until), users, columns, dates)
    return users, read_histories(parts(), users, vocabulary, silent_sources(workspace), profile)
