"""Print why users are in an audience, and what sets it apart.

Tested in tests/audiences/why/test_printed.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console, panels

if TYPE_CHECKING:
    from findcli.audiences.target import Audience
    from findcli.audiences.why.audience import Mark
    from findcli.audiences.why.user import Reasons
    from findcli.workspace.folder import Workspace

EXAMPLES = 3  # users who are explained where none is named
LEAST = 0.01  # of a score, for a part of it to be named
Why = Annotated[
    bool,
    typer.Option(
        "--why",
        help="Say what sets the audience apart, and which events put its best users into it.",
        rich_help_panel=panels.REASONS,
    ),
]
WhyUsers = Annotated[
    list[str] | None,
    typer.Option(
        "--why-user",
        metavar="USER",
        help="Explain this user of the audience; may be repeated.",
        rich_help_panel=panels.REASONS,
    ),
]


@dataclass(frozen=True)
class Explained:
    """What `--why` says.

    Attributes:
        marks: what sets the audience apart.
        users: the reasons of some users.
        weeks: how far back histories reach.
        subject: the workspace's word for its users.
    """

    marks: Sequence[Mark]
    users: Sequence[Reasons]
    weeks: int
    subject: str

    def plain(self) -> dict[str, Any]:
        """As JSON; nothing, if nothing was asked."""
        if self is NOTHING:
            return {}
        users = [asdict(each) for each in self.users]
        return {"why": {"sets_apart": [asdict(mark) for mark in self.marks], "users": users}}

    def print(self) -> None:
        """In words of history."""
        if self.marks:
            console.print_line("what sets this audience apart from the others who were ranked:")
            for mark in self.marks:
                shares = f"{mark.share:.0%} of it, {mark.others:.0%} of the others"
                ratio = f"{mark.ratio:.1f} times as often ({mark.low:.1f} to {mark.high:.1f})"
                console.print_line(f"  {self._what(mark)}: {shares}, {ratio}")
        for each in self.users:
            self._print_user(each)

    def _print_user(self, reasons: Reasons) -> None:
        if not reasons.events:
            console.print_line(f"user {reasons.user}: no event of the last {self.weeks} weeks")
            return
        if reasons.out:
            count = "this" if len(reasons.events) == 1 else f"these {len(reasons.events)}"
            console.print_line(f"user {reasons.user} would not be in the audience without {count}:")
        else:
            count = "this" if len(reasons.events) == 1 else f"these {len(reasons.events)}"
            console.print_line(f"user {reasons.user} would be in the audience even without {count}, which count most:")
        for event in reasons.events:
            often = "" if event.times == 1 else f", {event.times} times"
            console.print_line(f"  {event.time:%Y-%m-%d}  {self._done(event.sentence)}{often}")
        whole = sum(map(abs, reasons.shares.values())) or 1.0
        most = sorted(reasons.shares.items(), key=lambda share: -abs(share[1]))
        parts = [
            f"{part} {abs(share) / whole:.0%}{' against' if share < 0 else ''}"
            for part, share in most
            if abs(share) / whole >= LEAST
        ]
        if parts:
            console.print_line(f"  what counts: {'; '.join(parts)}")

    def _what(self, mark: Mark) -> str:
        if mark.kind == "did":
            return f"{self._done(mark.what)} in the last {self.weeks} weeks"
        return mark.what

    def _done(self, sentence: str) -> str:
        from findcli.audiences.page.words import done

        return done(sentence, self.subject)


NOTHING = Explained((), (), 0, "")


def wanted(why: bool, users: Sequence[str] | None, *, one_demand: bool) -> bool:
    """Whether reasons are asked for.

    Raises:
        BadParameter: of more than one demand, or of a learned prompt.
    """
    if (why or users) and not one_demand:
        raise typer.BadParameter("give one demand: reasons are those of one", param_hint="--why")
    return why or bool(users)


def explain(
    workspace: Workspace,
    audience: Audience,
    users: Sequence[str] | None,
    *,
    as_of: datetime | None,
    model: Workspace | None,
    device: str,
) -> Explained:
    """Explain an audience and some of its users.

    Args:
        workspace: the workspace of the users.
        audience: the audience.
        users: ids as typed; None: the best few.
        as_of: as for `target`.
        model: as for `target`.
        device: as for `target`.

    Raises:
        FindCLIError: a user is not in the audience, or the model scores in a way that gives no reasons.
    """
    from findcli.audiences.why.audience import sets_apart
    from findcli.audiences.why.user import explain_audience
    from findcli.scoring.engine import open_engine
    from findcli.workspace.durations import parse_duration

    engine = open_engine(workspace, as_of=as_of, model=model, device=device)
    marks = sets_apart(engine, audience.ranking["user_id"], audience.selected["user_id"])
    reasons = explain_audience(engine, audience, users, examples=EXAMPLES)
    settings = engine.model.aligned.manifest.settings
    weeks = round(parse_duration(settings.get("ranker", {}).get("history", settings["history"])).days / 7)
    return Explained(marks, reasons, weeks, workspace.settings.workspace.subject)
