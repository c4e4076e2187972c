"""What a workspace's tables hold and what is unusable in them, read by the code that training reads them with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from findcli.data import pairs, profiles, sources, splits, tasks
from findcli.data.places import copies
from findcli.data.strays import stray_from
from findcli.data.templates import workspace_templates
from findcli.errors import FindCLIError
from findcli.progress import Progress, no_progress
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Source, Task

HISTORY: dict[str, pl.DataType | type[pl.DataType]] = {
    "source": pl.String, "user_id": pl.String, "rows": pl.Int64, "first": sources.TIME, "last": sources.TIME,
}  # fmt: skip
OLDEST = datetime(1990, 1, 1)
SAMPLE = 1000


@dataclass(frozen=True)
class Problem:
    """Something to mend: what is wrong, the fix, and whether training can begin in spite of it."""

    what: str
    fix: str
    harmless: bool = False


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """One table of events.

    Attributes:
        name: the source.
        rows: rows of the table.
        usable: rows with a user and a time.
        duplicates: usable rows that repeat another in every column; None where the source keeps them.
        users: users with a usable row.
        first: time of the first usable row, UTC.
        last: time of the last.
        before: usable rows before `train_until`.
        missing: rows without a value, by key of the source; keys without such rows are left out.
        returned: rows that are returns, and no purchases.
        amount: the sum of the usable rows' amounts; None without one.
        notes: what was decided of how the files are written.
    """

    name: str
    rows: int
    usable: int
    duplicates: int | None
    users: int
    first: datetime | None
    last: datetime | None
    before: int
    missing: dict[str, int]
    returned: int = 0
    amount: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfileReport:
    """The profile table: its rows, its users, and its rows without a value by column."""

    rows: int
    users: int
    missing: dict[str, int]


@dataclass(frozen=True)
class TaskReport:
    """A task's labels: users, positives, and users without any event before the task's date."""

    name: str
    users: int
    positives: int
    unknown: int


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        sources: the tables of events that can be read.
        profile: the profile table, if there is one that can be read.
        tasks: the tasks that can be read.
        users: users of all sources together.
        held_out: those whom training never sees.
        cutoffs: training cutoffs that fit into the data.
        problems: what to mend.
    """

    sources: tuple[SourceReport, ...]
    profile: ProfileReport | None
    tasks: tuple[TaskReport, ...]
    users: int
    held_out: int
    cutoffs: int
    problems: tuple[Problem, ...]

    @property
    def go(self) -> bool:
        """Whether training can begin."""
        return all(problem.harmless for problem in self.problems)


def check_workspace(workspace: Workspace, *, progress: Progress = no_progress) -> Report:
    """Read every table of a workspace and say what is unusable; nothing is written.

    Args:
        workspace: what to check.
        progress: told after every table.
    """
    steps = itertools.count(1)
    total = len(workspace.settings.sources) + len(workspace.settings.tasks) + 1
    problems: list[Problem] = []
    reports, histories = [], []
    copies.ask_again()
    for source in workspace.settings.sources:
        with _noting(problems):
            copies.fresh_files(workspace, source, what=f"source {source.name!r}")
            report, history = _check_source(workspace, source)
            problems += _source_problems(workspace, source, report)
            reports.append(report)
            histories.append(history)
        progress(next(steps), total, {})
    history = pl.concat([pl.DataFrame(schema=HISTORY), *histories])
    reports, stray = _without_strays(workspace, reports, history, problems)
    if stray is not None:
        history = history.filter(pl.col("first") < stray)
    users = history.group_by("user_id").agg(pl.col("first").min())
    problems += _zone_problems(workspace, reports)
    held_out, cutoffs = _check_training(workspace, reports, users, problems)
    profile = _check_profile(workspace, users, problems)
    progress(next(steps), total, {})
    labelled = []
    for name, task in workspace.settings.tasks.items():
        with _noting(problems):
            labelled.append(_check_task(workspace, name, task, users))
            problems += _task_problems(workspace, task, labelled[-1])
        progress(next(steps), total, {})
    return Report(
        tuple(reports), profile, tuple(labelled), len(users), held_out, cutoffs, tuple(dict.fromkeys(problems))
    )


@contextmanager
def _noting(problems: list[Problem]) -> Iterator[None]:
    """Note an error that the user can mend, and go on with the next table."""
    try:
        yield
    except FindCLIError as error:
        problems.append(Problem(error.message, error.hint))


def _check_source(workspace: Workspace, source: Source) -> tuple[SourceReport, pl.DataFrame]:
    """A source's report, and the first event of each of its users."""
    events = sources.scan_source(workspace, source, raw=True)
    schema = events.collect_schema()
    returned = pl.col("returned") if "returned" in schema else pl.lit(value=False)
    usable = pl.col("user_id").is_not_null() & pl.col("time").is_not_null() & ~returned
    again = sources.extra_name(source.name, source.amount or "")
    columns = [name for name in schema.names() if name not in ("source", "copies", "returned", again)]
    keep = source.duplicates == "keep"
    duplicates = pl.lit(None) if keep else usable.sum() - pl.col("copies").filter(usable).n_unique()
    with sources.reading(f"source {source.name!r}", copies.source_files(workspace, source)):
        counts = (
            events.select(
                rows=pl.len(),
                duplicates=duplicates,
                returned=returned.sum() if "returned" in schema else pl.lit(0),
                amount=pl.col("amount").filter(usable).sum() if "amount" in schema else pl.lit(None),
                **{f"missing {name}": pl.col(name).is_null().sum() for name in columns},
            )
            .collect(engine="streaming")
            .row(0, named=True)
        )
        history = _history(workspace, events.filter(usable))
    missing = {name: counts[f"missing {name}"] for name in columns if counts[f"missing {name}"]}
    report = SourceReport(
        name=source.name,
        rows=counts["rows"],
        usable=int(history["rows"].sum()),
        duplicates=counts["duplicates"],
        users=len(history),
        first=history["first"].min(),  # type: ignore[arg-type]
        last=history["last"].max(),  # type: ignore[arg-type]
        before=int(history["before"].sum()),
        missing={{"user_id": "user"}.get(name, name): count for name, count in missing.items()},
        returned=counts["returned"],
        amount=counts["amount"],
        notes=(*copies.note(workspace, source), *sources.open_source(workspace, source).notes),
    )
    named = history.with_columns(source=pl.lit(source.name), user_id=pl.col("user_id").cast(pl.String))
    return report, named.select(pl.col(name).cast(kind) for name, kind in HISTORY.items())


def _without_strays(
    workspace: Workspace, reports: list[SourceReport], histories: pl.DataFrame, problems: list[Problem]
) -> tuple[list[SourceReport], datetime | None]:
    """The reports without lone events far behind all others, and since when those lie; each source has a problem."""
    readable = {report.name for report in reports if report.usable}
    logs = {s.name: sources.scan_source(workspace, s) for s in workspace.settings.sources if s.name in readable}
    if not logs:
        return reports, None
    log = sources.union([frame.select("time") for frame in logs.values()])
    stray = stray_from(histories, log, train_until=workspace.train_until)
    if stray is None:
        return reports, None
    kept = []
    for report in reports:
        if report.last is None or report.last < stray:
            kept.append(report)
            continue
        time = pl.col("time")
        before = time < stray
        seen = logs[report.name].select(last=time.filter(before).max(), beyond=(~before).sum()).collect().row(0)
        last, beyond = seen
        kept.append(replace(report, last=last, usable=report.usable - beyond))
        events = "1 event lies" if beyond == 1 else f"{beyond:,} events lie"
        what = f"source {report.name!r}: {events} far behind all others, up to {report.last}; set aside"
        problems.append(Problem(what, "correct the dates if they are slips", harmless=True))
    return kept, stray


def _history(workspace: Workspace, events: pl.LazyFrame) -> pl.DataFrame:
    time = pl.col("time")
    early = (time < workspace.train_until).sum()
    grouped = events.group_by("user_id").agg(rows=pl.len(), first=time.min(), last=time.max(), before=early)
    return grouped.collect(engine="streaming")


def _source_problems(workspace: Workspace, source: Source, report: SourceReport) -> Iterator[Problem]:
    what = f"source {source.name!r}"
    if not report.usable:
        fix = "correct the table or remove the source"
        if report.returned:
            fix = "every amount or quantity is negative, as in returns: where these are sales set amount = '-column'"
        yield Problem(f"{what} ({source.where}) has no usable row", fix)
        return
    if report.duplicates and source.duplicates == "error":
        fix = 'set duplicates = "keep" if they are events of their own, or "drop" to count them once'
        yield Problem(f"{what}: {report.duplicates:,} rows repeat another in every column", fix)
    yield from _row_problems(what, report)
    for key, count in report.missing.items():
        if count == report.rows:
            yield Problem(f"{what}: {key} is empty in every row", f"take {key} out of the source", harmless=True)
    if not report.before:
        fix = "set a later train_until if training should see them"
        yield Problem(f"{what} has no event before train_until = {workspace.train_until}", fix, harmless=True)
    if report.first and report.first < OLDEST:
        yield Problem(f"{what} begins at {report.first}", "is that a placeholder for an unknown time?", harmless=True)


def _row_problems(what: str, report: SourceReport) -> Iterator[Problem]:
    """Rows that are no events, for which nothing may be to do."""
    fixes = {"user": "nothing to do where nobody is known, such as guests", "time": "fill them in"}
    for key, fix in fixes.items():
        if key in report.missing:
            yield Problem(f"{what}: {report.missing[key]:,} rows without {key} are left out", fix, harmless=True)
    if report.returned:
        yield Problem(f"{what}: {report.returned:,} rows are returns, no purchases", "nothing to do", harmless=True)


def _zone_problems(workspace: Workspace, reports: list[SourceReport]) -> Iterator[Problem]:
    """Doubt times without a zone beside times that have one."""
    readable = {report.name for report in reports if report.usable}
    zones = {s.name: _has_zone(workspace, s) for s in workspace.settings.sources if s.name in readable}
    local = [name for name, zoned in zones.items() if zoned is False]
    if local and True in zones.values():
        what = f"times of {', '.join(local)} name no zone and are taken as UTC, while other sources name theirs"
        yield Problem(what, "where they are local times set timezone in [[sources]]", harmless=True)


def _has_zone(workspace: Workspace, source: Source) -> bool | None:
    """Whether a source's times say their zone; None for dates alone, which need none."""
    settled = sources.settle_source(workspace, source)
    kind = settled.table.schema[source.time]
    zoned = isinstance(kind, pl.Datetime) and kind.time_zone is not None
    if source.timezone is not None or zoned or settled.time.has_zones:
        return True
    time = pl.col("time")
    times = sources.scan_source(workspace, source).head(SAMPLE)
    return False if times.select((time.dt.truncate("1d") != time).any()).collect().item() else None


def _check_training(
    workspace: Workspace, reports: list[SourceReport], users: pl.DataFrame, problems: list[Problem]
) -> tuple[int, int]:
    """How many users are held out and how many training cutoffs fit."""
    held_out, cutoffs = 0, 0
    with _noting(problems):
        held = splits.held_out_users(workspace, users["user_id"])
        splits.require_known("users", workspace.settings.split.users_file, held)
        held_out = len(held)
    if held_out and held_out == len(users):
        problems.append(Problem("every user is held out", "hold out fewer users in [split]"))
    spoken = {template.source for template in workspace_templates(workspace.settings)}
    spans = [(r.first, r.last) for r in reports if r.first and r.last and r.name in spoken and r.before]
    if not spans and len(reports) < len(workspace.settings.sources):
        return held_out, cutoffs  # a source cannot be read: what that hides is no problem of its own
    if not spans:
        fix = "set a later train_until, or give a source with another family than exposure"
        problems.append(Problem("no source that feeds sentences has an event before train_until", fix))
        return held_out, cutoffs
    with _noting(problems):
        cutoffs = len(pairs.training_cutoffs(workspace, min(first for first, _ in spans)))
    problems += _end_problems(workspace, max(last for _, last in spans))
    return held_out, cutoffs


def _end_problems(workspace: Workspace, last: datetime) -> Iterator[Problem]:
    """Doubt a `train_until` that leaves nothing to evaluate on, or that takes missing days for empty ones."""
    gap = workspace.train_until - last
    if gap > parse_duration(workspace.settings.windows.future) / 4:
        what = f"the last event ({last}) lies {gap.days} days before train_until: sentences count these days as empty"
        yield Problem(what, f"set train_until = {(last + timedelta(days=1)).date()} or earlier", harmless=True)
    elif gap > timedelta():
        what = f"no event lies at or after train_until = {workspace.train_until}: nothing is kept back to evaluate on"
        yield Problem(what, "set train_until one future window earlier", harmless=True)


def _check_profile(workspace: Workspace, users: pl.DataFrame, problems: list[Problem]) -> ProfileReport | None:
    profile = workspace.settings.profile
    if not profile.is_named:
        return None
    with _noting(problems):
        frame = profiles.scan_profile(workspace, fresh=True)
        with sources.reading("the profile table", profiles.profile_files(workspace)):
            table = frame.collect()
        columns = {name: table[name].null_count() for name in table.columns}
        report = ProfileReport(len(table), table["user_id"].n_unique(), {name: n for name, n in columns.items() if n})
        problems += _profile_problems(workspace, table, report, users)
        return report
    return None


def _profile_problems(
    workspace: Workspace, table: pl.DataFrame, report: ProfileReport, users: pl.DataFrame
) -> Iterator[Problem]:
    profile = workspace.settings.profile
    if report.users < report.rows and profile.time is None:
        what = f"the profile table has {report.rows - report.users:,} rows of users it has already; the last one counts"
        yield Problem(what, "set time in [profile] if they are dated, or keep a row a user", harmless=True)
    known = table["user_id"].cast(pl.String).is_in(users["user_id"].implode()).sum()
    if not known and len(users):
        yield Problem(
            "no user of the profile table has an event", "are the ids of one kind? Correct `user` in [profile]"
        )
    for column, levels in profile.ordered.items():
        if strange := sorted(set(table[column].drop_nulls()) - set(levels)):
            what = f"profile column {column!r} holds {strange[0]!r}, which is not among its ordered values"
            yield Problem(what, f"add it to {column} in [profile.ordered]; it counts as missing", harmless=True)


def _check_task(workspace: Workspace, name: str, task: Task, users: pl.DataFrame) -> TaskReport:
    """A task's counts.

    Raises:
        FindCLIError: its labels cannot be used.
    """
    labels = tasks.read_labels(workspace, name, task)
    early = users.filter(pl.col("first") < task.as_of)["user_id"]
    unknown = (~labels["user_id"].cast(pl.String).is_in(early.implode())).sum()
    return TaskReport(name, len(labels), int(labels["label"].sum()), int(unknown))


def _task_problems(workspace: Workspace, task: Task, report: TaskReport) -> Iterator[Problem]:
    what = f"task {report.name!r}"
    if report.unknown:
        fix = "they cannot be told apart; leave them out of the task"
        yield Problem(f"{what}: {report.unknown:,} users have no event before {task.as_of}", fix, harmless=True)
    if task.as_of < workspace.train_until:
        fix = "set train_until to it or earlier, or the evaluation is flattered"
        yield Problem(f"{what} is as of {task.as_of}: training reads events after it", fix, harmless=True)
    if barred := sorted(tasks.forbidden_inputs(workspace, task)):
        fix = "take them out of [profile] to evaluate it"
        yield Problem(f"{what} is refused while {', '.join(barred)} are inputs", fix, harmless=True)
