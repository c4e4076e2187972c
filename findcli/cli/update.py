"""`findcli update`: new rows of the sources into the log and the users' vectors.

Tested in tests/scoring/test_update.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from findcli.cli import console, stage
from findcli.cli.options import AsOf, Changes, Device, DryRun, Json, Quiet, Threads, WorkspaceDir
from findcli.workspace.durations import parse_instant

if TYPE_CHECKING:
    from findcli.data.arrivals import Arrivals
    from findcli.pipeline import StageStatus
    from findcli.scoring.update import Update

NOT_TRAINED = ("events", "embeddings")


def update(
    workspace: WorkspaceDir = None,
    as_of: AsOf = None,
    device: Device = None,
    threads: Threads = None,
    changes: Changes = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read what is new in the sources and embed the users whom it concerns, with the model as it was trained.

    New files and rows at the end of CSV files are read alone; where that cannot be, it says why. The result is that of
    doing everything again, but for the training: stages that are out of date are named, and findcli run trains them.
    """
    date = None if as_of is None else parse_instant(as_of)
    opened = stage.prepare(workspace, threads=threads, changes=changes)
    from findcli import pipeline
    from findcli.data.append import news
    from findcli.scoring.update import update as bring_up_to_date

    if dry_run:
        _print_news(news(opened), as_json=as_json)
        return
    done = bring_up_to_date(
        opened, as_of=date, device=device or "auto", progress_for=lambda name: console.progress(name, quiet=quiet)
    )
    statuses = pipeline.plan(opened, as_of=done.as_of)
    stale = [s for s in statuses if s.state != "current" and s.finished is not None and s.name not in NOT_TRAINED]
    if as_json:
        console.print_json(_plain(done, stale))
    else:
        _print(done, stale)


def _print_news(new: Arrivals, *, as_json: bool) -> None:
    files = {name: [str(file.path) for file in each] for name, each in new.files.items()}
    if as_json:
        console.print_json({"new": files, "whole": new.whole})
    elif new.whole:
        console.print_line(f"would read all sources again: {new.whole}")
    elif new.nothing:
        console.print_line("nothing is new in the sources")
    else:
        rows = [
            [name, file.path.name, "rows at its end" if file.start else "all"]
            for name, each in new.files.items()
            for file in each
        ]
        console.print_table(["source", "would read", "of it"], rows)


def _plain(done: Update, stale: list[StageStatus]) -> dict[str, object]:
    return {
        "rows": done.rows, "files": done.files, "whole": done.whole, "as_of": done.as_of, "users": done.users,
        "computed": done.computed, "folder": done.embeddings.folder,
        "stale": [{"stage": s.name, "reason": s.reason, "trained": s.finished} for s in stale],
    }  # fmt: skip


def _print(done: Update, stale: list[StageStatus]) -> None:
    if done.whole:
        console.print_line(f"all sources were read again: {done.whole}")
    read = ", ".join(f"{count} of {name}" for name, count in done.files.items())
    console.print_line(f"{done.rows:,} new events" + (f", files read: {read}" if read and not done.whole else ""))
    console.print_line(
        f"{done.users:,} users as of {done.as_of}: {done.computed:,} computed, {done.users - done.computed:,} as before"
    )
    if stale:
        console.print_table(
            ["out of date", "because", "trained"], [[s.name, s.reason, f"{s.finished:%Y-%m-%d %H:%M}"] for s in stale]
        )
        console.print_line("they stay in use; train them again with: findcli run")
