"""User-text pairs (FIND Eq 4): inputs from before each cutoff, sentences from after it, and which sentences are true.

`runs/pairs/` holds
  users.parquet       user_id, part, split ("train" or "validation") of training users; `user` is a row of it
  texts.parquet       text, search: every distinct event text of training users; `text` is a row of it
  histories/*         the users' events before `train_until`: user, seconds, text, amount (safetensors, by partition)
  pairs.parquet       user, part, cutoff; a pair is a row of it
  profiles.parquet    the profile as of the cutoff, one row per pair
  sentences.parquet   text, family, support; predicates.parquet: the slots and the bound behind each
  incidence.safetensors  pairs x sentences as CSR: indptr, indices
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.data import events, people, profiles
from findcli.data.histories import flatten_events, search_sources, searched
from findcli.data.reader.tables import declared
from findcli.data.sentences import choose_sentences, incidence, write_facts
from findcli.data.splits import Names, bucket, held_out_names, held_out_users, require_known
from findcli.data.templates import workspace_templates
from findcli.errors import FindCLIError
from findcli.execution.choose import HERE
from findcli.execution.parts import Engine, map_parts
from findcli.progress import Progress
from findcli.workspace.disk import hash_file
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, open_run

PROFILES = "profiles.parquet"


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that the pairs depend on."""
    settings = workspace.settings
    return {
        "windows": asdict(settings.windows) | {"train_until": workspace.train_until.isoformat()},
        "split": people.declared_split(settings.split),
        "sentences": asdict(settings.sentences),
        "templates": [asdict(template) for template in workspace_templates(settings)],
        "profile": declared(settings.profile),
    }


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the event log before `train_until`, the profile table and the split's files."""
    log = open_run(workspace.run("events"), "events")
    split = settings_files(workspace)
    return {"events": log.manifest.digest("train/")} | profiles.input_digest(workspace, workspace.train_until) | split


def settings_files(workspace: Workspace) -> dict[str, str]:
    """Digests of the files named in [split].

    Raises:
        FindCLIError: one of them cannot be read.
    """
    split = workspace.settings.split
    named = {"users_file": split.users_file, "categories_file": split.categories_file}
    digests = people.group_digests(workspace)
    try:
        return digests | {key: hash_file(workspace.path(file)) for key, file in named.items() if file is not None}
    except OSError as error:
        hint = "correct users_file or categories_file in [split]"
        raise FindCLIError(f"a file named in [split] cannot be read: {error}", hint=hint) from error


def build_pairs(
    workspace: Workspace, *, force: bool = False, progress: Progress | None = None, engine: Engine = HERE
) -> Run:
    """Write `runs/events` and `runs/pairs` if they are missing or out of date, and open the pairs.

    Args:
        workspace: whose pairs.
        force: make the pairs again even where they stand.
        progress: called after each partition.
        engine: where partitions are read.

    Raises:
        FindCLIError: a source cannot be used, no cutoff fits, or no sentence has enough support.
    """
    log = events.build_events(workspace, force=force)
    return build(
        workspace.run("pairs"),
        lambda draft, store: _write(workspace, log, draft, store, engine, progress),
        kind="pairs",
        settings=stage_settings(workspace),
        inputs=stage_inputs(workspace),
        seed=0,
        overrides=workspace.overrides,
        force=force,
    )


def training_cutoffs(workspace: Workspace, first_event: datetime) -> list[datetime]:
    """The training cutoffs, ascending: the last is `future` before `train_until`, with one each `every` before it.

    Raises:
        FindCLIError: the data begin too late for any cutoff.
    """
    windows = workspace.settings.windows
    last = workspace.train_until - parse_duration(windows.future)
    every: timedelta = parse_duration(windows.every)
    count = (last - first_event - parse_duration(windows.min_history)) // every + 1
    if count < 1:
        hint = "shorten future or min_history in [windows], or set a later train_until"
        raise FindCLIError(f"no training cutoff fits between the first event ({first_event}) and {last}", hint=hint)
    return [last - i * every for i in reversed(range(count))]


def _write(
    workspace: Workspace, log: Run, draft: Draft, store: Path, engine: Engine, progress: Progress | None
) -> None:
    with log.reading("train/*.parquet"):
        users = _training_users(workspace, log)
        cutoffs = training_cutoffs(workspace, _first_of_sentences(workspace, log))
        pairs = _pair_table(users, cutoffs)
        names = held_out_names(workspace, log)
        texts = _distinct_texts(workspace, log, users)
    shared = Draft(store / "shared")
    for name, frame in {"users": users, "pairs": pairs, "texts": texts}.items():
        shared.table(f"{name}.parquet", frame)
    parts = events.parts(log)
    done = map_parts(_Pairing(workspace, shared.folder, names), parts, store / "parts", engine, progress=progress)
    for part in done:
        part.hand_on(draft.folder, but=PROFILES)
    predicates = choose_sentences(workspace, draft, n_pairs=len(pairs))
    true = incidence(workspace, draft, predicates, parts)
    _write_tables(
        draft, users, pairs, pl.concat([pl.read_parquet(part.folder / PROFILES, glob=False) for part in done]), texts
    )
    _write_sentences(draft, predicates, true, n_pairs=len(pairs))
    shutil.rmtree(draft.folder / "facts")
    draft.metrics |= {
        "users": len(users),
        "cutoffs": len(cutoffs),
        "pairs": len(pairs),
        "held_out_categories": len(names.categories),
    }


@dataclass(frozen=True)
class _Pairing:
    """Writes histories, profiles and facts of one partition.

    Attributes:
        workspace: whose pairs.
        shared: a folder with what all partitions need: users, pairs and texts.
        names: what no sentence may be about.
    """

    workspace: Workspace
    shared: Path
    names: Names

    def __call__(self, part: str, folder: Path) -> None:
        draft, log = Draft(folder), open_run(self.workspace.run("events"), "events")
        users, pairs, texts = (
            pl.read_parquet(self.shared / f"{name}.parquet", glob=False) for name in ("users", "pairs", "texts")
        )
        rows = events.read_part(log, part)
        _write_history(self.workspace, draft, part, rows, users, texts)
        user_events = rows.join(users.select("user_id", "user"), on="user_id", maintain_order="left")
        of_part = pairs.filter(pl.col("part") == part)
        draft.table(PROFILES, _profiles(self.workspace, user_events, of_part))
        write_facts(self.workspace, draft, part, user_events, of_part, self.names)


def _training_users(workspace: Workspace, log: Run) -> pl.DataFrame:
    """Users with an event before `train_until` who are not held out: user_id, part, first, split, user (row)."""
    frames = [
        pl.scan_parquet(path, glob=False)
        .group_by("user_id")
        .agg(first=pl.col("time").min())
        .with_columns(part=pl.lit(path.name))
        for path in log.files("train/*.parquet")
    ]
    users = pl.concat(frames).collect().sort("part", "user_id")
    held = held_out_users(workspace, users["user_id"])
    require_known("users", workspace.settings.split.users_file, held)
    users = users.filter(~pl.col("user_id").is_in(list(held))) if held else users
    if users.is_empty():
        raise FindCLIError("every user is held out", hint="hold out fewer users in [split]")
    salt, one_in = workspace.settings.split.salt, workspace.settings.split.validation_users
    groups = people.groups_of(workspace, users["user_id"])
    validates = [bucket("validation", group, salt=salt, buckets=one_in) == 0 for group in groups]
    split = pl.Series("split", ["validation" if v else "train" for v in validates])
    return users.with_columns(split).with_row_index("user")


def _first_of_sentences(workspace: Workspace, log: Run) -> datetime:
    """The time of the first event that a sentence can be about; exposures may begin before behaviour does."""
    with_sentences = sorted({template.source for template in workspace_templates(workspace.settings)})
    times = (
        pl.scan_parquet(log.files("train/*.parquet"), glob=False)
        .filter(pl.col("source").is_in(with_sentences))
        .select(pl.col("time").min())
    )
    first = times.collect().item()
    if first is None:
        raise FindCLIError(
            "no source that feeds sentences has an event before train_until",
            hint="set a later train_until in [windows]",
        )
    assert isinstance(first, datetime)
    return first


def _pair_table(users: pl.DataFrame, cutoffs: list[datetime]) -> pl.DataFrame:
    """One pair per user and cutoff after the user's first event, ordered by partition, user, cutoff."""
    instants = pl.DataFrame({"cutoff": cutoffs}, schema={"cutoff": pl.Datetime("us")})
    pairs = (
        users.select("user", "user_id", "part", "first")
        .join(instants, how="cross")
        .filter(pl.col("first") < pl.col("cutoff"))
    )
    return pairs.drop("first").sort("user", "cutoff").with_row_index("pair")


def _distinct_texts(workspace: Workspace, log: Run, users: pl.DataFrame) -> pl.DataFrame:
    log_events = pl.scan_parquet(log.files("train/*.parquet"), glob=False)
    user_events = log_events.join(users.lazy().select("user_id"), on="user_id", how="semi")
    texts = user_events.select(text="event", search=searched(search_sources(workspace))).unique()
    return texts.collect(engine="streaming").sort("search", "text").with_row_index("text_row")


def _write_history(
    workspace: Workspace, draft: Draft, part: str, log: pl.DataFrame, users: pl.DataFrame, texts: pl.DataFrame
) -> None:
    searches = search_sources(workspace)
    flat = flatten_events(log, users["user_id"], searches, texts=texts.rename({"search": "is_search"}))
    arrays = flat.arrays() | {name: flat.arrays()[name].astype(np.int32) for name in ("user", "text")}
    draft.tensors(f"histories/{Path(part).stem}.safetensors", arrays)


def _profiles(workspace: Workspace, user_events: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The profile of each pair, in the order of the pairs."""
    frames = []
    for (cutoff,), group in pairs.group_by("cutoff", maintain_order=True):
        assert isinstance(cutoff, datetime)
        frame = profiles.profiles_as_of(workspace, user_events, group["user_id"], cutoff)
        frames.append(frame.drop("user_id").with_columns(group["pair"]))
    return pl.concat(frames).sort("pair")


def _write_tables(
    draft: Draft, users: pl.DataFrame, pairs: pl.DataFrame, pair_profiles: pl.DataFrame, texts: pl.DataFrame
) -> None:
    draft.table("users.parquet", users.select("user_id", "part", "split"))
    draft.table("pairs.parquet", pairs.select("user", "part", "cutoff"))
    draft.table("profiles.parquet", pair_profiles.drop("pair"))
    draft.table("texts.parquet", texts.select("text", "search"))


def _write_sentences(draft: Draft, predicates: pl.DataFrame, true: pl.DataFrame, *, n_pairs: int) -> None:
    support = true.group_by("sentence").agg(support=pl.len())
    sentences = (
        predicates.group_by("sentence", maintain_order=True)
        .agg(text=pl.col("rendered").first(), family=pl.col("family").first())
        .join(support, on="sentence", how="left", maintain_order="left")
    )
    draft.table("sentences.parquet", sentences.drop("sentence").with_columns(pl.col("support").fill_null(0)))
    draft.table("predicates.parquet", predicates.drop("rendered", "support"))
    counts = np.bincount(true["pair"].to_numpy(), minlength=n_pairs)
    indptr = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
    draft.tensors("incidence.safetensors", {"indptr": indptr, "indices": true["sentence"].to_numpy().astype(np.int32)})
    draft.metrics |= {"sentences": len(sentences), "true": len(true)}
