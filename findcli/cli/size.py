"""`findcli size`: how many, how good.

Tested in tests/audiences/test_sizes.py.
"""

from __future__ import annotations

from typing import Annotated

import typer

from findcli.cli import console, sizes, understood, who_not
from findcli.cli.options import AsOf, Device, Json, Threads, WorkspaceDir
from findcli.cli.stage import settle_threads
from findcli.workspace.durations import parse_instant

Demand = Annotated[str, typer.Argument(metavar="DEMAND", help='One sentence, such as "users likely to rent phones".')]
Where = Annotated[
    str | None, typer.Option("--where", metavar="FILTER", help="Only users whose profile passes, as for target.")
]
Percents = Annotated[
    str,
    typer.Option("--percents", metavar="LIST", help="Sizes to show, as percentages of the users, comma-separated."),
]
Rewrite = Annotated[str, typer.Option("--rewrite", metavar="auto|off|SENTENCES", help="As for target.")]


def size(
    demand: Demand,
    where: Where = None,
    purpose: who_not.Purpose = None,
    exclude: who_not.Exclude = None,
    percents: Percents = "2,5,10,20,50,100",
    rewrite: Rewrite = "auto",
    as_of: AsOf = None,
    workspace: WorkspaceDir = None,
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Show what each size of an audience is expected to bring: how many respond, and which share.

    Both come with 90 % intervals, measured on users and dates before. A demand that was not wholly understood, or that
    looks ahead over another time, has no such numbers.
    """
    wanted = _percents(percents)
    settle_threads(threads)
    from findcli.audiences import sizes as numbers
    from findcli.audiences.target import target
    from findcli.demands.grammar import require_demands
    from findcli.errors import FindCLIError
    from findcli.scoring.as_read import is_one_question
    from findcli.workspace.folder import load_workspace

    require_demands([demand])
    instant = None if as_of is None else parse_instant(as_of)
    users = load_workspace(workspace)
    left_out = who_not.left_out(users, purpose, exclude)
    (audience,) = target(
        users, [demand], where=where, who_not=left_out, as_of=instant, rewrite=rewrite, device=device or "auto"
    )
    how = audience.rewriting
    understood.refuse_or_warn([how] if how is not None else [])
    rows = numbers.sizes(audience.ranking, audience.reliability, percents=wanted)
    if as_json:
        console.print_json({
            "demand": demand, "as_of": audience.as_of.isoformat(), "users": len(audience.ranking),
            "unanswered": audience.unanswered or None, "sizes": [sizes.plain(row) for row in rows],
        })  # fmt: skip
        return
    who_not.print_counts(audience, what="may be ranked")
    console.print_line(f'"{demand}"')
    if how is not None and how.clauses and not audience.unanswered:
        understood.print_understood(how, brief=True)
    if not rows:
        several = how is not None and not is_one_question(how)
        why = audience.unanswered or _why_none(audience.ranking["probability"].null_count() > 0, several=several)
        hint = "rank with findcli target; findcli target DEMAND --explain-query shows how it is read"
        raise FindCLIError(why, hint=hint)
    console.print_line(f"{len(audience.ranking):,} users, histories before {audience.as_of:%Y-%m-%d}")
    sizes.print_sizes(rows)


def _why_none(ranked_only: bool, *, several: bool) -> str:
    if ranked_only:
        return "this demand is ranked only: it has no expected number"
    if several:
        return "this demand combines several sentences: how far off its numbers may be was not measured"
    return "how far off numbers may be was not measured: too few sentences came true of too few users kept for it"


def _percents(text: str) -> list[float]:
    try:
        wanted = [float(piece) for piece in text.split(",")]
    except ValueError:
        wanted = []
    if not wanted or not all(0 < percent <= 100 for percent in wanted):
        raise typer.BadParameter(f"{text!r} is no list of percentages, such as 5,10,20", param_hint="--percents")
    return wanted
