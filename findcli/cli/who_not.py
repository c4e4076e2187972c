"""Who is not in an audience: the options of `findcli target` that say so, and what it prints of it.

Tested in tests/audiences/eligible/test_who.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from findcli.cli import console, panels

if TYPE_CHECKING:
    from findcli.audiences.eligible.who import WhoNot
    from findcli.audiences.experiment.assign import Experiment
    from findcli.audiences.group_rates import Group, GroupRates
    from findcli.audiences.target import Audience
    from findcli.workspace.folder import Workspace

Exclude = Annotated[
    list[Path] | None,
    typer.Option(
        "--exclude",
        metavar="FILE|NAME",
        help="Leave out the users of this file or saved audience, such as a suppression list; may be repeated.",
        rich_help_panel=panels.WHO,
    ),
]
Purpose = Annotated[
    str | None,
    typer.Option(
        "--purpose",
        metavar="NAME",
        help="What the audience is for: only users who agreed to it are ranked.",
        rich_help_panel=panels.WHO,
    ),
]
KeepSeeds = Annotated[
    bool,
    typer.Option("--keep-seeds", help="With --prompt, rank the prompt's seed users too.", rich_help_panel=panels.WHO),
]
MinSize = Annotated[
    int | None,
    typer.Option(
        "--min-size",
        min=0,
        metavar="USERS",
        help="Write no audience of fewer users; default: warn below 100, which ad platforms refuse.",
        rich_help_panel=panels.SIZE,
    ),
]
Holdout = Annotated[
    str | None,
    typer.Option(
        "--holdout",
        metavar="SHARE",
        help="Hold out this share of the audience, such as 10%, to compare.",
        rich_help_panel=panels.EXPERIMENT,
    ),
]
ExperimentName = Annotated[
    str | None,
    typer.Option(
        "--experiment",
        metavar="NAME",
        help="Name of the experiment; it holds out the same users at every refresh.",
        rich_help_panel=panels.EXPERIMENT,
    ),
]


def asked(
    workspace: Workspace,
    *,
    purpose: str | None,
    exclude: list[Path] | None,
    keep_seeds: bool,
    holdout: str | None,
    experiment: str | None,
    explain: bool,
    output: Path | None,
) -> tuple[WhoNot | None, Experiment | None]:
    """Whom to leave out and to hold out, once all has been checked that needs no model; nobody to explain a demand.

    Raises:
        FindCLIError: the purpose is missing or unknown, a file is missing, or the experiment holds out another share.
    """
    if explain:
        return None, None
    wanted = left_out(workspace, purpose, exclude, keep_seeds=keep_seeds, output=output)
    return wanted, _experiment(workspace, experiment, holdout)


def left_out(
    workspace: Workspace,
    purpose: str | None,
    exclude: list[Path] | None,
    *,
    keep_seeds: bool = False,
    output: Path | None = None,
) -> WhoNot:
    """Whom to leave out, once all has been checked that needs no model.

    Raises:
        FindCLIError: the purpose is missing or unknown, a file is missing, or would be written over.
    """
    from findcli.audiences.eligible.consent import require_purpose
    from findcli.audiences.eligible.listed import listed_file, require_kept
    from findcli.audiences.eligible.who import WhoNot

    require_purpose(workspace.settings.consent, purpose)
    for name in exclude or ():
        require_kept(listed_file(workspace, name), output)
    return WhoNot(purpose=purpose, exclude=tuple(exclude or ()), keep_seeds=keep_seeds)


def _experiment(workspace: Workspace, name: str | None, holdout: str | None) -> Experiment | None:
    """The experiment that is named; a new one is started once its audience is chosen."""
    if name is None and holdout is None:
        return None
    if name is None:
        raise typer.BadParameter("--holdout needs a name, by which it stays the same: add --experiment NAME")
    from findcli.audiences.experiment.assign import find_experiment, parse_share

    return find_experiment(workspace, name, None if holdout is None else parse_share(holdout))


def warn_or_refuse(audiences: list[Audience], least: int | None, *, handed_on: bool) -> None:
    """Warn of lists that match nobody, of groups that are rarely selected, and of an audience that is small.

    Raises:
        FindCLIError: an audience that would be handed on is smaller than was asked for.
    """
    from findcli.audiences.eligible.size import require_size

    warnings = [warning for audience in audiences for warning in audience.warnings]
    for audience in audiences:
        small = require_size(len(audience.selected), least, demand=audience.demand) if handed_on or least else None
        warnings += [] if small is None else [small]
        unequal = [rates for rates in audience.group_rates if rates.is_adverse and not rates.may_be_chance]
        warnings += [_adverse(rates) for rates in unequal]
    for warning in dict.fromkeys(warnings):
        console.print_warning(warning)


def warn_of_others(workspace: Workspace, audiences: list[Audience]) -> None:
    """Warn of users whom another experiment holds out: whoever reaches them spoils its comparison."""
    from findcli.audiences.experiment.assign import held_by_others

    for audience in audiences:
        for name, count in held_by_others(workspace, audience.selected["user_id"], audience.experiment).items():
            console.print_warning(
                f"{count:,} of these {len(audience.selected):,} users are held out by the experiment {name}: to reach "
                f"them spoils what it measures; --experiment {name} leaves them out"
            )


def start(workspace: Workspace, experiment: Experiment | None) -> None:
    """Keep the share of an experiment whose audience is chosen."""
    if experiment is not None:
        from findcli.audiences.experiment.assign import start as keep

        keep(workspace, experiment)


def _adverse(rates: GroupRates) -> str:
    low, high = rates.lowest, rates.highest
    assert low is not None
    assert high is not None
    return (
        f"{rates.column}: {low.value} users are selected {rates.ratio:.2f} times as often as {high.value} users; "
        "below 0.80 a regulator may ask why"
    )


def print_counts(audience: Audience, *, what: str = "in the audience") -> None:
    """Print the way from everybody to those who are `what`, where more than filters and the demand left users out."""
    counts = audience.counts
    if counts is None or not any(drop.kind not in ("filter", "selection") for drop in counts.drops):
        return
    width = len(f"{counts.gross:,}") + 1
    at = f"{counts.at:%Y-%m-%d %H:%M %Z}"
    console.print_line(f"{counts.gross:>{width},} users with a history before {audience.as_of:%Y-%m-%d}, counted {at}")
    for drop in counts.drops:
        console.print_line(f"{f'-{drop.users:,}':>{width}} {drop.reason}")
    console.print_line(f"{counts.net:>{width},} {what}")


def print_experiment(audience: Audience) -> None:
    """Print how many users are held out, and the smallest lift that can be seen."""
    if audience.experiment is None:
        return
    from findcli.audiences.manifest_details import experiment_details

    values = experiment_details(audience)
    console.print_line(
        f"experiment {values['name']}: {values['held_out']:,} users are held out, the same at every refresh; "
        "do not reach them in another way"
    )
    base, rate = values["supposed_rate"], values["smallest_visible_rate"]
    would = f"{base:.0%} would do it without being reached"
    supposed = would if values["expected_rate"] is not None else f"if {would} (not known for this demand)"
    if rate is None:
        console.print_line(f"{supposed}: with so few users no difference can be told from chance; select more users")
        return
    console.print_line(
        f"{supposed}: the smallest lift it can show is {rate / base - 1:+.0%}, to {rate:.1%}; less may pass for chance"
    )


def _group(group: Group) -> str:
    """A group in words; of few users no rate, which would tell of single people."""
    if group.is_small:
        return f"{group.value}: {group.users}"
    return f"{group.value} {group.rate:.1%} of {group.users:,}"


def print_groups(audience: Audience) -> None:
    """Print how often each group of a sensitive column is selected."""
    for rates in audience.group_rates:
        listed = ", ".join(map(_group, rates.groups))
        ratio = "" if rates.ratio is None else f"; lowest to highest {rates.ratio:.2f}"
        if rates.interval is not None:
            ratio += f" (95% interval {rates.interval[0]:.2f} to {rates.interval[1]:.2f})"
        chance = ", which may be chance" if rates.is_adverse and rates.may_be_chance else ""
        console.print_line(f"selected by {rates.column}: {listed}{ratio}{chance}")


def plain(workspace: Workspace, audience: Audience) -> dict[str, Any]:
    """What JSON says of who is not in an audience, without the ids of users who are held out."""
    from findcli.audiences.manifest_details import answer_details

    return answer_details(workspace, audience)
