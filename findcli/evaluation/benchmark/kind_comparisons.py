"""Whether findcli ranks surely better or worse than another ranking in a kind of question, corrected for many looks.

Legend: R replicates.

Tested in tests/evaluation/benchmark/test_every_kind.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from findcli.metrics import Interval, bootstrap_p, holm, interval

OWN, EVERY = "findcli", "every kind"
ABOVE, UNDECIDED, BELOW = "above", "undecided", "below"
ERROR = 0.05  # chance of any wrong verdict


@dataclass(frozen=True)
class Comparison:
    """findcli beside another ranking in one kind of question, the same users and questions resampled for both.

    Attributes:
        beside: the name of the other ranking.
        kind: of questions, or "every kind", their mean.
        auc: findcli's mean AUC less the other's, with its plain interval.
        p: of no difference; None where the two rank alike.
        holm: p corrected for the number of kinds and rankings; None for the mean of kinds.
        verdict: "above" or "below" where the corrected p is below .05, else "undecided"; None where holm is.
    """

    beside: str
    kind: str
    auc: Interval
    p: float | None
    holm: float | None
    verdict: str | None


def compare(means: Mapping[tuple[str, str], np.ndarray]) -> list[Comparison]:
    """Compare findcli with every other ranking, corrected for the number of kinds and rankings (Holm).

    Args:
        means: by ranking and kind, the mean AUC as observed and under every resampling, (1 + R,).
    """
    ahead = {(name, kind): means[OWN, kind] - each for (name, kind), each in means.items() if name != OWN}
    p = {column: bootstrap_p(each) for column, each in ahead.items()}
    columns = [column for column in ahead if column[1] != EVERY]
    corrected = dict(zip(columns, holm(np.array([p[column] for column in columns])), strict=True))
    return [
        Comparison(
            name, kind, interval(each), _or_none(p[name, kind]), holm_p := _or_none(corrected.get((name, kind))),
            None if holm_p is None else UNDECIDED if holm_p >= ERROR else ABOVE if each[0] > 0 else BELOW,
        )
        for (name, kind), each in ahead.items()
    ]  # fmt: skip


def _or_none(p: float | None) -> float | None:
    return None if p is None or np.isnan(p) else float(p)


def with_comparisons(table: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """A table of rankings (`by`) and kinds with what was compared of each: nulls in findcli's own rows."""
    rows = [
        (c.beside, c.kind, c.auc.value, c.auc.low, c.auc.high, c.p, c.holm, c.verdict)
        for c in comparisons if c.kind != EVERY
    ]  # fmt: skip
    numbers = dict.fromkeys(("difference", "low", "high", "p", "holm"), pl.Float64)
    schema = {"by": pl.String, "kind": pl.String, **numbers, "verdict": pl.String}
    return table.join(pl.DataFrame(rows, schema, orient="row"), on=["by", "kind"], how="left", maintain_order="left")
