"""Bring the event log up to date by new rows alone, where the sources allow it: the same bytes as from all of them.

What decides over all rows is checked to be decided as it was: the readings of columns, the number of partitions, copies
and stray dates. Where it is not, or a file changed before its end, all sources are read again, and the reason is told.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from findcli.data import events
from findcli.data.arrivals import Arrivals, arrivals, new_rows, other_reading, record
from findcli.data.forgotten import known
from findcli.data.strays import stray_from
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, open_run, read_manifest, why_stale


@dataclass(frozen=True)
class Updated:
    """What `update_events` did.

    Attributes:
        run: the event log.
        new: what was new in the sources.
        rows: how many events it has more than before.
        whole: why all sources were read again; "" where they were not.
    """

    run: Run
    new: Arrivals
    rows: int = 0
    whole: str = ""


def news(workspace: Workspace) -> Arrivals:
    """What is new in the sources since the log was made, or why all of them have to be read.

    Raises:
        FindCLIError: a file or the log's manifest cannot be read.
    """
    folder = workspace.run("events")
    manifest = read_manifest(folder)
    if manifest is None:
        return Arrivals({}, "there is no event log yet")
    settings, inputs = events.stage_settings(workspace), manifest.inputs
    if why := why_stale(folder, kind="events", settings=settings, inputs=inputs, seed=0):
        return Arrivals({}, why)
    if "sources" not in manifest.metrics:
        return Arrivals({}, "an earlier findcli made the event log")
    return arrivals(workspace, manifest.metrics["sources"])


def update_events(workspace: Workspace, *, progress: Progress | None = None) -> Updated:
    """Bring the event log up to date; it is what `build_events` makes of all sources, to the bit.

    Args:
        workspace: whose sources.
        progress: told after each partition, where all are read.

    Raises:
        FindCLIError: as `build_events`.
    """
    new, folder = news(workspace), workspace.run("events")
    if new.nothing:
        return Updated(open_run(folder, "events"), new)
    before = read_manifest(folder)
    whole = [new.whole]

    def write(draft: Draft, _: Path) -> None:
        if not whole[0]:
            whole[0] = _append(workspace, open_run(folder, "events"), new, draft)
        if whole[0]:
            shutil.rmtree(draft.folder)
            draft.folder.mkdir()
            draft.metrics.clear()
            events.write_log(workspace, draft, progress or no_progress)

    run = build(
        folder, write, kind="events", settings=events.stage_settings(workspace), inputs=events.stage_inputs(workspace),
        seed=0, overrides=workspace.overrides,
    )  # fmt: skip
    had = 0 if before is None else int(before.metrics["rows"])
    return Updated(run, new, int(run.manifest.metrics["rows"]) - had, whole[0])


def _append(workspace: Workspace, log: Run, new: Arrivals, draft: Draft) -> str:
    """Write the log with the new rows, or say why that cannot be; the draft then holds anything."""
    before, folder = log.manifest.metrics, draft.path("new/links").parent
    part = new_rows(workspace, new, folder)
    if why := other_reading(before["sources"], part):
        return why
    with events.reading_sources(part):
        rows = events.scan_log(part).collect(engine="streaming")
    shutil.rmtree(folder)
    rows = rows.filter(known(workspace, rows["user_id"]))
    schema = pl.read_parquet_schema(log.files("train/part-*.parquet")[0])
    if other := [name for name, kind in rows.schema.items() if name != "copies" and schema.get(name) != kind]:
        return f"the new rows, read alone, have another {other[0]}"
    train_rows = before["train_rows"] + rows.filter(pl.col("time") < workspace.train_until).height
    if events.parts_for(train_rows) != before["parts"]:
        return "the log has outgrown the number of its partitions"
    whole = pl.scan_parquet(log.files("*/part-*.parquet"), glob=False)
    overview = _overview(whole, rows)
    times = pl.concat([whole.select("time"), rows.lazy().select("time")])
    if before["set_aside"] or stray_from(overview, times, train_until=workspace.train_until) is not None:
        return "some dates lie far behind all others, and which are slips is decided over all events"
    count = len(rows)
    rows = events.without_copies(workspace, rows)
    if _may_repeat(workspace, whole, rows):
        return "a new row has the user and the time of an earlier one, and may be its copy"
    _write_parts(workspace, log, rows, draft)
    first, last = overview["first"].min(), overview["last"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    draft.metrics |= before | {
        "rows": before["rows"] + count,
        "users": overview["user_id"].n_unique(),
        "first": first.isoformat(),
        "last": last.isoformat(),
        "train_rows": train_rows,
        "sources": record(workspace),
    }
    return ""


def _overview(whole: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows, first and last of each source and user, of the log and the new rows together."""
    both = [events.users_of_sources(frame) for frame in (whole, rows.lazy())]
    together = pl.concat(both).group_by("source", "user_id")
    sums = together.agg(pl.col("rows").sum(), pl.col("first").min(), pl.col("last").max())
    return sums.collect(engine="streaming")


def _may_repeat(workspace: Workspace, whole: pl.LazyFrame, rows: pl.DataFrame) -> bool:
    """Whether a new row of a source that refuses or drops copies has user and time of an earlier row."""
    strict = [source.name for source in workspace.settings.sources if source.duplicates != "keep"]
    keys = ["source", "user_id", "time"]
    asked = rows.lazy().filter(pl.col("source").is_in(strict)).select(keys)
    return bool(whole.select(keys).join(asked, on=keys, how="semi").select(pl.len()).collect().item())


def _write_parts(workspace: Workspace, log: Run, rows: pl.DataFrame, draft: Draft) -> None:
    """Write the partitions of users with new rows; the others are linked, or copied where the disk cannot."""
    users = rows.select("user_id").unique()
    users = users.with_columns(events.part_of(users["user_id"], log.manifest.metrics["parts"]))
    touched = {}
    for (number,), part in rows.join(users, on="user_id").group_by("part"):
        touched[events.part_name(int(str(number)))] = part.drop("part")
    for name in sorted({*events.parts(log), *touched}):
        files = [log.folder / side / name for side in events.SIDES if (log.folder / side / name).exists()]
        if name not in touched:
            for file in files:
                _link(file, draft.path(file.relative_to(log.folder).as_posix()))
            continue
        before = pl.read_parquet(files, glob=False) if files else None
        columns = list(pl.read_parquet_schema(log.files("train/part-*.parquet")[0]))
        frames = [frame for frame in (before, touched[name]) if frame is not None]
        events.write_part(workspace, draft, pl.concat(frames, how="diagonal").select(columns), name)


def _link(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:
        shutil.copy2(file, to)
