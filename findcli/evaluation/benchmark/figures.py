"""Figures of rankings by column, and differences between rankings, by bootstrap over users and categories.

Shapes: U evaluated users, C categories, R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.protocol import Case
from findcli.evaluation.rivals.ranking_registry import RankerScores
from findcli.metrics import Bootstrap, Interval, interval, weighted_auc_ks

AVERAGE = "average"
COLUMNS = ("seen", "held-out", "new buyers, seen", "new buyers, held-out")
FEWEST = 5
REPLICATES = 300
TOP = 0.1
SCHEMA = {
    **dict.fromkeys(("split", "by", "column", "category"), pl.String),
    **dict.fromkeys(("users", "positives"), pl.Int64),
    **dict.fromkeys(("auc", "ks", "precision", "lift"), pl.Float64),
}


@dataclass(frozen=True)
class Row:
    """One ranker in one column, mean over splits.

    Attributes:
        by: name of the ranker.
        column: the users and categories it covers.
        auc: mean over categories of the area under the ROC curve.
        ks: mean over categories of the Kolmogorov-Smirnov statistic.
        precision: mean over categories of the share of buyers among the top tenth.
        lift: mean over categories of the ratio of that share to the share among all users.
        categories: number of categories in the column, mean over splits.
        seconds: the time that the ranker took, mean over splits.
    """

    by: str
    column: str
    auc: Interval
    ks: float
    precision: float
    lift: float
    categories: float
    seconds: float


@dataclass(frozen=True)
class Difference:
    """One ranker's mean AUC minus another's, in one column; above 0, the first is better."""

    by: str
    beside: str
    column: str
    auc: Interval


@dataclass(frozen=True)
class MeasuredSplit:
    """The rankings of one split.

    Attributes:
        table: one row per ranker, column and category: split, by, column, category, users, positives, auc, ks,
            precision, lift.
        replicates: the mean AUC of each (ranker, column), as observed and under every resampling, (1 + R,).
    """

    table: pl.DataFrame
    replicates: dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Resampling:
    """The bootstraps over users and over categories, shared by all splits."""

    users: Bootstrap
    categories: Bootstrap


def resampling_of(cases: Sequence[Case], *, replicates: int = REPLICATES) -> Resampling:
    """The bootstraps over the users and categories of several splits."""
    rng = np.random.default_rng(0)
    users = sorted({person for case in cases for person in case.people or case.inputs.users})
    categories = sorted({name for case in cases for name in case.inputs.categories})
    return Resampling(Bootstrap(users, replicates, seed=rng), Bootstrap(categories, replicates, seed=rng))


def members(case: Case, column: str, category: int) -> np.ndarray | None:
    """The users that count for a category in a column, bool (U,); None if the category is not in the column.

    A category is not in the column if it is of the other kind, or if too few users bought it or too few did not.
    """
    if bool(case.inputs.seen[category]) != (not column.endswith("held-out")):
        return None
    chosen = case.new[:, category] if column.startswith("new") else np.ones(len(case.truth), bool)
    positives = int(case.truth[chosen, category].sum())
    return chosen if min(positives, int(chosen.sum()) - positives) >= FEWEST else None


def measure(case: Case, rankers: Sequence[RankerScores], resampling: Resampling) -> MeasuredSplit:
    """Measure every ranker that has scores, in every column.

    Raises:
        FindCLIError: there is nothing to measure.
    """
    weights = resampling.users.weights(case.people or case.inputs.users.to_list())  # (1 + R, U)
    tables, replicates = [], {}
    for column in COLUMNS:
        chosen = {i: m for i in range(len(case.inputs.categories)) if (m := members(case, column, i)) is not None}
        shares = resampling.categories.weights([case.inputs.categories[i] for i in chosen])  # (1 + R, C')
        for one in rankers if chosen else ():
            if one.scores is not None:
                table, aucs = _measure_column(case, one, column, chosen, weights)
                tables.append(table)
                replicates[one.name, column] = _weighted_mean(aucs, shares)
    if not tables:
        raise FindCLIError(
            f"no category was bought by at least {FEWEST} held-out users, or no ranker has finished",
            hint="hold out more users: a smaller held_out_users in [split]; or give --rival-seconds more",
        )
    return MeasuredSplit(pl.concat(tables), replicates)


def _measure_column(
    case: Case, one: RankerScores, column: str, chosen: Mapping[int, np.ndarray], weights: np.ndarray
) -> tuple[pl.DataFrame, np.ndarray]:
    """One row per category, and the AUC of each under every weighting of the users, (1 + R, C')."""
    assert one.scores is not None
    rows, aucs = [], []
    for i, mask in chosen.items():
        scores, truth = one.scores[mask, i], case.truth[mask, i]
        auc, ks = weighted_auc_ks(scores, truth, weights[:, mask])
        top = float(truth[np.argsort(-scores, kind="stable")[: max(1, round(TOP * len(truth)))]].mean())
        name, users, positives = case.inputs.categories[i], len(truth), int(truth.sum())
        lift = top * users / positives
        rows.append((case.split, one.name, column, name, users, positives, float(auc[0]), float(ks[0]), top, lift))
        aucs.append(auc)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), np.stack(aucs, axis=1)


def pooled_rows(measured: Sequence[MeasuredSplit], seconds: Mapping[str, float]) -> list[Row]:
    """The columns of every ranker, mean over splits; rankers without scores in some split are left out.

    Args:
        measured: the splits, with weights of one resampling.
        seconds: the time that each ranker took, mean over splits.
    """
    tables = pl.concat([one.table for one in measured])
    means = tables.group_by("split", "by", "column").agg(
        pl.col("ks", "precision", "lift").mean(), pl.len().cast(pl.Float64).alias("categories")
    )
    pooled = means.group_by("by", "column").agg(pl.col("ks", "precision", "lift", "categories").mean())
    plain = {(row["by"], row["column"]): row for row in pooled.iter_rows(named=True)}
    rows = []
    for by, column in _shared(measured):
        figures = plain[by, column]
        rows.append(
            Row(
                by,
                column,
                interval(_mean_over_splits(measured, by, column)),
                figures["ks"],
                figures["precision"],
                figures["lift"],
                figures["categories"],
                seconds.get(by, 0.0),
            )
        )
    return rows


def differences(measured: Sequence[MeasuredSplit], by: str) -> list[Difference]:
    """One ranker's differences from each other ranker, in every column that both have and on their average."""
    shared = _shared(measured)
    by_other: dict[str, dict[str, np.ndarray]] = {}
    for other, column in shared:
        if other != by and (by, column) in shared:
            apart = _mean_over_splits(measured, by, column) - _mean_over_splits(measured, other, column)
            by_other.setdefault(other, {})[column] = apart
    for columns in by_other.values():
        columns[AVERAGE] = np.mean(list(columns.values()), axis=0)
    return [
        Difference(by, other, column, interval(replicates))
        for other, columns in by_other.items()
        for column, replicates in columns.items()
    ]


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted row means of (1 + R, C'); NaN values are left out."""
    present = np.where(np.isnan(values), 0, weights)
    with np.errstate(invalid="ignore"):
        means: np.ndarray = (np.nan_to_num(values) * present).sum(1) / present.sum(1)
    return means


def _shared(measured: Sequence[MeasuredSplit]) -> list[tuple[str, str]]:
    """The (ranker, column) pairs that every split has, in the order of the first."""
    first, *others = measured
    return [key for key in first.replicates if all(key in one.replicates for one in others)]


def _mean_over_splits(measured: Sequence[MeasuredSplit], by: str, column: str) -> np.ndarray:
    mean: np.ndarray = np.mean([one.replicates[by, column] for one in measured], axis=0)
    return mean
