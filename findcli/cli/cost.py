"""What a run costs: `findcli run --dry-run --cost`, and `findcli benchmark cost`, which fits its constants.

Tested in tests/workspace/test_cost.py.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from findcli.cli import console
from findcli.cli.options import Json

if TYPE_CHECKING:
    from findcli.workspace.cost import Constants, Cost, Sizes
    from findcli.workspace.folder import Workspace

CostOption = Annotated[bool, typer.Option("--cost", help="With --dry-run: show what a whole run takes.")]
CostUsers = Annotated[
    int | None, typer.Option("--users", min=1, help="With --cost: for so many users; default: those of the workspace.")
]
ConstantsFile = Annotated[
    Path | None, typer.Option("--constants", metavar="FILE", help="With --cost: what findcli benchmark cost -o wrote.")
]
Workspaces = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Workspaces with finished runs.")]
Check = Annotated[
    list[Path] | None,
    typer.Option("--check", metavar="DIR", help="A finished run to predict that is not fitted to; may be repeated."),
]
ToJson = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="JSON file for the constants.")]


def cost(
    workspaces: Workspaces,
    check: Check = None,
    output: ToJson = None,
    as_json: Json = False,
) -> None:
    """Fit what each stage takes, and how that grows, to finished runs of several sizes on this machine.

    The lines are of CPU seconds and of memory over events; --check says how far off they are at a size that they were
    not fitted to. findcli run --dry-run --cost --constants FILE reads them.
    """
    from findcli.workspace import cost as costs
    from findcli.workspace.disk import replacing
    from findcli.workspace.folder import load_workspace

    constants = costs.fit([costs.observe(load_workspace(folder)) for folder in workspaces], machine=_machine())
    checked = [costs.observe(load_workspace(folder)) for folder in check or ()]
    errors = [(run, costs.predict(constants, run.sizes, cores=1)) for run in checked]
    if output is not None:
        with replacing(output) as draft:
            draft.write_text(constants.to_json(), encoding="utf-8")
    if as_json:
        from dataclasses import asdict

        plain = [
            {"sizes": asdict(run.sizes), "cpu_seconds": sum(run.cpu.values()), "predicted": cost.cpu_seconds,
             "peak": run.peak, "predicted_peak": cost.peak}
            for run, cost in errors
        ]  # fmt: skip
        console.print_json({**asdict(constants), "checked": plain})
        return
    fitted = ", ".join(f"{_sizes(size)}" for size in constants.fitted_to)
    console.print_line(f"fitted to {fitted}, on {constants.machine}")
    console.print_table(
        ["stage", "CPU s, fixed", "CPU s, a million events"],
        [[name, f"{line.fixed:.1f}", f"{line.an_event * 1e6:.1f}"] for name, line in constants.cpu.items()],
    )
    console.print_line(
        f"memory: {_gib(constants.peak.fixed)}, and {_gib(constants.peak.an_event * 1e6)} a million events"
    )
    for run, cost in errors:
        seconds = sum(run.cpu.values())
        console.print_line(
            f"{_sizes(run.sizes)}: predicted {cost.cpu_seconds:.0f} CPU s, measured {seconds:.0f} "
            f"({cost.cpu_seconds / seconds - 1:+.0%}); {_gib(cost.peak)}, measured {_gib(run.peak)} "
            f"({cost.peak / run.peak - 1:+.0%})"
        )


def print_cost(workspace: Workspace, *, users: int | None, file: Path | None, as_json: bool) -> None:
    """Print what a whole run of a workspace takes, or of one like it with another number of users.

    Raises:
        FindCLIError: there are no constants, or the number of users is not known.
    """
    from findcli.workspace import cost as costs

    sizes = _own_sizes(workspace)
    if file is None:
        constants = costs.of_one(costs.observe(workspace), machine=_machine())
    else:
        constants = costs.read_constants(file)
    if users is not None or sizes is None:
        a_user = None if sizes is None else sizes.events / sizes.users
        sizes = costs.sizes_for(constants, users or _no_users(), a_user)
    expected = costs.predict(constants, sizes, cores=os.cpu_count() or 1)
    if as_json:
        from dataclasses import asdict

        measured = {
            "seconds": expected.seconds,
            "cpu_seconds": expected.cpu_seconds,
            "machine_hours": expected.machine_hours,
        }
        console.print_json(
            {**asdict(expected), **measured, "fitted_to": [asdict(size) for size in constants.fitted_to]}
        )
        return
    _print(expected, constants)


def _own_sizes(workspace: Workspace) -> Sizes | None:
    """Of the event log, where there is one."""
    from findcli.workspace.cost import Sizes
    from findcli.workspace.runs import read_manifest

    manifest = read_manifest(workspace.run("events"))
    return None if manifest is None else Sizes(manifest.metrics["users"], manifest.metrics["rows"])


def _no_users() -> int:
    raise typer.BadParameter("there is no event log yet to count users in; say how many", param_hint="--users")


def _print(cost: Cost, constants: Constants) -> None:
    console.print_table(
        ["stage", "CPU s"],
        [[name, f"{seconds:,.0f}"] for name, seconds in [*cost.cpu.items(), ("all", cost.cpu_seconds)]],
    )
    console.print_line(
        f"{_sizes(cost.sizes)}: at least {_time(cost.seconds)} on {cost.cores} cores, {cost.machine_hours:,.2f} hours "
        f"of this machine, {_gib(cost.peak)} of memory"
    )
    fitted = ", ".join(_sizes(size) for size in constants.fitted_to)
    if len(constants.fitted_to) < 2:
        console.print_warning(f"by one run ({fitted}), as if all of it grew; fit lines with: findcli benchmark cost")
    else:
        console.print_line(f"by lines fitted to {fitted}, on {constants.machine}")
    largest = max(size.events for size in constants.fitted_to)
    if cost.sizes.events > 10 * largest:
        console.print_warning(f"this is {cost.sizes.events / largest:,.0f} times the largest run that was measured")


def _sizes(sizes: Sizes) -> str:
    return f"{sizes.users:,} users with {sizes.events:,} events"


def _gib(count: float) -> str:
    return f"{count / 2**30:,.2f} GiB"


def _time(seconds: float) -> str:
    return (
        f"{seconds:,.0f} s"
        if seconds < 120
        else f"{seconds / 60:,.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:,.1f} h"
    )


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
