"""How often the groups of a sensitive column are selected, and the ratio of the lowest rate to the highest.

The ratio is that of the four-fifths rule: below .8 it is reported as adverse impact. It says what the audience is like,
not why, and whether that is lawful is for a person to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from findcli.audiences.experiment.proportions import Arm, compare
from findcli.data.profiles import profile_files, profiles_as_of
from findcli.data.reader.typed import scan_table
from findcli.workspace.folder import Workspace

FOUR_FIFTHS = 0.8
CHANCE = 0.05
FEWEST = 20  # a smaller group is shown with the others, since it tells of single people
MOST_VALUES = 12  # a column of more different numbers is shown in quarters of the users
UNKNOWN, OTHERS = "not known", f"groups of fewer than {FEWEST}"


@dataclass(frozen=True)
class Group:
    """One group: its value, how many of its users may be ranked, and how many are in the audience."""

    value: str
    users: int
    selected: int

    @property
    def rate(self) -> float:
        """The share of its users who are in the audience."""
        return self.selected / self.users

    @property
    def is_small(self) -> bool:
        """Whether its rate would tell of single people."""
        return self.users < FEWEST


@dataclass(frozen=True)
class GroupRates:
    """The groups of one column.

    Attributes:
        column: its name.
        groups: largest first, numbers in order; then those not compared: users of small groups, and users whose
            group is not known.
        compared: how many of them are compared.
    """

    column: str
    groups: tuple[Group, ...]
    compared: int

    @property
    def lowest(self) -> Group | None:
        """The group with the lowest rate; None where no two can be compared."""
        return min(self.groups[: self.compared], key=lambda group: group.rate) if self.comparable else None

    @property
    def highest(self) -> Group | None:
        """The group with the highest rate; None where no two can be compared."""
        return max(self.groups[: self.compared], key=lambda group: group.rate) if self.comparable else None

    @property
    def comparable(self) -> bool:
        """Whether there are two groups, and somebody of them is selected."""
        return self.compared > 1 and any(group.selected for group in self.groups[: self.compared])

    @property
    def ratio(self) -> float | None:
        """The lowest rate over the highest; None where no two can be compared."""
        return None if self.lowest is None or self.highest is None else self.lowest.rate / self.highest.rate

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the ratio (Katz, on the log scale); None where a rate is 0 or nothing is compared."""
        from scipy.stats.contingency import relative_risk  # which takes half a second to import

        low, high = self.lowest, self.highest
        if low is None or high is None or not low.selected:
            return None
        interval = relative_risk(low.selected, low.users, high.selected, high.users).confidence_interval(0.95)
        return float(interval.low), float(interval.high)

    @property
    def is_adverse(self) -> bool:
        """Whether the ratio is below four fifths."""
        return self.ratio is not None and self.ratio < FOUR_FIFTHS

    @property
    def may_be_chance(self) -> bool:
        """Whether so few are selected that the lowest and the highest rate may differ by chance (two-sided, 5 %)."""
        low, high = self.lowest, self.highest
        if low is None or high is None:
            return True
        return compare(Arm(low.users, low.selected), Arm(high.users, high.selected)).p_value >= CHANCE

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        groups = [
            {"value": g.value, "users": g.users} | ({} if g.is_small else {"selected": g.selected, "rate": g.rate})
            for g in self.groups
        ]
        ratio = {"ratio": self.ratio, "interval": self.interval, "may_be_chance": self.may_be_chance}
        return {"column": self.column, **ratio, "groups": groups}


def group_rates(workspace: Workspace, users: pl.Series, selected: pl.Series, as_of: datetime) -> tuple[GroupRates, ...]:
    """The rates by each sensitive column; none where no column is marked.

    Args:
        workspace: marks columns in [sensitive].
        users: the ids of those who may be ranked.
        selected: the ids of those of them who are in the audience.
        as_of: profiles are as of this date.

    Raises:
        FindCLIError: the profile's table cannot be read or lacks a marked column.
    """
    columns = workspace.settings.sensitive.columns
    if not columns:
        return ()
    values = _values(workspace, users, as_of)
    chosen = users.is_in(selected.implode())
    return tuple(
        _rates(name, _labels(values[name]), chosen, numeric=values.schema[name].is_numeric()) for name in columns
    )


def _values(workspace: Workspace, users: pl.Series, as_of: datetime) -> pl.DataFrame:
    """The marked columns of each user: Float64 where all that a column holds are numbers, else String."""
    settings = workspace.settings
    profile, columns = settings.profile, settings.sensitive.columns
    kinds = scan_table(profile_files(workspace), what="the profile table", form=profile).collect_schema()
    numbers = tuple(name for name in columns if name in kinds and kinds[name].is_numeric())
    words = tuple(name for name in columns if name not in numbers)
    bare = replace(profile, categorical=words, numeric=numbers, ordered={}, aggregates=())
    none = pl.DataFrame(schema={"user_id": users.dtype, "time": pl.Datetime("us"), "source": pl.String})
    return profiles_as_of(replace(workspace, settings=replace(settings, profile=bare)), none, users, as_of)


def _labels(values: pl.Series) -> pl.Series:
    """The group of each user as text; numbers of many values in quarters, named by their ends."""
    if not values.dtype.is_numeric():
        return values
    if values.n_unique() <= MOST_VALUES:
        return pl.Series([None if value is None else f"{value:g}" for value in values], dtype=pl.String)
    present = values.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(present, [0.25, 0.5, 0.75]))
    quarter = pl.Series(np.searchsorted(edges, values.fill_null(0).to_numpy(), side="left"))
    frame = pl.DataFrame({"value": values, "quarter": quarter}).with_columns(
        low=pl.col("value").min().over("quarter"), high=pl.col("value").max().over("quarter")
    )
    return pl.Series(
        [None if v is None else f"{low:g} to {high:g}" for v, _, low, high in frame.iter_rows()], dtype=pl.String
    )


def _rates(name: str, labels: pl.Series, chosen: pl.Series, *, numeric: bool) -> GroupRates:
    frame = pl.DataFrame({"value": labels, "chosen": chosen})
    counted = frame.group_by("value").agg(users=pl.len(), selected=pl.col("chosen").sum())
    known = counted.filter(pl.col("value").is_not_null()).sort("users", "value", descending=[True, False])
    number = pl.col("value").str.extract(r"^(-?[\d.e+]+)(?: to |$)").cast(pl.Float64, strict=False)
    if numeric:
        known = known.sort(number)
    large, small = known.filter(pl.col("users") >= FEWEST), known.filter(pl.col("users") < FEWEST)
    rest = [(OTHERS, small), (UNKNOWN, counted.filter(pl.col("value").is_null()))]
    groups = [Group(*row) for row in large.iter_rows()]
    groups += [Group(title, int(part["users"].sum()), int(part["selected"].sum())) for title, part in rest if len(part)]
    return GroupRates(name, tuple(groups), len(large))
