"""`findcli report`: one file that shows an audience to those who will use it, without a network.

What the audience is expected to bring is what its manifest promises. The rest comes from ranking the users again, with
the same users left out; where that gives other users or scores than were saved, the page shows the manifest alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from findcli.audiences.manifest_details import who_was_left_out
from findcli.audiences.page import chart
from findcli.audiences.page.figures import Beside, Corrected, Example, Tenth, latest_events, middle, some_rows, tenths
from findcli.audiences.page.figures import beside_everyone as compare
from findcli.audiences.page.figures import corrected as correct
from findcli.audiences.page.figures import examples as pick
from findcli.audiences.page.figures import points as size_points
from findcli.audiences.page.render import depth, percent, render
from findcli.audiences.page.words import Read, done, in_words, readings
from findcli.audiences.saved import Record, Saved
from findcli.audiences.sets import CALLED
from findcli.audiences.sizes import Size
from findcli.audiences.target import Audience, target
from findcli.audiences.why.audience import Mark, sets_apart
from findcli.audiences.why.user import Reasons, explain_audience
from findcli.data.events import changed_sources
from findcli.errors import FindCLIError
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace, to_utc

SMALL = 100  # users that advertising platforms ask for, at least
SAME = 1e-6  # by how much a score may differ when users are ranked again
EXPLAINED = 2  # examples that come with the events they rest on


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows of an audience; what is not known is empty.

    Attributes:
        title: what was asked.
        users: how many are in the audience.
        plural: the workspace's word for its users.
        ranked: how many users were ranked.
        size: what the audience is expected to bring.
        expected: of how many users it is expected to come true, where no interval is known.
        read: what the demand was read as.
        notes: how parts of it were read.
        unanswered: why no number answers it.
        steps: from everyone to the list: what, and how many users.
        points: what other sizes are expected to bring.
        tenths: of the ranked users.
        marks: what sets the audience apart.
        weeks: how far back the history reaches that these speak of.
        ahead: how far ahead the demand looks.
        beside: the audience beside everyone.
        corrected: how numbers like these are corrected.
        examples: users of the audience.
        warnings: what a reader should know before he uses it.
        dates: what, and when.
        technical: what, and its value, for data scientists.
    """

    title: str
    users: int
    plural: str = "users"
    ranked: int = 0
    size: Size | None = None
    expected: float | None = None
    read: list[Read] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    unanswered: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list)
    points: list[Size] = field(default_factory=list)
    tenths: list[Tenth] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    weeks: int = 0
    ahead: str = ""
    beside: list[Beside] = field(default_factory=list)
    corrected: list[Corrected] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    dates: list[tuple[str, str]] = field(default_factory=list)
    technical: list[tuple[str, str]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The audience's share of the ranked users."""
        return self.users / self.ranked if self.ranked else 0.0

    @property
    def size_chart(self) -> Markup:
        """Size against the share that is expected to respond."""
        curve = [
            chart.Point(each.share, each.precision, _known(each.low / each.users), _known(each.high / each.users))
            for each in self.points
        ]
        title = "Expected share by size of the audience; the table has the same numbers"
        names = {"x_name": f"size, as a share of all {self.plural}", "y_name": "expected share"}
        return chart.curve(curve, title=title, mark=self.share, **names)

    @property
    def tenth_chart(self) -> Markup:
        """The expected share of each tenth."""
        rows = [chart.Bar(f"tenth {i}", each.share, percent(each.share)) for i, each in enumerate(self.tenths, 1)]
        return chart.bars(rows, title="Expected share by tenth; the table has the same numbers")

    @property
    def mark_chart(self) -> Markup:
        """How many times as often each mark is so of the audience."""
        rows = [chart.Bar(self.said(mark), mark.ratio, f"{mark.ratio:.1f} x") for mark in self.marks]
        return chart.bars(rows, title="How many times as often as of the others; the table has the same", exact=1.0)

    @property
    def corrected_chart(self) -> Markup:
        """What 100 expected are corrected to, by depth."""
        rows = [chart.Bar(depth(each.depth), each.to, f"{each.to:.0f}") for each in self.corrected]
        return chart.bars(rows, title="What 100 are corrected to, by size; the table has the same", exact=100.0)

    def said(self, mark: Mark) -> str:
        """What a mark says, such as "purchased tea"."""
        return done(mark.what, self.plural.removesuffix("s"))


def report(workspace: Workspace, saved: Saved) -> str:
    """The page of a saved audience: one HTML file that asks the network for nothing.

    Raises:
        FindCLIError: the audience's list cannot be read.
    """
    return render("report.html", page=page_of_saved(workspace, saved), name=saved.name)


def page_of(workspace: Workspace, audience: Audience, **more: Any) -> Page:
    """What the answer to a demand shows by itself; `more` overrides and adds."""
    how, subject = audience.rewriting, workspace.settings.workspace.subject
    counted = audience.selected["probability"]
    known = audience.size is None and len(counted) and not counted.null_count()
    shown: dict[str, Any] = {
        "title": audience.demand,
        "users": len(audience.selected),
        "plural": f"{subject}s",
        "ranked": len(audience.ranking),
        "size": audience.size,
        "expected": float(counted.sum()) if known else None,
        "read": [] if how is None else readings(how, subject),
        "notes": () if how is None else how.notes,
        "unanswered": audience.unanswered,
        "points": size_points(audience),
        "ahead": _length(workspace.settings.windows.future),
        "dates": [("histories end before", _day(audience.as_of))],
    }
    return Page(**shown | more)


def page_of_saved(workspace: Workspace, saved: Saved) -> Page:
    """What the page of a saved audience shows.

    Raises:
        FindCLIError: the audience's list cannot be read.
    """
    record, users = saved.record, saved.users()
    engine, audience, why_not = rank_again(workspace, saved)
    control = int((users["group"] == "control").sum())
    common: dict[str, Any] = {
        "title": record.demands[0] if record.made_by == "target" else _combined(record),
        "users": len(users) - control,
        "size": promised(record, len(users) - control),
        "expected": record.expected,
        "steps": list(_steps(record, control=control)),
        "warnings": list(_warnings(workspace, record, why_not)),
        "dates": list(_dates(workspace, record)),
        "technical": list(_technical(saved, engine, audience)),
    }
    if engine is None or audience is None:
        plural = f"{workspace.settings.workspace.subject}s"
        reading = [Read("", in_words(each, plural.removesuffix("s"))) for each in record.reading]
        return Page(read=reading, plural=plural, ranked=record.sizes.passed or 0, **common)
    weeks = round(parse_duration(workspace.settings.windows.history).days / 7)
    return page_of(
        workspace,
        audience,
        tenths=tenths(audience),
        marks=sets_apart(engine, audience.ranking["user_id"], audience.selected["user_id"]),
        weeks=weeks,
        beside=compare(workspace, audience),
        corrected=correct(audience.reliability, audience.ranking),
        examples=_examples(engine, audience),
        **common,
    )


def rank_again(workspace: Workspace, saved: Saved) -> tuple[Engine | None, Audience | None, str]:
    """The engine, and the audience with everyone who was ranked; or None, and why its scores cannot be had again."""
    record, alone = saved.record, "this page has its list and its manifest alone"
    if record.made_by != "target":
        return None, None, ""
    if record.model.get("folder", str(workspace.folder)) != str(workspace.folder):
        return None, None, f"another workspace's model ranked it: {alone}"
    demands = [] if record.prompt else record.demands
    try:
        again = {"who_not": who_was_left_out(workspace, record.details), **record.details.get("asked", {})}
        engine, day = _engine_of(workspace, record)
        (ranked,) = target(workspace, demands, prompt=record.prompt, as_of=day, **again)
    except FindCLIError as error:
        return None, None, f"it cannot be ranked again ({error}): {alone}"
    then, now = record.sizes.passed, len(ranked.ranking)
    if now != then:
        return None, None, f"{now:,} users may be ranked now, {then:,} when it was saved: {alone}"
    users = reached(saved)
    both = users.join(ranked.ranking.select("user_id", now="score"), on="user_id", how="left")
    if both["now"].null_count() or not np.allclose(both["score"].to_numpy(), both["now"].to_numpy(), atol=SAME):
        return None, None, f"the model or the data changed since it was saved: {alone}"
    selected = ranked.ranking.filter(ranked.ranking["user_id"].is_in(users["user_id"].implode()))
    return engine, replace(ranked, selected=selected, size=promised(record, len(users))), ""


def promised(record: Record, users: int) -> Size | None:
    """What so many users were expected to bring when they were chosen; None where that was not measured of them."""
    size = record.details.get("promised") if record.made_by == "target" else None
    return Size(**size) if size is not None and size["users"] == users else None


def reached(saved: Saved) -> pl.DataFrame:
    """The users of an audience whom an experiment does not hold out."""
    return saved.users().filter(pl.col("group").is_null() | (pl.col("group") != "control"))


def _engine_of(workspace: Workspace, record: Record) -> tuple[Engine, datetime | None]:
    """The engine that ranked, and the date to ask it by: None for the newest, which is not embedded again."""
    newest = open_engine(workspace)
    day = newest.as_of if record.as_of is None else to_utc(datetime.fromisoformat(record.as_of))
    return (newest, None) if day == newest.as_of else (open_engine(workspace, as_of=day), day)


def _examples(engine: Engine, audience: Audience) -> list[Example]:
    """Some users, the best with the events without which they would not be in."""
    workspace = engine.workspace
    latest = latest_events(workspace, audience.as_of)
    shown = pick(workspace, audience, some_rows(len(audience.selected)), latest)
    reasons = {}
    with suppress(FindCLIError):  # a model or a prompt that gives no reasons
        best = [each.user for each in shown[:EXPLAINED]]
        reasons = {str(each.user): each for each in explain_audience(engine, audience, best)}
    subject = workspace.settings.workspace.subject
    return [
        replace(each, because=_because(reasons[each.user], subject), out=reasons[each.user].out)
        if each.user in reasons
        else each
        for each in shown
    ]


def _because(reasons: Reasons, subject: str) -> tuple[str, ...]:
    return tuple(f"{event.time:%Y-%m-%d} {done(event.sentence, subject)}" for event in reasons.events)


def _combined(record: Record) -> str:
    return f"users {CALLED[record.made_by]} {', '.join(record.made_of)}"


def _steps(record: Record, *, control: int) -> Iterator[tuple[str, str]]:
    """From everyone to the list: who was left out and why, and how many remain."""
    sizes, counts = record.sizes, record.details.get("counts")
    if counts:
        yield "everyone with a history", f"{counts['gross']:,}"
        yield from ((f"left out: {drop['reason']}", f"-{drop['users']:,}") for drop in counts["drops"])
        yield from ((f"left out: {drop.reason}", f"-{drop.users:,}") for drop in record.drops)
        yield "in the audience", f"{sizes.selected - control:,}"
        return
    if sizes.embedded is not None:
        yield "everyone with a history", f"{sizes.embedded:,}"
    for each in record.filters:
        yield f"of them pass {each['expression']}", f"{each['users']:,}"
    if sizes.passed is not None:
        yield "ranked" if record.made_by == "target" else f"in {record.made_of[0]}", f"{sizes.passed:,}"
        below = sizes.passed - sum(drop.users for drop in record.drops) - sizes.selected
        if record.made_by == "target" and below > 0:
            yield "left out: below the size that was chosen", f"-{below:,}"
    for drop in record.drops:
        yield f"left out: {drop.reason}", f"-{drop.users:,}"
    if control:
        yield "left out: kept back to compare with", f"-{control:,}"
    yield "in the audience", f"{sizes.selected - control:,}"


def _warnings(workspace: Workspace, record: Record, why_not: str) -> Iterator[str]:
    if why_not:
        yield why_not
    if record.sizes.selected < SMALL:
        yield f"a small list: advertising platforms ask for {SMALL} to 1,000 people whom they know"
    yield from (str(each) for each in record.details.get("warnings") or ())
    changed = changed_sources(workspace)
    if changed is not None:
        yield f"{', '.join(changed[1])} changed since the data was read: this is how users were then"


def _dates(workspace: Workspace, record: Record) -> Iterator[tuple[str, str]]:
    if record.as_of is not None:
        yield "histories end before", f"{record.as_of[:10]} (UTC)"
    yield "what they look ahead", _length(workspace.settings.windows.future)
    saved = datetime.fromisoformat(record.created)
    yield "list saved", f"{saved:%Y-%m-%d %H:%M} ({saved.tzname()})"


def _technical(saved: Saved, engine: Engine | None, audience: Audience | None) -> Iterator[tuple[str, str]]:
    record = saved.record
    yield "audience", f"{saved.name}, format {record.format}, findcli {record.findcli}"
    yield "list", f"users.parquet {record.users_digest[:16]}"
    yield "model", ", ".join(f"{name} {value[:16]}" for name, value in record.model.items() if name != "folder")
    if record.prompt:
        yield "learned prompt", record.prompt
    if record.reading:
        yield "read as", "; ".join(record.reading)
    if engine is not None and audience is not None and len(audience.selected):
        scores = audience.selected["score"]
        low, typical, high = float(scores[-1]), middle(audience.ranking["score"]), float(scores[0])
        yield "score", f"{high:.3f} to {low:.3f}; median {typical:.3f}"
        aligned = engine.model.aligned.manifest.metrics
        names = ("validation_auc", "validation_recall_at_10", "ranker")
        yield "model's quality", ", ".join(f"{name} {_cell(aligned[name])}" for name in names if name in aligned)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _length(text: str) -> str:
    days = parse_duration(text).days
    return f"{days // 7} weeks" if days % 7 == 0 and days > 7 else f"{days} days"


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d} (UTC)"
