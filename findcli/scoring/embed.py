"""`findcli embed`: one vector a user as of any date, new users included, without retraining.

`runs/embeddings/AS_OF/` holds `users.parquet` (user_id, ascending) and `users.safetensors`, its rows in the same order:
`embeddings` (n_users, d_embedding) of unit length, per modality `sequence`, `tabular`, `search` (zeros where missing)
with `has_NAME` (0 or 1), `profile` (its columns as numbers from 0 to 1), `rhythm` (weeks and recency of each kind of
behaviour), and `summary`, all of them in short, for linear models of few labels (`summaries.py`). A model that scores
by query adds `activity` and `factors` (what users do together), and what its scoring reads: `habits.safetensors`
(sparse levels over concepts, CSR: `indptr`, `indices` and the values of each level), `concepts.parquet` (text, and the
shares `ever` and `late`) and `concepts.safetensors` (their vectors, and `known_*`, CSR, how the model's own concepts
stand for them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from findcli.data import events, profiles
from findcli.data.profile_codes import ProfileCodes
from findcli.data.templates import is_search
from findcli.demands.open import write_vocabulary
from findcli.errors import FindCLIError
from findcli.models.find.assemble import load_user_encoder
from findcli.models.find.summary import Directions, profile_numbers, summarise
from findcli.models.find.user import Modalities, UserEncoder
from findcli.models.ranker.behaviour_kinds import rhythm
from findcli.models.ranker.snapshot import Snapshot, take_snapshot, write_snapshot
from findcli.models.text.space import Space, TextSpace
from findcli.progress import Progress, no_progress
from findcli.training.batches import Histories, UserBatch, user_batch
from findcli.training.examples import seconds
from findcli.training.loop import select_device
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace, to_utc
from findcli.workspace.runs import Draft, Run, build, open_run

BATCH = 512


@dataclass(frozen=True)
class Embedder:
    """What turns histories into vectors.

    Attributes:
        encoder: the user encoder, in eval mode.
        space: of the history texts.
        columns: the profile's codes.
        directions: of fused vectors, for the summary.
        kinds: of behaviour, for the rhythm.
        concepts: their places among what comes with what, (M, R), None where the model does not score by query.
        history: seconds of history.
        step: seconds of a time step.
        device: where it computes.
    """

    encoder: UserEncoder
    space: Space
    columns: ProfileCodes
    directions: Directions
    kinds: tuple[str, ...]
    concepts: np.ndarray | None
    history: int
    step: int
    device: torch.device

    @classmethod
    def load(cls, model: Workspace, *, device: str = "auto") -> Embedder:
        """Load the model that a workspace has trained.

        Raises:
            FindCLIError: `runs/aligned` or `runs/text` is missing.
        """
        aligned = open_run(model.run("aligned"), "aligned")
        text = open_run(model.run("text"), "text")
        settings = aligned.manifest.settings
        where = select_device(device)
        return cls(
            encoder=load_user_encoder(aligned).to(where),
            space=TextSpace(text, device=str(where)),
            columns=ProfileCodes.from_json(aligned.json("columns.json")),
            directions=Directions.from_tensors(aligned.tensors("summary.safetensors")),
            kinds=tuple(aligned.json("summary.json")["kinds"]),
            concepts=aligned.tensors("concepts.safetensors")["factors"] if scores_by_query(model) else None,
            history=int(parse_duration(settings["history"]).total_seconds()),
            step=int(parse_duration(settings["step"]).total_seconds()),
            device=where,
        )

    @torch.no_grad()
    def encode(self, batch: UserBatch) -> dict[str, torch.Tensor]:
        """The vectors of a batch by name, as `users.safetensors` holds them."""
        return self._named(self.encoder.modalities(batch), batch)

    def masked(self, without: Sequence[str]) -> Callable[[UserBatch], dict[str, torch.Tensor]]:
        """What encodes a batch as if nobody had some modalities."""

        @torch.no_grad()
        def encode(batch: UserBatch) -> dict[str, torch.Tensor]:
            known = self.encoder.modalities(batch)
            hidden = {
                name: (vector, torch.zeros_like(present) if name in without else present)
                for name, (vector, present) in known.items()
            }
            return self._named(hidden, batch)

        return encode

    def _named(self, modalities: Modalities, batch: UserBatch) -> dict[str, torch.Tensor]:
        found = {"embeddings": self.encoder.fuse(modalities)}
        for name, (vector, present) in modalities.items():
            found[name] = vector.masked_fill(~present.unsqueeze(1), 0)
            found[f"has_{name}"] = present.to(torch.uint8)
        numbers = profile_numbers(self.columns, batch.codes.cpu().numpy(), batch.fractions.cpu().numpy())
        return found | ({"profile": torch.from_numpy(numbers)} if numbers.shape[1] else {})

    def batches(
        self, workspace: Workspace, log: pl.DataFrame, users: pl.Series, as_of: datetime
    ) -> Iterator[UserBatch]:
        """Read users as of a date, batch by batch.

        Args:
            workspace: gives the profile and which sources are searches.
            log: their events, none at or after `as_of`.
            users: ids, ascending.
            as_of: the cutoff.
        """
        histories, texts = self._histories(workspace, log, users, as_of)
        vectors = torch.from_numpy(self.space.vectors(texts)).to(self.device)
        codes, fractions = self.columns.encode(profiles.profiles_as_of(workspace, log, users, as_of))
        end = int(seconds([as_of])[0])
        for start in range(0, len(users), BATCH):
            rows = np.arange(start, min(start + BATCH, len(users)))
            ends = np.full(len(rows), end)
            yield user_batch(
                histories, rows, ends, codes[rows], fractions[rows], vectors, length=self.history, step=self.step
            )

    def _histories(
        self, workspace: Workspace, log: pl.DataFrame, users: pl.Series, as_of: datetime
    ) -> tuple[Histories, list[str]]:
        search = [source.name for source in workspace.settings.sources if is_search(source)]
        recent = log.filter(pl.col("time") >= as_of - timedelta(seconds=self.history))
        rows = pl.DataFrame({"user_id": users}).with_row_index("user")
        amount = pl.col("amount") if "amount" in recent.columns else pl.lit(None, pl.Float64)
        recent = recent.join(rows, on="user_id", maintain_order="left").with_columns(
            is_search=pl.col("source").is_in(search),
            seconds=pl.col("time").dt.epoch("s"),
            paid=amount.fill_null(0.0).cast(pl.Float32),
        )
        texts = (
            recent.select(text="event", is_search="is_search").unique().sort("text", "is_search").with_row_index("row")
        )
        recent = recent.join(
            texts, left_on=["event", "is_search"], right_on=["text", "is_search"], maintain_order="left"
        )
        recent = recent.sort("user", "seconds", maintain_order=True)
        # A text that is both a search and an event of another source is embedded once and stands in two rows.
        histories = Histories(
            user=recent["user"].to_numpy(), seconds=recent["seconds"].to_numpy(), text=recent["row"].to_numpy(),
            amount=recent["paid"].to_numpy(), is_search=texts["is_search"].to_numpy(),
        )  # fmt: skip
        return histories, texts["text"].to_list()


def embed(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Write `runs/embeddings/AS_OF` where it is missing or out of date.

    Args:
        workspace: whose users.
        as_of: the instant before which histories end; the day after the last event when not given.
        model: the workspace whose trained model is used; the same when not given.
        device: "auto", "cpu", "cuda" or "mps".
        force: embed even when the folder stands.
        progress: told after each partition.

    Raises:
        FindCLIError: no model is trained, or no user has an event before `as_of`.
    """
    log = events.build_events(workspace)
    cutoff = latest_date(log) if as_of is None else to_utc(as_of)
    _require_reach(workspace, log, cutoff)
    settings, inputs = stage_settings(workspace, cutoff), stage_inputs(workspace, model or workspace, log, cutoff)

    def write(draft: Draft, _: Path) -> None:
        users, tensors, snapshot = describe_users(
            workspace, model or workspace, log, cutoff, device=device, progress=progress
        )
        if snapshot is not None:
            write_snapshot(snapshot, draft)
        text = open_run((model or workspace).run("text"), "text")
        write_vocabulary(workspace, TextSpace(text, device=str(select_device(device))), log, cutoff, draft)
        draft.table("users.parquet", pl.DataFrame({"user_id": users}))
        draft.tensors("users.safetensors", tensors)
        draft.metrics |= {"users": len(users), "d_embedding": int(tensors["embeddings"].shape[1])}

    return build(
        workspace.embeddings(cutoff, model=model),
        write,
        kind="embeddings",
        settings=settings,
        inputs=inputs,
        seed=0,
        force=force,
    )


def describe_users(
    workspace: Workspace,
    model: Workspace,
    log: Run,
    as_of: datetime,
    *,
    device: str,
    without_sources: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[pl.Series, dict[str, np.ndarray], Snapshot | None]:
    """All that is stored of users as of a date: ids, the tensors of `users.safetensors`, and what scoring reads.

    Args:
        workspace: whose users.
        model: the workspace whose trained model is used.
        log: the event log.
        as_of: the cutoff.
        device: "auto", "cpu", "cuda" or "mps".
        without_sources: sources whose events are left out; their users stay.
        progress: told after each partition.

    Raises:
        FindCLIError: no model is trained, or no user has an event before `as_of`.
    """
    embedder = Embedder.load(model, device=device)
    history = timedelta(seconds=embedder.history)

    def count(own: pl.DataFrame, ids: pl.Series) -> dict[str, np.ndarray]:
        return {"rhythm": rhythm(workspace, own, ids, embedder.kinds, as_of, history)} if embedder.kinds else {}

    users, tensors = embed_users(
        workspace, embedder, log, as_of, without_sources=without_sources, count=count, progress=progress
    )
    snapshot = None
    if scores_by_query(model):
        snapshot = take_snapshot(workspace, model, log, as_of, users, device=device, without_sources=without_sources)
        tensors |= {"activity": snapshot.habits.activity, "factors": snapshot.factors}
    return users, tensors | {"summary": summarise(tensors, embedder.directions, embedder.concepts)}, snapshot


def scores_by_query(model: Workspace) -> bool:
    """Whether a workspace's trained model scores by query."""
    run = open_run(model.run("aligned"), "aligned")
    return run.manifest.settings["scorer"] == "query_aware" and bool(run.files("ranker.json"))


def stage_settings(workspace: Workspace, cutoff: datetime) -> dict[str, Any]:
    """What of the workspace file the embeddings depend on."""
    settings = workspace.settings
    search = [source.name for source in settings.sources if is_search(source)]
    return {
        "as_of": cutoff.isoformat(),
        "history": settings.windows.history,
        "profile": asdict(settings.profile),
        "search": search,
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
    """Refuse a date so late that no history window before it holds an event.

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


def embed_users(
    workspace: Workspace,
    embedder: Embedder,
    log: Run,
    as_of: datetime,
    *,
    without_sources: Sequence[str] = (),
    encode: Callable[[UserBatch], dict[str, torch.Tensor]] | None = None,
    count: Callable[[pl.DataFrame, pl.Series], dict[str, np.ndarray]] | None = None,
    progress: Progress | None = None,
) -> tuple[pl.Series, dict[str, np.ndarray]]:
    """Encode every user with an event before a date, one partition at a time.

    Args:
        workspace: whose users.
        embedder: the model.
        log: the event log.
        as_of: the cutoff.
        without_sources: sources whose events are left out; their users stay.
        encode: what is computed of a batch, tensors with a row a user; `embedder.encode` when not given.
        count: what is computed besides of a partition's events and users, arrays with a row a user.
        progress: told after each partition.

    Returns:
        User ids, ascending, and by name the tensors of `users.safetensors` in their order.

    Raises:
        FindCLIError: no user has an event before `as_of`.
    """
    ids, found = [], []
    parts = events.parts(log)
    for i, part in enumerate(parts):
        own = events.read_part(log, part, before=as_of)
        if not own.is_empty():
            users = own["user_id"].unique().sort()
            kept = own.filter(~pl.col("source").is_in(list(without_sources)))
            ids.append(users)
            found.append(_collect(map(encode or embedder.encode, embedder.batches(workspace, kept, users, as_of))))
            found[-1] |= count(kept, users) if count else {}
        (progress or no_progress)(i + 1, len(parts), {})
    if not ids:
        first = events.first_and_last(log)[0]
        raise FindCLIError(
            f"no user has an event before {as_of}",
            hint=f"the first event is at {first}; name a later date with --as-of",
        )
    users = pl.concat(ids)
    order = users.arg_sort().to_numpy()
    return users.sort(), {name: np.concatenate([part[name] for part in found])[order] for name in found[0]}


def _collect(rows: Iterator[dict[str, torch.Tensor]]) -> dict[str, np.ndarray]:
    arrays = [{name: tensor.cpu().numpy() for name, tensor in row.items()} for row in rows]
    return {name: np.concatenate([row[name] for row in arrays]) for name in arrays[0]}
