"""The rows of findcli and its other forms: the answers of `findcli target` to each sentence, as of the test date.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from findcli.audiences.target import target
from findcli.evaluation.benchmark.protocol import Case
from findcli.evaluation.rivals.ranking_registry import RankerScores
from findcli.evaluation.variants import OWN, Variant, train_variant
from findcli.scoring.as_read import OFF
from findcli.workspace.folder import Workspace


def score_own(workspace: Workspace, case: Case, *, device: str) -> RankerScores:
    """Rank the evaluated users for the case's sentences; its seconds exclude training."""
    clock = time.perf_counter()
    scores, probabilities = answers(workspace, case.inputs.demands, case.inputs.users, device=device)
    return RankerScores(OWN, scores, time.perf_counter() - clock, probabilities=probabilities)


def score_variant(workspace: Workspace, variant: Variant, case: Case, *, device: str) -> RankerScores:
    """Train a variant if it is not up to date, and rank; its seconds include training."""
    clock = time.perf_counter()
    form, made = train_variant(workspace, variant, device=device)
    scored = score_own(form, case, device=device)
    return replace(scored, name=variant.name, seconds=time.perf_counter() - clock if made else scored.seconds)


def answers(
    workspace: Workspace, demands: Sequence[str], users: pl.Series, *, device: str, rewrite: str = OFF
) -> tuple[np.ndarray, np.ndarray | None]:
    """The score of each user for each demand, and the probability if the model gives one.

    Args:
        workspace: whose model and users.
        demands: sentences, (C,).
        users: ids, (U,); a user who is not embedded gets each demand's lowest score.
        device: "auto", "cpu", "cuda" or "mps".
        rewrite: whether demands are rewritten: "auto" or "off".

    Returns:
        float32 (U, C), and float64 (U, C), NaN for a demand without probabilities; None if no demand has any.
    """
    rows = pl.DataFrame({"user_id": users})
    scores, probabilities = [], []
    for audience in target(workspace, demands, as_of=workspace.train_until, rewrite=rewrite, device=device):
        ranking = audience.ranking.with_columns(pl.col("score", "probability").cast(pl.Float64).fill_nan(None))
        lowest = ranking.select(pl.col("score", "probability").min())
        placed = rows.join(ranking, on="user_id", how="left", maintain_order="left").select(
            pl.col(name).fill_null(pl.lit(lowest[name][0], pl.Float64)) for name in lowest.columns
        )
        scores.append(placed["score"].to_numpy())
        probabilities.append(placed["probability"].to_numpy())
    stacked = np.stack(probabilities, axis=1).astype(np.float64)
    return np.stack(scores, axis=1).astype(np.float32), None if np.isnan(stacked).all() else stacked
