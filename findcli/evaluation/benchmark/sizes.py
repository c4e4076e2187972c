"""Whether the numbers that a marketer is told hold: sizes with their intervals, and the precision that is asked for.

Every common category of the protocol is asked for by its template sentence, as of the test date; the numbers of the
held-out users are compared with who bought it in the outcome window, which nothing that made the numbers has seen.

Legend: N held-out users, C categories, D depths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.audiences.sizes import Goal
from findcli.audiences.target import target
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.protocol import build_case
from findcli.metrics import Interval, interval
from findcli.scoring.reliability import Reliability
from findcli.workspace.folder import Workspace

SHARES = (0.02, 0.05, 0.1, 0.2, 0.5)
PRECISIONS = (0.2, 0.3, 0.5)
FEWEST = 10  # users in an audience that hindsight would take
REPLICATES = 1000


@dataclass(frozen=True)
class Depth:
    """The numbers of one depth, over categories.

    Attributes:
        share: of the held-out users.
        users: how many.
        expected: mean expected responders.
        realised: mean responders.
        ratio: all realised over all expected, with an interval over categories.
        covered: share of the categories whose 90 % interval holds the truth.
        half_width: median half-width of the intervals, as a share of the expectation.
        by_chance: what would be covered if sentences differed by chance alone.
    """

    share: float
    users: int
    expected: float
    realised: float
    ratio: Interval
    covered: float
    half_width: float
    by_chance: float


@dataclass(frozen=True)
class Kept:
    """How a precision that was asked for was kept.

    Attributes:
        precision: what was asked for.
        categories: of which hindsight could have kept it.
        audiences: categories that got an audience.
        missed: share of them that did not keep it.
        users: users taken over those that the best size in hindsight takes, of all categories.
    """

    precision: float
    categories: int
    audiences: int
    missed: float
    users: float


@dataclass(frozen=True)
class Numbers:
    """The report.

    Attributes:
        users: held-out users.
        categories: how many were asked for.
        depths: a row a depth.
        kept: a row a precision.
        table: category, share, users, expected, low, high, realised.
    """

    users: int
    categories: int
    depths: list[Depth]
    kept: list[Kept]
    table: pl.DataFrame

    @property
    def covered(self) -> float:
        """Over all depths."""
        return float(np.mean([depth.covered for depth in self.depths]))

    @property
    def ratio(self) -> float:
        """All realised over all expected."""
        return float(self.table["realised"].to_numpy().sum() / self.table["expected"].to_numpy().sum())


def measure_sizes(workspace: Workspace, *, device: str = "auto") -> Numbers:
    """Compare numbers with what came true of the held-out users after `train_until`.

    Args:
        workspace: a trained workspace of purchases with categories.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        FindCLIError: nobody is held out, no category is common, or nothing was measured of the probabilities.
    """
    case = build_case(workspace)
    audiences = target(workspace, case.inputs.demands, as_of=workspace.train_until, device=device)
    places = {user: row for row, user in enumerate(case.inputs.users)}
    rows, kept = [], []
    for column, (category, audience) in enumerate(zip(case.inputs.categories, audiences, strict=True)):
        if audience.reliability is None:
            continue
        ranking = audience.ranking.filter(pl.col("user_id").is_in(case.inputs.users.implode()))
        came = case.truth[[places[user] for user in ranking["user_id"]], column]
        rows += _depths(category, ranking, audience.reliability, came)
        kept += [(goal, *_precision(ranking, audience.reliability, came, goal)) for goal in PRECISIONS]
    if not rows:
        hint = "train it with findcli run; a small workspace has too few sentences to measure"
        raise FindCLIError("nothing was measured of this model's probabilities", hint=hint)
    table = pl.DataFrame(rows, orient="row", schema=_COLUMNS)
    depths = [_depth(table.filter(pl.col("share") == share)) for share in SHARES]
    judged = [_kept(goal, [row[1:] for row in kept if row[0] == goal]) for goal in PRECISIONS]
    return Numbers(len(places), table["category"].n_unique(), depths, judged, table)


_COLUMNS = {
    "category": pl.String, "share": pl.Float64, "users": pl.Int64, "expected": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "chance": pl.Float64, "realised": pl.Int64,
}  # fmt: skip


def _depths(
    category: str, ranking: pl.DataFrame, reliability: Reliability, came: np.ndarray
) -> list[tuple[object, ...]]:
    """A row a depth of one category."""
    users = np.maximum(1, np.round(len(ranking) * np.array(SHARES)).astype(int))
    p = ranking["probability"].to_numpy()
    told, chance = reliability.expected(p, users), np.sqrt(np.cumsum(p * (1 - p)))[users - 1]
    columns = (SHARES, users, told.responders, told.low, told.high, chance, np.cumsum(came)[users - 1])
    return [(category, *row) for row in zip(*(np.asarray(each).tolist() for each in columns), strict=True)]


def _depth(rows: pl.DataFrame) -> Depth:
    expected, realised, low, high, chance = (
        rows[name].to_numpy() for name in ("expected", "realised", "low", "high", "chance")
    )
    drawn = np.random.default_rng(0).integers(len(rows), size=(REPLICATES, len(rows)))
    ratios = realised[drawn].sum(1) / expected[drawn].sum(1)
    observed = realised.sum() / expected.sum()
    return Depth(
        float(rows["share"][0]), int(rows["users"][0]), float(expected.mean()), float(realised.mean()),
        interval(np.array([observed, *ratios])), float(((realised >= low) & (realised <= high)).mean()),
        float(np.median((high - low) / 2 / expected)), float((np.abs(realised - expected) <= 1.645 * chance).mean()),
    )  # fmt: skip


def _precision(
    ranking: pl.DataFrame, reliability: Reliability, came: np.ndarray, precision: float
) -> tuple[int, bool, int]:
    """The users taken for a precision, whether it was missed, and the users that hindsight takes."""
    sizes = np.arange(1, len(came) + 1)
    reached = np.flatnonzero((np.cumsum(came) / sizes >= precision) & (sizes >= FEWEST))
    best = int(sizes[reached[-1]]) if len(reached) else 0
    try:
        taken = Goal(precision=precision).most(ranking, reliability)
    except FindCLIError:  # no size surely keeps it
        return 0, False, best
    return taken, bool(came[:taken].mean() < precision), best


def _kept(precision: float, rows: Sequence[tuple[int, bool, int]]) -> Kept:
    taken, missed, best = (np.array(each) for each in zip(*rows, strict=True))
    audiences = int((taken > 0).sum())
    share = float(taken[best > 0].sum() / max(1, best.sum()))
    return Kept(precision, int((best > 0).sum()), audiences, float(missed.sum() / max(1, audiences)), share)
