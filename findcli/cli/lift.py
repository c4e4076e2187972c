"""`findcli lift`: what reaching an audience changed.

Tested in tests/audiences/experiment/test_lift.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Json, WorkspaceDir

if TYPE_CHECKING:
    from findcli.audiences.experiment.drift import Drift
    from findcli.audiences.experiment.lift import Lift
    from findcli.audiences.experiment.proportions import Arm, Interval

SHOWN = 5
NEWS = 0.05
List = Annotated[
    str, typer.Argument(metavar="AUDIENCE", help="Saved audience with users who were held out, or a file.")
]
Table = Annotated[
    Path,
    typer.Argument(metavar="OUTCOMES", help="Table of who did it since the campaign began: a row a user is a yes."),
]
User = Annotated[str | None, typer.Option("--user", metavar="COLUMN", help="Column of the user id; default: user_id.")]
Outcome = Annotated[
    str | None,
    typer.Option("--outcome", metavar="COLUMN", help="Column of yes and no; default: outcome, converted or label."),
]
Amount = Annotated[
    str | None, typer.Option("--amount", metavar="COLUMN", help="Column of money or another amount; default: amount.")
]
Holdout = Annotated[
    str | None, typer.Option("--holdout", metavar="SHARE", help="The share that was held out; for a file as AUDIENCE.")
]
NoDrift = Annotated[bool, typer.Option("--no-drift", help="Do not look at what moved since the audience was chosen.")]


def lift(
    audience: List,
    outcomes: Table,
    user: User = None,
    outcome: Outcome = None,
    amount: Amount = None,
    holdout: Holdout = None,
    no_drift: NoDrift = False,
    workspace: WorkspaceDir = None,
    as_json: Json = False,
) -> None:
    """Compare users who were reached with those held out: the difference, how sure it is, and where it came from.

    Everybody counts in the group they were drawn into, whether reached in fact or not. If the groups are not of the
    sizes that were drawn, no lift is computed.
    """
    from findcli.audiences.experiment.assign import parse_share
    from findcli.audiences.experiment.lift import measure
    from findcli.audiences.experiment.outcomes import Columns
    from findcli.workspace.folder import load_workspace

    share = None if holdout is None else parse_share(holdout)
    done = measure(
        load_workspace(workspace), audience, outcomes, columns=Columns(user, outcome, amount), share=share,
        drift=not no_drift,
    )  # fmt: skip
    drifted = [each.name for each in done.drift.moved if each.is_large] if done.drift is not None else []
    for warning in [*done.warnings, *([_drifted(drifted)] if drifted else [])]:
        console.print_warning(warning)
    if as_json:
        console.print_json(done.plain())
        return
    _print(done)


def _drifted(names: list[str]) -> str:
    listed = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"users are no longer as they were: {listed} moved; choose the audience again before the next campaign"


def _print(done: Lift) -> None:
    name = "" if done.experiment is None else f", experiment {done.experiment}"
    console.print_line(f"{done.audience}{name}: {_group('reached', done.reached)}; {_group('held out', done.held_out)}")
    _print_difference(done)
    if done.amounts is not None:
        a = done.amounts
        between = "" if a.interval is None else f", between {a.interval[0]:+,.2f} and {a.interval[1]:+,.2f}"
        console.print_line(
            f"amount a user: {a.reached:,.2f} reached, {a.held_out:,.2f} held out: {a.difference:+,.2f} a user{between}"
            f" (95% sure); {a.difference * done.reached.users:+,.0f} for all who were reached"
        )
    if done.tenths:
        rows = [[t.tenth, _percent(t.expected), *_cells(t.reached), *_cells(t.held_out)] for t in done.tenths]
        columns = ["tenth", "expected", "reached", "did it", "held out", "did it (held out)"]
        console.print_table(columns, rows, title="by tenths of the score, best first")
    if done.calibration:
        columns = ["users", "count", "expected", "did it", "did it / expected"]
        rows = [[c.users, c.count, round(c.expected, 1), c.came, c.ratio] for c in done.calibration]
        console.print_table(columns, rows, title="forecast and what came")
    if done.promised is not None:
        low, high, users = (done.promised[key] for key in ("low", "high", "users"))
        console.print_line(
            f"when it was chosen, {low:,.0f} to {high:,.0f} of the {users:,} to be reached were expected to do it "
            f"(90% sure); {done.reached.converted:,} did"
        )
    if done.drift is not None:
        _print_drift(done.drift)


def _group(name: str, arm: Arm) -> str:
    return f"{arm.converted:,} of {arm.users:,} who were {name} did it ({arm.rate:.1%})"


def _print_difference(done: Lift) -> None:
    compared = done.comparison
    low, high = compared.difference_interval
    times = "" if compared.ratio is None else f", {compared.ratio:.2f} times as many{_times(compared.ratio_interval)}"
    console.print_line(
        f"difference: {100 * compared.difference:+.1f} points of 100, between {100 * low:+.1f} and {100 * high:+.1f} "
        f"(95% sure){times}"
    )
    extra = compared.difference * done.reached.users
    if compared.p_value < NEWS:
        verdict = f"reaching them changed it: chance alone would do this in {compared.p_value:.2%} of experiments"
        console.print_line(f"{verdict}; about {extra:+,.0f} users")
        return
    console.print_line(f"no lift is shown: chance alone would do as much in {compared.p_value:.0%} of experiments")
    if not low <= 0 <= high:
        console.print_line("the interval leaves 0 out, the exact test does not: with so few users the test is right")
    if done.smallest_visible is not None:
        console.print_line(f"groups of this size could have shown a rate of {done.smallest_visible:.1%} or more")


def _times(interval: Interval | None) -> str:
    return "" if interval is None else f" (between {interval[0]:.2f} and {interval[1]:.2f})"


def _cells(arm: Arm) -> list[object]:
    return [arm.users, _percent(arm.rate if arm.users else None)]


def _percent(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:.0%}"


def _print_drift(drift: Drift) -> None:
    rows = [[each.name, each.psi, _how_far(each.psi)] for each in drift.moved[: SHOWN + 1]]
    title = f"what moved from {drift.then:%Y-%m-%d} to {drift.now:%Y-%m-%d} (PSI; above 0.2 is a lot)"
    console.print_table(["what", "index", "moved"], rows, title=title)


def _how_far(psi: float) -> str:
    return "a lot" if psi > 0.2 else "somewhat" if psi > 0.1 else "hardly"
