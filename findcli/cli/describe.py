"""`findcli describe`: draw what the model sees.

Tested in tests/test_cli.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import charts, console
from findcli.cli.options import AsOf, Json, Quiet, WorkspaceDir
from findcli.workspace.durations import parse_instant

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from findcli.data.describe import Overview, Timeline

MOST = 6  # texts of one source in one period
UNITS = {1: "a day", 7: "a week"}
User = Annotated[str | None, typer.Argument(metavar="USER", help="A user id; default: the whole workspace.")]


def describe(
    user: User = None, as_of: AsOf = None, workspace: WorkspaceDir = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Draw each source's events per week, or one user's timeline in the texts that the model reads."""
    if user is None and as_of is not None:
        raise typer.BadParameter("it needs a USER: only a timeline has a cutoff", param_hint="--as-of")
    from findcli.data.describe import Overview, timeline, weekly_counts
    from findcli.workspace.folder import load_workspace

    date = None if as_of is None else parse_instant(as_of)
    opened = load_workspace(workspace)
    with console.progress("describe", quiet=quiet):
        description = weekly_counts(opened) if user is None else timeline(opened, user, as_of=date)
    if as_json:
        console.print_json(_plain(description))
    elif isinstance(description, Overview):
        _print_overview(description)
    else:
        _print_timeline(description)


def _plain(description: Overview | Timeline) -> dict[str, Any]:
    """A description as JSON: its attributes, tables as lists of rows and lengths in days."""
    plain = {key: value.days if isinstance(value, timedelta) else value for key, value in vars(description).items()}
    return {key: value.to_dicts() if hasattr(value, "to_dicts") else value for key, value in plain.items()}


def _print_overview(overview: Overview) -> None:
    from findcli.data.describe import WEEK

    weeks = overview.counts["week"].to_list()
    begin, end = weeks[0], weeks[-1] + WEEK
    console.print_line(f"{overview.users:,} users, {overview.counts['events'].sum():,} events")
    marks = {overview.last_cutoff: ("┊", "the last training cutoff"), overview.train_until: ("│", "train_until")}
    rows = overview.counts.rename({"week": "period"})
    _print_chart(rows, begin=begin, end=end, origin=overview.train_until, step=WEEK, marks=marks)


def _print_timeline(line: Timeline) -> None:
    before = (line.events["time"] < line.cutoff).sum()
    split = "held out of training" if line.held_out else "not held out"
    console.print_line(f"user {line.user} ({split}), cutoff {_day(line.cutoff)}")
    older = f"; {line.older:,} older ones are not inputs" if line.older else ""
    console.print_line(f"{before:,} events before it, {len(line.events) - before:,} after it{older}")
    profile = ", ".join(f"{name} {_value(value)}" for name, value in line.profile.items())
    console.stdout().print(f"profile: {profile or 'none'}", markup=False, soft_wrap=False)
    rows = line.events.group_by("period", "source", maintain_order=True).len("events")
    marks = {line.cutoff: ("│", "cutoff")}
    _print_chart(rows, begin=line.begin, end=line.end, origin=line.cutoff, step=line.period, marks=marks)
    _print_texts(line)


def _print_chart(
    rows: pl.DataFrame,
    *,
    begin: datetime,
    end: datetime,
    origin: datetime,
    step: timedelta,
    marks: Mapping[datetime, tuple[str, str]],
) -> None:
    """Draw the events of each source as bars; `rows` has the columns period, source, events."""
    out = console.stdout()
    lines = {instant: mark for instant, (mark, _) in marks.items() if begin < instant < end}
    axis = charts.fit_axis(begin, end, origin=origin, step=step, room=out.width, marks=lines)
    each = UNITS.get(axis.step.days, f"{axis.step.days} days")
    for source in rows["source"].unique().sort():
        source_rows = rows.filter(rows["source"] == source)
        sums = charts.column_sums(source_rows.select("period", "events").iter_rows(), axis)
        console.print_line(f"\n{source}: {sum(sums):,} events, at most {max(sums):,} in {each}")
        for line in charts.bar_lines(sums, axis):
            out.print(line, style="cyan", markup=False)
    console.print_line(charts.axis_line(begin, end, axis))
    for instant in lines:
        console.print_line(f"{marks[instant][0]} {marks[instant][1]} {_day(instant)}")


def _print_texts(line: Timeline) -> None:
    """Print the texts of every period, with a rule at the cutoff."""
    from rich.rule import Rule

    out = console.stdout()
    early = line.events["time"] < line.cutoff
    console.print_line("")
    out.print(_texts(line.events.filter(early), line), soft_wrap=False)
    out.print(Rule(f"cutoff {_day(line.cutoff)}: inputs above, what came after below"), soft_wrap=False)
    out.print(_texts(line.events.filter(~early), line), soft_wrap=False)


def _texts(events: pl.DataFrame, line: Timeline) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, min_width=len("2025-01-01"))
    table.add_column(no_wrap=True, min_width=max((len(name) for name in line.events["source"].unique()), default=0))
    table.add_column(overflow="fold")
    last = None
    for (period, source), rows in events.sort("period", "source", maintain_order=True).group_by(
        "period", "source", maintain_order=True
    ):
        day = "" if period == last else _day(period)
        table.add_row(Text(day), Text(str(source), style="cyan"), Text(_listed(rows["text"].to_list())))
        last = period
    return table


def _listed(texts: list[str]) -> str:
    """List each text once, the most frequent first, with its count; only count the rest."""
    counted = Counter(texts).most_common()
    shown = [text if count == 1 else f"{text} (x{count})" for text, count in counted[:MOST]]
    return "; ".join([*shown, *([f"... and {len(counted) - MOST} more"] if len(counted) > MOST else [])])


def _value(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"
