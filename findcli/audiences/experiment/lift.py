"""`findcli lift`: what reaching an audience changed, by the users who were held out of it.

Everybody counts as assigned, whether reached in fact or not (intention to treat): those whom a campaign could reach are
not as those whom it could not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from findcli.audiences.experiment.drift import Drift
from findcli.audiences.experiment.moved import drift_since
from findcli.audiences.experiment.outcomes import Columns, Outcomes, read_outcomes
from findcli.audiences.experiment.power import smallest_rate
from findcli.audiences.experiment.proportions import (
    MISMATCH,
    Amounts,
    Arm,
    Comparison,
    compare,
    compare_amounts,
    sample_ratio,
)
from findcli.audiences.experiment.tenths import Calibration, Tenth, arm_of, by_tenths, calibrations
from findcli.audiences.lists import UserList, open_list
from findcli.audiences.log import add_entry
from findcli.data.people import groups_of
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace


@dataclass(frozen=True, kw_only=True)
class Lift:
    """What an experiment says.

    Attributes:
        audience: its name, or the file.
        experiment: the experiment's name; None of a file.
        reached, held_out: the two groups as assigned.
        comparison: of the rates.
        smallest_visible: the smallest rate of those reached that the experiment could have shown to be higher.
        amounts: mean amounts a user; None where the table has none.
        share: the share that was to be held out; None where it is not known, so that the sizes were not checked.
        ratio_p: how likely the sizes of the two groups are by chance.
        tenths: by tenths of the score; none where there is no rank.
        calibration: expected and came; none where there are no probabilities.
        promised: what was expected of those reached when the audience was chosen, as `sizes.Size` in JSON; None where
            nothing was, or it was not saved.
        drift: what moved since the audience was chosen; None where it cannot be told.
        warnings: what to know before believing it.
    """

    audience: str
    experiment: str | None
    reached: Arm
    held_out: Arm
    comparison: Comparison
    smallest_visible: float | None = None
    amounts: Amounts | None = None
    share: float | None = None
    ratio_p: float | None = None
    tenths: Sequence[Tenth] = ()
    calibration: Sequence[Calibration] = ()
    promised: dict[str, float] | None = None
    drift: Drift | None = None
    warnings: Sequence[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def measure(
    workspace: Workspace,
    audience: str,
    outcomes: Path,
    *,
    columns: Columns | None = None,
    share: float | None = None,
    drift: bool = True,
) -> Lift:
    """Measure what reaching an audience changed.

    Args:
        workspace: of the audience.
        audience: a saved audience with a control group, or a file with user_id and group ("target" or "control").
        outcomes: a table of who did it after the campaign began; see `outcomes.read_outcomes`.
        columns: of that table.
        share: the share that was held out, of a file; a saved audience knows it.
        drift: whether to look at what moved since.

    Raises:
        FindCLIError: there is no such audience, it has no control group, a table cannot be read, or the sizes of the
            two groups cannot be those of the experiment.
    """
    opened = open_list(workspace, audience)
    assigned = opened.users
    if "group" not in assigned.columns or not {"target", "control"} <= set(assigned["group"].drop_nulls()):
        hint = "choose it with --holdout 10% --experiment NAME --save NAME before the campaign"
        raise FindCLIError(f"{audience} has no group of users who were held out", hint=hint)
    assigned = assigned.filter(pl.col("group").is_not_null())
    assigned = assigned.with_columns(person=groups_of(workspace, assigned["user_id"]))
    known = {} if opened.record is None else opened.record.details.get("experiment", {})
    share = known.get("share", share)
    happened = read_outcomes(outcomes, assigned["user_id"], workspace, columns)
    table = pl.concat([assigned, happened.users], how="horizontal")
    ratio_p = None if share is None else _require_ratio(table, share, happened)
    reached, held_out = arm_of(table, "target"), arm_of(table, "control")
    moved, note = drift_since(workspace, opened.record) if drift and opened.record is not None else (None, None)
    done = Lift(
        audience=audience,
        experiment=known.get("name"),
        reached=reached,
        held_out=held_out,
        comparison=compare(reached, held_out),
        smallest_visible=smallest_rate(reached.users, held_out.users, held_out.rate),
        amounts=_amounts(table) if happened.has_amount else None,
        share=share,
        ratio_p=ratio_p,
        tenths=by_tenths(table) if _has(table, "rank") and _has(table, "probability", column_only=True) else [],
        calibration=calibrations(table) if _has(table, "probability", column_only=True) else [],
        promised=None if opened.record is None else opened.record.details.get("promised"),
        drift=moved,
        warnings=[*_warnings(table, happened, share), *([] if note is None else [note])],
    )
    _log(workspace, opened, done)
    return done


def _require_ratio(table: pl.DataFrame, share: float, outcomes: Outcomes) -> float:
    """The p-value of the sizes of the groups, and of those on record where a table says yes and no of its users.

    A table of nothing but yes lists who responded: its groups differ where there is a lift.

    Raises:
        FindCLIError: sizes are not those that the share gives.
    """
    ratio_p = _ratio(table, share, "")
    if outcomes.has_column and (outcomes.users["recorded"] & ~outcomes.users["converted"]).any():
        held = int((table.unique("person")["group"] == "control").sum()) / table["person"].n_unique()
        _ratio(table.filter("recorded"), held, ", among users whom the table of outcomes speaks of,")
    return ratio_p


def _ratio(table: pl.DataFrame, share: float, among: str) -> float:
    people = table.unique("person")  # who is one person was drawn once
    ratio_p = sample_ratio(int((people["group"] == "control").sum()), len(people), share)
    held = int((table["group"] == "control").sum())
    if ratio_p < MISMATCH:
        hint = (
            "find out who is missing from which group, and why: a filter, a failed delivery or a lost file after the "
            "groups were drawn. Any lift computed from this would be wrong"
        )
        rare = f"{1 / max(ratio_p, 1e-12):,.0f}"
        message = f"{held:,} of {len(table):,} users{among} are held out, where {share:.1%} should be"
        raise FindCLIError(f"{message}: so far off by chance once in {rare} experiments", hint=hint)
    return ratio_p


def _amounts(table: pl.DataFrame) -> Amounts:
    groups = [table.filter(pl.col("group") == name)["amount"].to_numpy() for name in ("target", "control")]
    return compare_amounts(*groups)


def _has(table: pl.DataFrame, name: str, *, column_only: bool = False) -> bool:
    return name in table.columns and (column_only or not table[name].null_count())


def _warnings(table: pl.DataFrame, outcomes: Outcomes, share: float | None) -> list[str]:
    warnings = []
    if share is None:
        warnings.append("the share that was held out is not known, so that the sizes of the groups were not checked")
    if table["person"].n_unique() < len(table):
        warnings.append(
            "users of one person are counted one by one: intervals and the p-value are smaller than they should be"
        )
    missing = len(table) - int(table["recorded"].sum())
    if outcomes.has_column and missing:
        warnings.append(f"{missing:,} of {len(table):,} users have no outcome in the table: they count as no")
    if outcomes.strangers:
        warnings.append(f"{outcomes.strangers:,} users of the table are not in the audience: they do not count")
    if not table["converted"].any():
        warnings.append("nobody of the audience did it: is it the right table, and are its ids those of the audience?")
    return warnings


def _log(workspace: Workspace, opened: UserList, done: Lift) -> None:
    if opened.record is not None:
        add_entry(
            workspace, "measured", opened.name, len(opened.users), digest=opened.digest, experiment=done.experiment,
            difference=done.comparison.difference, p_value=done.comparison.p_value,
        )  # fmt: skip
