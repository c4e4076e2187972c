"""The event log, partitioned by a stable hash of the user, with everything from `train_until` on kept apart.

`runs/events/train/` is all that a training stage may open: what happens later cannot reach it, and appending later
events changes no byte of it. `runs/events/later/` serves `embed` alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from findcli.data import sources
from findcli.data.arrivals import record
from findcli.data.forgotten import known
from findcli.data.places import copies
from findcli.data.reader.tables import declared
from findcli.data.splits import bucket
from findcli.data.strays import stray_from
from findcli.data.templates import event_text
from findcli.errors import FindCLIError
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, open_run, read_manifest, rewriting
from findcli.workspace.settings import Source

ROWS_PER_PART = 500_000
SIDES = ("train", "later")


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """What of the workspace file the event log depends on."""
    settings = workspace.settings
    extras = {source.name: sources.extra_columns(workspace, source) for source in settings.sources}
    described = [_described(source) for source in settings.sources]
    return {
        "sources": described,
        "extras": extras,
        "train_until": workspace.train_until.isoformat(),
        "user_id": settings.workspace.user_id,
    } | ({} if settings.workspace.subject == "user" else {"subject": settings.workspace.subject})


def _described(source: Source) -> dict[str, Any]:
    """What of a source the event log depends on; how its table is written counts where it is declared."""
    new = ("quantity", "price", "returned", "verb")
    values = {"time_format": None, "timezone": None} | declared(source)
    return {k: v for k, v in values.items() if k not in ("sentences", "unit") and (k not in new or v is not None)}


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """The digest of what every source holds."""
    return {
        source.name: copies.content_digest(workspace, source, what=f"source {source.name!r}")
        for source in workspace.settings.sources
    }


def build_events(workspace: Workspace, *, force: bool = False, progress: Progress | None = None) -> Run:
    """Write the event log where it is missing or out of date, and open it.

    Args:
        workspace: whose sources.
        force: read them again even where the log stands.
        progress: told after each partition.

    Raises:
        FindCLIError: a source cannot be used, holds duplicate events or has no rows.
    """
    return build(
        workspace.run("events"),
        lambda draft, _: write_log(workspace, draft, progress or no_progress),
        kind="events",
        settings=stage_settings(workspace),
        inputs=stage_inputs(workspace),
        seed=0,
        overrides=workspace.overrides,
        force=force,
    )


def changed_sources(workspace: Workspace) -> tuple[datetime, list[str]] | None:
    """When the event log was made, UTC, and the sources whose files hold something else now; None where none does.

    Files that were not written since are not read; of a table that lies elsewhere its copy counts, and nobody is asked.

    Raises:
        FindCLIError: the log's manifest cannot be read.
    """
    manifest = read_manifest(workspace.run("events"))
    if manifest is None:
        return None
    made = datetime.fromisoformat(manifest.started)
    changed = []
    for source in workspace.settings.sources:
        try:
            files = copies.source_files(workspace, source)
            newest = max(path.stat().st_mtime for path in files)
        except (FindCLIError, OSError):
            changed.append(source.name)  # they are gone
            continue
        digest = partial(copies.kept_digest, workspace, source, what=f"source {source.name!r}")
        if newest >= made.timestamp() and digest() != manifest.inputs.get(source.name):
            changed.append(source.name)
    return (made, changed) if changed else None


def parts(run: Run) -> list[str]:
    """The names of the partitions."""
    return sorted({path.name for path in run.files("*/part-*.parquet")})


def read_part(run: Run, part: str, *, before: datetime | None = None) -> pl.DataFrame:
    """One partition's events in order of user and time.

    Args:
        run: the event log.
        part: the partition's name.
        before: None reads the training side alone; an instant reads every event before it.
    """
    if before is None:
        return run.table(f"train/{part}")
    frames = [run.table(f"{side}/{part}") for side in SIDES if (run.folder / side / part).exists()]
    return (
        pl.concat(frames, how="diagonal_relaxed")
        .filter(pl.col("time") < before)
        .sort("user_id", "time", maintain_order=True)
    )


def without_users(run: Run, users: Collection[str]) -> Run | None:
    """Take all events of some users out of the log, whole or not at all; None, and no log, where none are left.

    Args:
        run: the event log.
        users: ids as text.

    Raises:
        FindCLIError: another command is writing the log, or the disk is full.
    """
    theirs = pl.col("user_id").cast(pl.String).is_in(list(users))
    train_until = datetime.fromisoformat(run.manifest.settings["train_until"])
    kept = pl.scan_parquet(run.files("*/part-*.parquet"), glob=False).filter(~theirs)
    counts = kept.select(
        rows=pl.len(),
        users=pl.col("user_id").n_unique(),
        first=pl.col("time").min(),
        last=pl.col("time").max(),
        train_rows=(pl.col("time") < train_until).sum(),
    )
    left = counts.collect(engine="streaming").row(0, named=True)
    if not left["rows"]:
        shutil.rmtree(run.folder)
        return None
    with rewriting(run) as draft:
        for path in sorted(draft.folder.glob("*/part-*.parquet")):
            frame = pl.read_parquet(path, glob=False)
            if len(others := frame.filter(~theirs)) < len(frame):
                draft.table(path.relative_to(draft.folder).as_posix(), others)
        times = {name: left[name].isoformat() for name in ("first", "last")}
        draft.metrics |= {"rows": left["rows"], "users": left["users"], **times}
        if "train_rows" in draft.metrics:
            draft.metrics["train_rows"] = left["train_rows"]
    return open_run(run.folder, run.manifest.kind)


def first_and_last(run: Run) -> tuple[datetime, datetime]:
    """The instants of the first and the last event of the whole log."""
    metrics = run.manifest.metrics
    return datetime.fromisoformat(metrics["first"]), datetime.fromisoformat(metrics["last"])


def write_log(workspace: Workspace, draft: Draft, progress: Progress) -> None:
    """Fill a draft from all sources; as `build_events`."""
    log = scan_log(workspace)
    overview = _overview(workspace, log)
    stray = stray_from(overview, log, train_until=workspace.train_until)
    if stray is not None:
        log = log.filter(pl.col("time") < stray)
        overview = _overview(workspace, log)
    train_rows = int(overview["train_rows"].sum())
    n_parts = parts_for(train_rows)
    raw = draft.path("raw")
    ids = overview.select("user_id").unique().sort("user_id")
    users = ids.with_columns(part_of(ids["user_id"], n_parts))
    target = pl.PartitionBy(raw, key="part", include_key=False)
    with reading_sources(workspace):
        log.join(users.lazy(), on="user_id").sink_parquet(target, mkdir=True, compression="lz4")
    for part in range(n_parts):
        if (raw / f"part={part}").exists():
            files = sorted((raw / f"part={part}").glob("*.parquet"))
            frame = pl.read_parquet(files, glob=False, hive_partitioning=False)
            write_part(workspace, draft, without_copies(workspace, frame), part_name(part))
        progress(part + 1, n_parts, {})
    shutil.rmtree(raw, ignore_errors=True)
    draft.metrics |= {
        "rows": int(overview["rows"].sum()),
        "users": len(ids),
        "first": overview["first"].min().isoformat(),  # type: ignore[union-attr]
        "last": overview["last"].max().isoformat(),  # type: ignore[union-attr]
        # What `append.py` has to know to add new rows to these.
        "parts": n_parts,
        "train_rows": train_rows,
        "set_aside": stray is not None,
        "sources": record(workspace),
    }


def parts_for(train_rows: int) -> int:
    """How many partitions so many rows before `train_until` have."""
    return max(1, -(-train_rows // ROWS_PER_PART))


def part_of(users: pl.Series, n_parts: int) -> pl.Series:
    """The number of each user's partition, as `part`."""
    buckets = [bucket("part", user, salt="", buckets=n_parts) for user in users]
    return pl.Series("part", buckets, dtype=pl.Int32)


def part_name(part: int) -> str:
    """The file name of a partition."""
    return f"part-{part:03d}.parquet"


def reading_sources(workspace: Workspace) -> AbstractContextManager[None]:
    """Turn what polars says of an unreadable source into an error that names it."""
    files = [path for source in workspace.settings.sources for path in copies.source_files(workspace, source)]
    return sources.reading("the sources", files)


def scan_log(workspace: Workspace) -> pl.LazyFrame:
    """All sources' events, with the text of each."""
    frames = []
    for source in workspace.settings.sources:
        frame = sources.scan_source(workspace, source)
        text = event_text(source, subject=workspace.settings.workspace.subject)
        frames.append(frame.with_columns(text.alias("event")))
    return sources.union(frames)


def _overview(workspace: Workspace, log: pl.LazyFrame) -> pl.DataFrame:
    """Rows and times a source and user; users who were forgotten are left out.

    Raises:
        FindCLIError: a source has no usable row.
    """
    early = pl.col("time") < workspace.train_until
    with reading_sources(workspace):
        counts = users_of_sources(log, train_rows=early.sum())
        overview = counts.collect(engine="streaming")
    overview = overview.filter(known(workspace, overview["user_id"]))
    _require_rows(workspace.settings.sources, overview)
    if overview["train_rows"].sum() == 0:
        first = overview.select(pl.col("first").min()).item()
        hint = f"the first event is at {first}; set a later train_until in [windows]"
        raise FindCLIError(f"no event lies before train_until = {workspace.train_until}", hint=hint)
    return overview


def users_of_sources(log: pl.LazyFrame, **more: pl.Expr) -> pl.LazyFrame:
    """Rows, first and last time of each source and user, and more."""
    counted = {"rows": pl.len(), "first": pl.col("time").min(), "last": pl.col("time").max()}
    return log.group_by("source", "user_id").agg(**counted, **more)


def _require_rows(wanted: Iterable[Source], overview: pl.DataFrame) -> None:
    present = set(overview["source"].unique())
    for source in wanted:
        if source.name not in present:
            hint = (
                "findcli check counts its rows, and those without user or time; correct the table or remove the source"
            )
            raise FindCLIError(f"source {source.name!r} ({source.where}) has no usable row", hint=hint)


def write_part(workspace: Workspace, draft: Draft, frame: pl.DataFrame, name: str) -> None:
    """Write the events of a partition in an order that says nothing of where they came from."""
    frame = frame.sort("user_id", "time", *sorted(set(frame.columns) - {"user_id", "time"}))
    early = pl.col("time") < workspace.train_until
    draft.table(f"train/{name}", frame.filter(early))
    draft.table(f"later/{name}", frame.filter(~early))


def without_copies(workspace: Workspace, frame: pl.DataFrame) -> pl.DataFrame:
    """Refuse or drop rows that are equal in every raw column, as their source says.

    Raises:
        FindCLIError: a source with `duplicates = "error"` has such rows.
    """
    if "copies" not in frame.columns:
        return frame
    copy = ~pl.struct("source", "user_id", "time", "copies").is_first_distinct() & pl.col("copies").is_not_null()
    copies = frame.filter(copy)
    strict = {source.name for source in workspace.settings.sources if source.duplicates == "error"}
    refused = copies.filter(pl.col("source").is_in(strict))
    if len(refused):
        name, user, time = refused.select("source", "user_id", "time").row(0)
        hint = (
            f'say duplicates = "keep" for source {name!r} if they are events of their own, or "drop" to count them once'
        )
        raise FindCLIError(f"source {name!r} has duplicate events, such as one of user {user} at {time}", hint=hint)
    return frame.filter(~copy).drop("copies")
