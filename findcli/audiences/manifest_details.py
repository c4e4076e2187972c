"""What the manifest of a saved audience says of who is not in it, and for which experiment users are held out.

Tested in tests/audiences/eligible/test_who.py.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from findcli.audiences.eligible.listed import listed_file
from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.experiment.power import expected_rate, smallest_rate
from findcli.audiences.target import Audience
from findcli.errors import FindCLIError
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace

SUPPOSED = 0.05  # of users who would do it by themselves, where nothing is known of them


def answer_details(workspace: Workspace, audience: Audience) -> dict[str, Any]:
    """Counts from everybody to the audience, who was left out, experiment, sensitive columns, group rates, as JSON.

    Nothing in it is an id; `sensitive_columns_used` is there only where [sensitive] lets them be used.
    """
    details: dict[str, Any] = {"counts": None if audience.counts is None else audience.counts.plain()}
    if audience.who_not is not None and audience.who_not.purpose is not None:
        details["purpose"] = audience.who_not.purpose
    details |= left_out_details(workspace, audience.who_not)
    if audience.experiment is not None:
        details["experiment"] = experiment_details(audience)
    if audience.size is not None:
        details["promised"] = asdict(audience.size)
    if audience.group_rates:
        details["group_rates"] = [rates.plain() for rates in audience.group_rates]
    if used := workspace.settings.sensitive.used:
        details["sensitive_columns_used"] = list(used)
    return details | ({"warnings": list(audience.warnings)} if audience.warnings else {})


def left_out_details(workspace: Workspace, who_not: WhoNot | None) -> dict[str, Any]:
    """The lists of users who were left out, by name and digest, and whether seeds were kept; only what was asked."""
    if who_not is None:
        return {}
    files = [(name, listed_file(workspace, name)) for name in who_not.exclude]
    lists = [{"name": str(name if name != file else file.resolve()), "digest": hash_file(file)} for name, file in files]
    return ({"exclude": lists} if lists else {}) | ({"keep_seeds": True} if who_not.keep_seeds else {})


def who_was_left_out(workspace: Workspace, details: dict[str, Any]) -> WhoNot:
    """Whom an audience left out, from its details.

    Raises:
        FindCLIError: a list of users to exclude is gone, is not the one it was, or is not known.
    """
    lists, hint = details.get("exclude", []), "save the audience again"
    counted = [drop for drop in (details.get("counts") or {}).get("drops", []) if drop["kind"] == "excluded"]
    if len(lists) != len(counted):
        raise FindCLIError("its manifest does not name the lists of users to exclude", hint=hint)
    for each in lists:
        if hash_file(listed_file(workspace, Path(each["name"]))) != each["digest"]:
            raise FindCLIError(f"the list of users to exclude {each['name']} changed", hint=hint)
    exclude = tuple(Path(each["name"]) for each in lists)
    return WhoNot(purpose=details.get("purpose"), exclude=exclude, keep_seeds=details.get("keep_seeds", False))


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
