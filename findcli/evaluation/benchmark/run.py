"""Score one or several splits by findcli and its rivals, and combine their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.calibration import Calibration, calibration, pooled
from findcli.evaluation.benchmark.demands import DemandRow, measure_demands
from findcli.evaluation.benchmark.figures import (
    Difference,
    MeasuredSplit,
    Row,
    differences,
    measure,
    pooled_rows,
    resampling_of,
)
from findcli.evaluation.benchmark.findcli_ranker import score_own, score_variant
from findcli.evaluation.benchmark.protocol import Case, build_case
from findcli.evaluation.rivals.ranking_inputs import RankingRival
from findcli.evaluation.rivals.ranking_registry import SECONDS, RankerScores, lacking, score_rival
from findcli.evaluation.variants import OWN, Variant
from findcli.progress import Progress, no_progress
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import read_manifest
from findcli.workspace.stages import STAGES


@dataclass(frozen=True)
class Ranked:
    """The ranking section of the benchmark.

    Attributes:
        splits: the salts.
        users: number of evaluated users, mean over splits.
        rows: the figures of every ranker in every column.
        differences: findcli minus each rival.
        calibration: that of every ranker with probabilities.
        notes: the rivals that did not finish, and why.
        table: one row per split, ranker, column and category.
    """

    splits: list[str]
    users: float
    rows: list[Row]
    differences: list[Difference]
    calibration: list[Calibration]
    notes: list[str] = field(default_factory=list)
    table: pl.DataFrame = field(default_factory=pl.DataFrame)


def rank_sentences(
    workspaces: Sequence[Workspace],
    rankers: Sequence[RankingRival],
    *,
    without: Iterable[str] = (),
    variants: Sequence[Variant] = (),
    with_findcli: bool = True,
    seconds: float = SECONDS,
    device: str = "auto",
    progress: Progress | None = None,
) -> Ranked:
    """Score the template sentences of every split by findcli, findcli in other forms, and its rivals.

    Args:
        workspaces: one per split, trained if findcli itself is scored.
        rankers: the rivals.
        without: categories that are neither evaluated nor trained on.
        variants: other forms of findcli, trained if they are not up to date.
        with_findcli: score findcli itself too.
        seconds: the time limit of a rival on one split.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each ranker.

    Raises:
        FindCLIError: a workspace is not trained, or its purchases cannot be scored.
    """
    require_something(rankers, with_findcli=with_findcli or bool(variants))
    for workspace in workspaces if with_findcli or variants else ():
        require_trained(workspace)
    cases = [build_case(workspace, without=without) for workspace in workspaces]
    resampling = resampling_of(cases)
    tell, steps = progress or no_progress, len(workspaces) * (len(rankers) + len(variants) + with_findcli + 1)
    scored: list[list[RankerScores]] = []
    measured: list[MeasuredSplit] = []
    for workspace, case in zip(workspaces, cases, strict=True):
        scored.append([score_own(workspace, case, device=device)] if with_findcli else [])
        for variant in variants:
            scored[-1].append(score_variant(workspace, variant, case, device=device))
            tell(sum(map(len, scored)) + len(measured), steps, {})
        digest = case.inputs.digest()
        for ranker in rankers:
            folder = scores_folder(workspace)
            scored[-1].append(score_rival(ranker, case.inputs, folder, seconds=seconds, digest=digest))
            tell(sum(map(len, scored)) + len(measured), steps, {})
        measured.append(measure(case, scored[-1], resampling))
        tell(sum(map(len, scored)) + len(measured), steps, {})
    return _summary(cases, scored, measured, with_findcli=with_findcli)


def rank_demands(
    workspaces: Sequence[Workspace], path: Path, *, without: Iterable[str] = (), device: str = "auto"
) -> list[DemandRow]:
    """Rank by demands in a marketer's own words, compared with template sentences; mean over splits."""
    for workspace in workspaces:
        require_trained(workspace)
    excluded = frozenset(without)
    return measure_demands(workspaces, path, without=excluded, device=device)


def require_something(rankers: Sequence[RankingRival], *, with_findcli: bool) -> None:
    """Refuse to score nothing.

    Raises:
        FindCLIError: neither findcli nor any rival is scored.
    """
    if not rankers and not with_findcli:
        raise FindCLIError("nothing is left to score", hint="name a rival with --rivals")


def require_trained(workspace: Workspace) -> None:
    """Refuse a workspace without a model, before any work is done.

    Raises:
        FindCLIError: `runs/aligned` is missing.
    """
    if read_manifest(workspace.run("aligned")) is None:
        hint = (
            f"train it with: findcli run --workspace {workspace.folder} ({STAGES['aligned'].command} is its last stage)"
        )
        raise FindCLIError(f"{workspace.folder} holds no trained model", hint=hint)


def scores_folder(workspace: Workspace) -> Path:
    """The folder of the rivals' scores."""
    return workspace.runs / "benchmark" / "scores"


def _summary(
    cases: Sequence[Case],
    scores: Sequence[Sequence[RankerScores]],
    measured: Sequence[MeasuredSplit],
    *,
    with_findcli: bool,
) -> Ranked:
    seconds = {one.name: float(np.mean([s[i].seconds for s in scores])) for i, one in enumerate(scores[0])}
    notes = [note for scored in scores for note in lacking(scored)]
    return Ranked(
        [case.split for case in cases],
        float(np.mean([len(case.truth) for case in cases])),
        pooled_rows(measured, seconds),
        differences(measured, OWN) if with_findcli else [],
        _calibrations(cases, scores),
        list(dict.fromkeys(notes)),
        pl.concat([one.table for one in measured]),
    )


def _calibrations(cases: Sequence[Case], scores: Sequence[Sequence[RankerScores]]) -> list[Calibration]:
    """The calibration of every ranker that gives probabilities in every split."""
    rows = []
    for scored in zip(*scores, strict=True):
        for column, seen in (("seen", True), ("held-out", False)):
            pairs = [_pairs(case, one, seen=seen) for case, one in zip(cases, scored, strict=True)]
            whole = [pair for pair in pairs if pair is not None]
            if len(whole) < len(pairs):
                continue
            probabilities, truth, base = pooled(whole)
            if truth.any() and not truth.all():
                rows.append(calibration(scored[0].name, column, probabilities, truth, base))
    return rows


def _pairs(case: Case, one: RankerScores, *, seen: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """One split's pairs of users and categories: probabilities, truth and base rates; None without probabilities."""
    if one.probabilities is None:
        return None
    chosen = (case.inputs.seen == seen) & ~np.isnan(one.probabilities).any(0)
    if not chosen.any():
        return None
    truth = case.truth[:, chosen]
    base = np.broadcast_to(case.base_rates[chosen], truth.shape)
    return one.probabilities[:, chosen].ravel(), truth.ravel(), base.ravel()
