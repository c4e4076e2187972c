"""What the manifest of a saved audience says of who is not in it, and for which experiment users are held out.

Tested in tests/audiences/eligible/test_who.py.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from typing import Any

import polars as pl

from findcli.audiences.experiment.power import expected_rate, smallest_rate
from findcli.audiences.target import Audience
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

SUPPOSED = 0.05  # of users who would do it by themselves, where nothing is known of them


def answer_details(workspace: Workspace, audience: Audience) -> dict[str, Any]:
    """Counts from everybody to the audience, experiment, purpose, sensitive columns and group rates, as JSON.

    Nothing in it is an id; `sensitive_columns_used` is there only where [sensitive] lets them be used.
    """
    details: dict[str, Any] = {"counts": None if audience.counts is None else audience.counts.plain()}
    if audience.who_not is not None and audience.who_not.purpose is not None:
        details["purpose"] = audience.who_not.purpose
    if audience.experiment is not None:
        details["experiment"] = experiment_details(audience)
    if audience.size is not None:
        details["promised"] = asdict(audience.size)
    if audience.group_rates:
        details["group_rates"] = [rates.plain() for rates in audience.group_rates]
    if used := workspace.settings.sensitive.used:
        details["sensitive_columns_used"] = list(used)
    return details | ({"warnings": list(audience.warnings)} if audience.warnings else {})


def experiment_details(audience: Audience) -> dict[str, Any]:
    """The experiment's name, sizes, and what it can see; `expected_rate` is None where it is not known."""
    assert audience.experiment is not None
    assert audience.held_out is not None
    reached, held = len(audience.selected), len(audience.held_out)
    base = expected_rate(audience.selected, audience.held_out)
    return {
        "name": audience.experiment.name,
        "share": audience.experiment.share,
        "reached": reached,
        "held_out": held,
        "expected_rate": base,
        "supposed_rate": SUPPOSED if base is None else base,
        "smallest_visible_rate": smallest_rate(reached, held, SUPPOSED if base is None else base),
    }


def require_same_terms(name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse to refresh an audience without the experiment or the purpose that it was chosen for.

    Whoever was held out or did not agree would be in the next list.

    Args:
        name: of the audience.
        before: its details as it is saved.
        after: those of the new answer.

    Raises:
        FindCLIError: one of them is missing or another.
    """
    terms = {"experiment": [details.get("experiment", {}).get("name") for details in (before, after)]}
    terms["purpose"] = [details.get("purpose") for details in (before, after)]
    for term, (kept, named) in terms.items():
        if kept is not None and named != kept:
            hint = f"refresh it with --{term} {kept}, choose another name, or replace it with --overwrite"
            raise FindCLIError(f"the audience {name!r} was chosen for the {term} {kept}", hint=hint)


def details_without(details: dict[str, Any], gone: pl.DataFrame) -> dict[str, Any]:
    """The same once some users are taken out of the list, so that its counts still add up.

    Args:
        details: as `answer_details` gave them.
        gone: the users' rows, with their `group`.
    """
    held_out = int((gone["group"] == "control").sum())
    reached, changed = len(gone) - held_out, deepcopy(details)
    if counts := changed.get("counts"):
        for drop in counts["drops"]:
            drop["users"] -= held_out if drop["kind"] == "holdout" else 0
        counts["drops"].append({"kind": "forgotten", "reason": "were forgotten", "users": len(gone)})
        counts["net"] -= reached
    if experiment := changed.get("experiment"):
        experiment["reached"] -= reached
        experiment["held_out"] -= held_out
    return changed
