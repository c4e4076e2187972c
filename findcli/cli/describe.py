"""`findcli describe`: what the model sees, drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console
from findcli.cli.options import AsOf, Json, Quiet, WorkspaceDir
from findcli.durations import parse_instant

if TYPE_CHECKING:
    from findcli.timelines import Overview, Timeline

BLOCKS, HEIGHT, WIDEST = " ▁▂▃▄▅▆▇█", 3, 4
TEXTS = 6  # of a source in a period
User = Annotated[str | None, typer.Argument(metavar="[USER]", help="One user; else the whole workspace.", show_default=False)]


def describe(
    user: User = None, as_of: AsOf = None, workspace: WorkspaceDir = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Draw the events a week of each source, or one user's timeline around the cutoff with the texts the model reads."""
    if user is None and as_of is not None:
        raise typer.BadParameter("only the timeline of a USER has it", param_hint="--as-of")
    from findcli import timelines
    from findcli.workspace import load_workspace

    date = None if as_of is None else parse_instant(as_of)
    found = load_workspace(workspace)
    with console.progress("describe", quiet=quiet):
        result = timelines.weekly_counts(found) if user is None else timelines.timeline(found, user, as_of=date)
    if isinstance(result, timelines.Timeline):
        _print_timeline(result) if not as_json else console.print_json(_plain_timeline(result))
    elif as_json:
        console.print_json({**vars(result), "counts": result.counts.to_dicts()})
    else:
        _print_overview(result)


def _print_overview(found: Overview) -> None:
    from findcli.timelines import WEEK

    weeks = found.counts["week"]
    console.print_line(f"{found.users:,} users; events a week by source, from {weeks.min():%Y-%m-%d}")
    marks = {found.last_cutoff: "last training cutoff", found.train_until: "train_until"}
    series = {
        str(source): dict(rows.select("week", "events").iter_rows())
        for (source,), rows in found.counts.group_by("source", maintain_order=True)
    }
    _print_chart(series, begin=weeks.min(), end=weeks.max() + WEEK, origin=found.train_until, step=WEEK, marks=marks)  # type: ignore[operator, arg-type]


def _print_timeline(found: Timeline) -> None:
    pass


def _plain_timeline(found: Timeline) -> dict[str, Any]:
    return {**vars(found), "period": found.period.days, "events": found.events.drop("period").to_dicts()}
