"""Users as of a date, with what scoring reads of them: described from their events, or opened from a run folder.

Each partition of the event log is read once, and everything is computed from that one reading.

Tested in tests/scoring/test_embed.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
import torch

from findcli.data import events, profiles
from findcli.data.histories import search_sources
from findcli.data.vocabulary import count_named, vocabulary_of
from findcli.errors import FindCLIError
from findcli.models.find.user_summary import summarise
from findcli.models.ranker.behaviour_kinds import rhythm
from findcli.models.ranker.user_snapshot import Snapshot, SnapshotReader, read_snapshot
from findcli.models.trained import TrainedModel
from findcli.progress import Progress, no_progress
from findcli.scoring.reuse import DIGEST, Reuse, digests_of
from findcli.scoring.user_vectors import Embedder
from findcli.training.batches import UserBatch
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run

Encode = Callable[[UserBatch], Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class Partition:
    """The users of one partition of the event log with an event before a date.

    Attributes:
        log: their events before the date, without the sources that are left out.
        users: ids, ascending.
    """

    log: pl.DataFrame
    users: pl.Series


def partitions(log: Run, as_of: datetime, *, without_sources: Sequence[str] = ()) -> Iterator[Partition]:
    """Read the event log, each partition once; a partition may be empty.

    Args:
        log: the event log.
        as_of: the cutoff.
        without_sources: sources whose events are left out; their users stay.
    """
    for part in events.parts(log):
        early = events.read_part(log, part, before=as_of)
        users = early["user_id"].unique().sort()
        yield Partition(early.filter(~pl.col("source").is_in(list(without_sources))), users)


def embed_partition(
    workspace: Workspace, embedder: Embedder, partition: Partition, as_of: datetime, encode: Encode
) -> dict[str, np.ndarray]:
    """Apply `encode` to the users of a partition: arrays with a row per user."""
    batches = embedder.batches(workspace, partition.log, partition.users, as_of)
    encoded = [{name: tensor.cpu().numpy() for name, tensor in encode(batch).items()} for batch in batches]
    users = len(partition.users)  # the last batch is filled up
    return {name: np.concatenate([arrays[name] for arrays in encoded])[:users] for name in encoded[0]}


def embed_anew(
    workspace: Workspace, embedder: Embedder, partition: Partition, as_of: datetime, encode: Encode, reuse: Reuse
) -> dict[str, np.ndarray]:
    """As `embed_partition`, with the vectors of an earlier folder where it knows the input; and `DIGEST`."""
    recent = embedder.recent(partition.log, as_of)
    described = profiles.profiles_as_of(workspace, partition.log, partition.users, as_of)
    digests = digests_of(workspace, recent, described, as_of)
    rows = reuse.rows_of(digests)
    others = partition.users.filter(pl.Series(rows < 0))
    arrays: dict[str, np.ndarray] = {}
    if len(others):
        log = partition.log.filter(pl.col("user_id").is_in(others.implode()))
        arrays = embed_partition(workspace, embedder, Partition(log, others), as_of, encode)
    if len(others) < len(rows):
        arrays = reuse.together(rows, arrays)
    return arrays | {DIGEST: digests.drop("user_id").to_numpy()}


class Gathered:
    """Collects users and their arrays, partition by partition, and sorts them by id at the end."""

    def __init__(self) -> None:
        self._ids: list[pl.Series] = []
        self._arrays: list[Mapping[str, np.ndarray]] = []

    def add(self, users: pl.Series, arrays: Mapping[str, np.ndarray]) -> None:
        """Add the users of a partition, and named arrays with a row per user."""
        self._ids.append(users)
        self._arrays.append(arrays)

    def in_order(self, log: Run, as_of: datetime) -> tuple[pl.Series, np.ndarray, dict[str, np.ndarray]]:
        """Ids, ascending; the position of each among those added; and the arrays, a row per user.

        Raises:
            FindCLIError: no user was added.
        """
        if not self._ids:
            hint = f"the first event is at {events.first_and_last(log)[0]}; name a later date with --as-of"
            raise FindCLIError(f"no user has an event before {as_of}", hint=hint)
        users = pl.concat(self._ids)
        order = users.arg_sort().to_numpy()
        names = self._arrays[0]
        return users.sort(), order, {name: np.concatenate([a[name] for a in self._arrays])[order] for name in names}


def embed_users(
    workspace: Workspace,
    embedder: Embedder,
    log: Run,
    as_of: datetime,
    *,
    without_sources: Sequence[str] = (),
    encode: Encode | None = None,
) -> tuple[pl.Series, dict[str, np.ndarray]]:
    """Encode every user with an event before a date, one partition at a time.

    Args:
        workspace: the workspace of the users.
        embedder: the model's user side.
        log: the event log.
        as_of: the cutoff.
        without_sources: sources whose events are left out; their users stay.
        encode: computes named tensors of a batch, with a row per user; default: `embedder.encode`.

    Returns:
        User ids, ascending, and named arrays in the same order.

    Raises:
        FindCLIError: no user has an event before `as_of`.
    """
    gathered = Gathered()
    for partition in partitions(log, as_of, without_sources=without_sources):
        if len(partition.users):
            arrays = embed_partition(workspace, embedder, partition, as_of, encode or embedder.encode)
            gathered.add(partition.users, arrays)
    users, _, arrays = gathered.in_order(log, as_of)
    return users, arrays


@dataclass(frozen=True)
class Population:
    """Users as of a date.

    Attributes:
        users: ids, ascending.
        tensors: those of `users.safetensors`, by name, a row per user.
        snapshot: what query-aware scoring reads; None if the model does not score by query.
        vocabulary: the sentences that demands are read in.
    """

    users: pl.Series
    tensors: dict[str, np.ndarray]
    snapshot: Snapshot | None
    vocabulary: pl.DataFrame

    def rows(self, users: np.ndarray) -> Population:
        """Some of the users, by row; they score as they do among all."""
        tensors = {name: tensor[users] for name, tensor in self.tensors.items()}
        snapshot = None if self.snapshot is None else self.snapshot.rows(users)
        return Population(self.users.gather(users), tensors, snapshot, self.vocabulary)


def open_population(run: Run) -> Population:
    """The users of a folder of embeddings."""
    by_query = bool(run.files("habits.safetensors"))
    return Population(
        run.table("users.parquet")["user_id"],
        run.tensors("users.safetensors"),
        read_snapshot(run) if by_query else None,
        run.table("vocabulary.parquet"),
    )


def describe_users(
    workspace: Workspace,
    model: TrainedModel,
    log: Run,
    as_of: datetime,
    *,
    without_sources: Sequence[str] = (),
    masked: Sequence[str] = (),
    reuse: Reuse | None = None,
    progress: Progress | None = None,
) -> Population:
    """Compute all that is stored of users as of a date, reading each partition of the log once.

    Args:
        workspace: the workspace of the users.
        model: the model that describes them.
        log: the event log.
        as_of: the cutoff.
        without_sources: sources whose events are left out; their users stay.
        masked: modalities to mask, as if no user had them; scoring by query ignores their sources too.
        reuse: vectors that may be taken over; the tensors then hold `DIGEST` too.
        progress: called after each partition.

    Raises:
        FindCLIError: no user has an event before `as_of`.
    """
    embedder, gathered, counts = Embedder.of(model), Gathered(), []
    history = timedelta(seconds=embedder.history)
    window = parse_duration(workspace.settings.windows.history)
    hidden = _sources_of(workspace, masked)
    snapshots = None
    if model.scorer == "query_aware":
        snapshots = SnapshotReader(workspace, model.aligned, model.space, as_of)
    parts = events.parts(log)
    for i, partition in enumerate(partitions(log, as_of, without_sources=without_sources), 1):
        counts.append(count_named(partition.log, as_of, window))
        if len(partition.users):
            encode = partial(embedder.encode, without=masked)
            if reuse is None:
                arrays = embed_partition(workspace, embedder, partition, as_of, encode)
            else:
                arrays = embed_anew(workspace, embedder, partition, as_of, encode, reuse)
            if model.kinds:
                kinds = rhythm(workspace, partition.log, partition.users, model.kinds, as_of, history)
                arrays["rhythm"] = kinds
            gathered.add(partition.users, arrays)
            if snapshots is not None:
                snapshots.read(partition.log.filter(~pl.col("source").is_in(hidden)), partition.users)
        (progress or no_progress)(i, len(parts), {})
    users, order, tensors = gathered.in_order(log, as_of)
    snapshot = None if snapshots is None else snapshots.finish(order)
    if snapshot is not None:
        tensors |= {"activity": snapshot.habits.activity, "factors": snapshot.factors}
    factors = None if snapshot is None else model.co_occurrence.factors
    tensors["summary"] = summarise(tensors, model.directions, factors)
    return Population(users, tensors, snapshot, vocabulary_of(workspace, counts))


def _sources_of(workspace: Workspace, modalities: Iterable[str]) -> list[str]:
    """The sources that feed some modalities: searches "search", all others "sequence"."""
    searches = search_sources(workspace)
    fed = {source.name: "search" if source.name in searches else "sequence" for source in workspace.settings.sources}
    return [name for name, modality in fed.items() if modality in set(modalities)]
