"""`findcli audience union|intersect|minus|diff`: audiences out of audiences.

A user who is in the control group of one of the audiences stays in it: he is left alone, whatever list he is also on.
Ids are compared as text, so that a list from a CSV file meets an audience whose ids are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from findcli.audiences.lists import UserList, as_text, in_id_type, open_list
from findcli.audiences.saved import Change, Drop, Record, Sizes, save_audience
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

Operation = Literal["union", "intersect", "minus"]
CALLED = {"union": "in any of", "intersect": "in all of", "minus": "in the first, and in none of the others, of"}


@dataclass(frozen=True)
class Difference:
    """Two lists compared.

    Attributes:
        stayed: users of both.
        changes: user_id, and change: "entered" (in the second alone) or "left" (in the first alone).
        listed: the changes of those whom neither list holds out, which may be written to a file.
    """

    stayed: int
    changes: pl.DataFrame
    listed: pl.DataFrame

    @property
    def entered(self) -> int:
        """Users of the second list alone."""
        return int((self.changes["change"] == "entered").sum())

    @property
    def left(self) -> int:
        """Users of the first list alone."""
        return int((self.changes["change"] == "left").sum())


def combine(
    workspace: Workspace, operation: Operation, names: Sequence[str], *, save: str, overwrite: bool = False
) -> Change:
    """Combine audiences or files, and save the result with a manifest that says what it is made of.

    An intersection, and one audience minus others, keep the first one's scores, probabilities and order; a union has
    none, since scores for different demands do not compare.

    Args:
        workspace: of the audiences.
        operation: "union", "intersect" or "minus".
        names: saved audiences or files, two or more.
        save: the name of the result.
        overwrite: replace an audience of this name that is made of something else.

    Raises:
        FindCLIError: there are fewer than two lists, one of them cannot be opened, or the name is taken.
    """
    if len(names) < 2:
        raise FindCLIError(f"{operation} needs two audiences or files, and got {len(names)}", hint="name another one")
    lists = [open_list(workspace, name) for name in names]
    users = in_id_type(combined(operation, [each.users for each in lists]), _id_type(lists))
    return save_audience(workspace, save, users, _record(operation, lists, users), overwrite=overwrite)


def combined(operation: Operation, lists: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The users of a union, an intersection or a difference: user_id as text, score, probability, rank, group."""
    several = [_shaped(users) for users in lists]
    first, others = several[0], several[1:]
    if operation == "union":
        every = pl.concat([each.select("user_id") for each in several]).unique(maintain_order=True)
        kinds = {"score": pl.Float64, "probability": pl.Float64, "rank": pl.Int64}
        users = every.with_columns(pl.lit(None, kind).alias(name) for name, kind in kinds.items())
    else:
        users, how = first.drop("group"), "semi" if operation == "intersect" else "anti"
        for other in others:
            users = users.join(other, on="user_id", how=how, maintain_order="left")  # type: ignore[arg-type]
        again = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
        users = users.with_columns(rank=pl.when(pl.col("rank").is_not_null()).then(again))
    return users.join(_groups(several), on="user_id", how="left", maintain_order="left")


def difference(workspace: Workspace, before: str, after: str) -> Difference:
    """Who is in one list and not in the other; whoever either list holds out is counted and not listed.

    Args:
        workspace: of the audiences.
        before: a saved audience or a file.
        after: another.

    Raises:
        FindCLIError: one of them cannot be opened.
    """
    opened = [open_list(workspace, name) for name in (before, after)]
    first, second = (as_text(each.users).select("user_id") for each in opened)
    entered = second.join(first, on="user_id", how="anti", maintain_order="left")
    left = first.join(second, on="user_id", how="anti", maintain_order="left")
    changes = pl.concat(
        [entered.with_columns(change=pl.lit("entered")), left.with_columns(change=pl.lit("left"))], how="vertical"
    )
    control = _groups([_shaped(each.users) for each in opened]).filter(pl.col("group") == "control")
    listed = changes.join(control, on="user_id", how="anti", maintain_order="left")
    both = (in_id_type(each, _id_type(opened)) for each in (changes, listed))
    return Difference(len(second) - len(entered), *both)


def _shaped(users: pl.DataFrame) -> pl.DataFrame:
    kinds = {"score": pl.Float64, "probability": pl.Float64, "rank": pl.Int64, "group": pl.String}
    columns = [
        (pl.col(name) if name in users.columns else pl.lit(None).alias(name)).cast(kind) for name, kind in kinds.items()
    ]
    return as_text(users).select("user_id", *columns)


def _groups(lists: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The group of every user who has one: "control" where any list says so."""
    grouped = pl.concat([users.select("user_id", "group") for users in lists]).drop_nulls()
    return grouped.group_by("user_id").agg(pl.col("group").min())  # "control" comes before "target"


def _id_type(lists: Sequence[UserList]) -> pl.DataType:
    kinds = [each.users.schema["user_id"] for each in lists if each.record is not None]
    return kinds[0] if kinds and all(kind == kinds[0] for kind in kinds) else pl.String()


def _record(operation: Operation, lists: Sequence[UserList], users: pl.DataFrame) -> Record:
    records = [each.record for each in lists if each.record is not None]
    demands = list(dict.fromkeys(demand for record in records for demand in record.demands))
    dates = {record.as_of for record in records}
    probabilities = users.filter(pl.col("group").ne_missing("control"))["probability"]
    known = len(probabilities) > 0 and not probabilities.null_count()
    purposes = {None if each.record is None else each.record.details.get("purpose") for each in lists}
    purpose = purposes.pop() if len(purposes) == 1 else None
    operands = [{"name": each.name, "users": len(each.users), "digest": each.digest} for each in lists]
    started = lists[0].users.height if operation != "union" else None
    gone = 0 if started is None else started - len(users)
    others = " or ".join(each.name for each in lists[1:])
    reason = f"are in {others}" if operation == "minus" else f"are not in {others}"
    return Record(
        demands=demands,
        made_by=operation,
        sizes=Sizes(passed=started, selected=len(users)),
        as_of=dates.pop() if len(dates) == 1 else None,
        drops=[Drop(reason=reason, users=gone)] if gone else [],
        expected=float(probabilities.sum()) if known else None,
        made_of=[each.name for each in lists],
        details={"operands": operands} | ({} if purpose is None else {"purpose": purpose}),
    )
