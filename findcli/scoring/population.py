"""Users as of a date, with what scoring reads of them: described from their events, or opened from a run folder.

Each partition of the event log is read once, and everything is computed from that one reading.

Tested in tests/scoring/test_embed.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.numpy import load_file

from findcli.data import events, profiles
from findcli.data.histories import search_sources
from findcli.data.vocabulary import count_named, vocabulary_of
from findcli.errors import FindCLIError
from findcli.models.ranker.behaviour_kinds import rhythm
from findcli.models.ranker.concepts import Met
from findcli.models.ranker.user_snapshot import Snapshot, SnapshotReader, read_snapshot
from findcli.models.trained import TrainedModel
from findcli.models.user_summary import summarise
from findcli.scoring.reuse import DIGEST, Reuse, digests_of
from findcli.scoring.user_vectors import OF_TOWER, Embedder
from findcli.training.batches import UserBatch
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run

MET = "met "
KEPT = "prefix.safetensors"
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
        yield read_partition(log, part, as_of, without_sources=without_sources)


def read_partition(log: Run, part: str, as_of: datetime, *, without_sources: Sequence[str] = ()) -> Partition:
    """Read one partition of the event log, by its name; see `partitions`."""
    early = events.read_part(log, part, before=as_of)
    users = early["user_id"].unique().sort()
    return Partition(early.filter(~pl.col("source").is_in(list(without_sources))), users)


def embed_partition(
    workspace: Workspace, embedder: Embedder, partition: Partition, as_of: datetime, encode: Encode
) -> dict[str, np.ndarray]:
    """Apply `encode` to the users of a partition: arrays with a row per user."""
    batches = embedder.batches(workspace, partition.log, partition.users, as_of)
    encoded = [{name: tensor.cpu().numpy() for name, tensor in encode(batch).items()} for batch in batches]
    users = len(partition.users)  # the last batch is filled up
    return {name: stacked([arrays[name] for arrays in encoded])[:users] for name in encoded[0]}


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


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Stack arrays of a row per user; what differs in further axes, such as the length of a prefix, is padded by 0."""
    largest = np.max([array.shape[1:] for array in arrays], axis=0) if arrays[0].ndim > 1 else ()
    padded = [
        np.pad(array, [(0, 0), *((0, int(most) - n) for most, n in zip(largest, array.shape[1:], strict=True))])
        if array.shape[1:] != tuple(largest)
        else array
        for array in arrays
    ]
    return np.concatenate(padded)


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
        return users.sort(), order, {name: stacked([a[name] for a in self._arrays])[order] for name in names}


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
        kept: what a tower's own scorer reads, by name, a row per user; None if the model scores in another way.
    """

    users: pl.Series
    tensors: dict[str, np.ndarray]
    snapshot: Snapshot | None
    vocabulary: pl.DataFrame
    kept: dict[str, np.ndarray] | None = None

    def rows(self, users: np.ndarray) -> Population:
        """Some of the users, by row; they score as they do among all."""
        tensors = {name: tensor[users] for name, tensor in self.tensors.items()}
        snapshot = None if self.snapshot is None else self.snapshot.rows(users)
        kept = None if self.kept is None else {name: tensor[users] for name, tensor in self.kept.items()}
        return Population(self.users.gather(users), tensors, snapshot, self.vocabulary, kept)


def open_population(run: Run) -> Population:
    """The users of a folder of embeddings."""
    by_query = bool(run.files("habits.safetensors"))
    return Population(
        run.table("users.parquet")["user_id"],
        run.tensors("users.safetensors"),
        read_snapshot(run) if by_query else None,
        run.table("vocabulary.parquet"),
        run.tensors(KEPT) if run.files(KEPT) else None,
    )


@dataclass(frozen=True)
class Described:
    """The users of one partition, as described.

    Attributes:
        users: ids, ascending.
        arrays: the tensors of `users.safetensors` that a partition alone can tell, a row per user; none without users.
        named: how often each combination of names was met.
        met: what query-aware scoring reads; None if the model does not score by query.
    """

    users: pl.Series
    arrays: dict[str, np.ndarray]
    named: pl.DataFrame
    met: Met | None

    def write(self, folder: Path) -> None:
        """Write it for `read`."""
        draft = Draft(folder)
        draft.table("users.parquet", pl.DataFrame({"user_id": self.users}))
        draft.table("named.parquet", self.named)
        met = {} if self.met is None else {f"{MET}activity": self.met.activity}
        draft.tensors("arrays.safetensors", self.arrays | met)
        if self.met is not None:
            draft.table("met.parquet", self.met.sums)

    @classmethod
    def read(cls, folder: Path) -> Described:
        """Read what `write` wrote."""
        users, arrays = (
            pl.read_parquet(folder / "users.parquet", glob=False)["user_id"],
            load_file(folder / "arrays.safetensors"),
        )
        activity = arrays.pop(f"{MET}activity", None)
        met = None if activity is None else Met(users, pl.read_parquet(folder / "met.parquet", glob=False), activity)
        return cls(users, arrays, pl.read_parquet(folder / "named.parquet", glob=False), met)


class Describer:
    """Describes users as of a date, partition by partition.

    Args:
        workspace: the workspace of the users.
        model: the model that describes them.
        as_of: the cutoff.
        masked: modalities to mask, as if no user had them; scoring by query ignores their sources too.
        reuse: vectors that may be taken over; the arrays then hold `DIGEST` too.
    """

    def __init__(
        self,
        workspace: Workspace,
        model: TrainedModel,
        as_of: datetime,
        *,
        masked: Sequence[str] = (),
        reuse: Reuse | None = None,
    ) -> None:
        self.reuse = reuse
        self.workspace, self.model, self.as_of, self.masked = workspace, model, as_of, masked
        self.embedder = Embedder.of(model)
        self.window = parse_duration(workspace.settings.windows.history)
        self.hidden = _sources_of(workspace, masked)
        by_query = model.scorer == "query_aware"
        self.snapshots = SnapshotReader(workspace, model.aligned, model.space, as_of) if by_query else None

    @property
    def computed(self) -> int:
        """Of how many users vectors were computed and not taken over."""
        return 0 if self.reuse is None else self.reuse.computed

    def describe(self, partition: Partition) -> Described:
        """Describe the users of one partition."""
        named = count_named(partition.log, self.as_of, self.window)
        if not len(partition.users):
            return Described(partition.users, {}, named, None)
        encode = partial(self.embedder.encode, without=self.masked, keep=self.model.scores_by_tower)
        if self.reuse is None:
            arrays = embed_partition(self.workspace, self.embedder, partition, self.as_of, encode)
        else:
            arrays = embed_anew(self.workspace, self.embedder, partition, self.as_of, encode, self.reuse)
        if self.model.kinds:
            history = timedelta(seconds=self.embedder.history)
            arrays["rhythm"] = rhythm(
                self.workspace, partition.log, partition.users, self.model.kinds, self.as_of, history
            )
        read = partition.log.filter(~pl.col("source").is_in(self.hidden))
        met = None if self.snapshots is None else self.snapshots.read(read, partition.users)
        return Described(partition.users, arrays, named, met)

    def gather(self, described: Iterable[Described], log: Run) -> Population:
        """Put the partitions together, in their order.

        Raises:
            FindCLIError: there is no user.
        """
        gathered, named, met = Gathered(), [], []
        for each in described:
            named.append(each.named)
            if len(each.users):
                gathered.add(each.users, each.arrays)
                met += [] if each.met is None else [each.met]
        users, order, tensors = gathered.in_order(log, self.as_of)
        snapshot = None if self.snapshots is None else self.snapshots.finish(met, order)
        if snapshot is not None:
            tensors |= {"activity": snapshot.habits.activity, "factors": snapshot.factors}
        of_tower = [name for name in tensors if name.startswith(OF_TOWER)]
        kept = {name.removeprefix(OF_TOWER): tensors.pop(name) for name in of_tower}
        factors = None if snapshot is None else self.model.co_occurrence.factors
        tensors["summary"] = summarise(tensors, self.model.directions, factors)
        return Population(users, tensors, snapshot, vocabulary_of(self.workspace, named), kept or None)


def describe_users(
    workspace: Workspace,
    model: TrainedModel,
    log: Run,
    as_of: datetime,
    *,
    without_sources: Sequence[str] = (),
    masked: Sequence[str] = (),
) -> Population:
    """Compute all that is stored of users as of a date, reading each partition of the log once.

    Args:
        workspace: the workspace of the users.
        model: the model that describes them.
        log: the event log.
        as_of: the cutoff.
        without_sources: sources whose events are left out; their users stay.
        masked: modalities to mask, as if no user had them; scoring by query ignores their sources too.

    Raises:
        FindCLIError: no user has an event before `as_of`.
    """
    describer = Describer(workspace, model, as_of, masked=masked)
    parts = partitions(log, as_of, without_sources=without_sources)
    return describer.gather(map(describer.describe, parts), log)


def _sources_of(workspace: Workspace, modalities: Iterable[str]) -> list[str]:
    """The sources that feed some modalities: searches "search", all others "sequence"."""
    searches = search_sources(workspace)
    fed = {source.name: "search" if source.name in searches else "sequence" for source in workspace.settings.sources}
    return [name for name, modality in fed.items() if modality in set(modalities)]
