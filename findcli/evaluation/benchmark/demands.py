"""Demands in a marketer's own words, compared with the template sentences of the categories that they mean.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from findcli.errors import FindCLIError, first_line
from findcli.evaluation.benchmark.figures import FEWEST
from findcli.evaluation.benchmark.findcli_ranker import answers
from findcli.evaluation.benchmark.protocol import build_case
from findcli.metrics import auc_by_column
from findcli.scoring.as_read import AUTO
from findcli.workspace.folder import Workspace


@dataclass(frozen=True)
class Demand:
    """A sentence and the categories that answer it: users who buy any of them are positive."""

    text: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class DemandRow:
    """The figures of one demand's ranking of the held-out users, mean over splits.

    Attributes:
        demand: the sentence.
        categories: the categories that it means.
        positives: number of users who bought any of them, mean over splits.
        auc: of the demand as worded.
        rewritten_auc: of the demand as `target` understands it.
        template_auc: of the mean score of its categories' template sentences.
    """

    demand: str
    categories: tuple[str, ...]
    positives: float
    auc: float
    rewritten_auc: float
    template_auc: float


def read_answered_demands(path: Path) -> list[Demand]:
    """Read the demands of a tab-separated file with the columns demand and categories, the latter separated by |.

    Raises:
        FindCLIError: the file cannot be read, lacks a column or holds none.
    """
    hint = "give a tab-separated file with the columns demand and categories, such as COFFEE|COFFEE FILTERS"
    try:
        table = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
        pairs = table.select("demand", "categories").drop_nulls().rows()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FindCLIError(f"the demands in {path} cannot be read: {first_line(error)}", hint=hint) from error
    if not pairs:
        raise FindCLIError(f"{path} holds no demand", hint=hint)
    return [Demand(text, tuple(name.strip() for name in names.split("|"))) for text, names in pairs]


def measure_demands(
    workspaces: Sequence[Workspace], path: Path, *, without: frozenset[str], device: str
) -> list[DemandRow]:
    """Measure the demands of a file.

    Args:
        workspaces: one per split, trained.
        path: the file of demands.
        without: categories that must not be evaluated; demands that name one are left out.
        device: "auto", "cpu", "cuda" or "mps".

    Returns:
        One row per demand that at least five held-out users answered and five did not, in some split.

    Raises:
        FindCLIError: the file cannot be used, or none of its categories is in the data.
    """
    demands = [demand for demand in read_answered_demands(path) if not without & set(demand.categories)]
    if not demands:
        raise FindCLIError(f"every demand in {path} names a category that must not be evaluated", hint="add others")
    by_demand: dict[Demand, list[tuple[float, ...]]] = {}
    for workspace in workspaces:
        for demand, figures in _one_split(workspace, demands, device=device):
            by_demand.setdefault(demand, []).append(figures)
    if not by_demand:
        raise FindCLIError(
            f"no demand in {path} is answered by {FEWEST} held-out users",
            hint="are its categories spelled as in the data?",
        )
    means = {demand: np.mean(figures, axis=0) for demand, figures in by_demand.items()}
    return [
        DemandRow(demand.text, demand.categories, *(float(value) for value in means[demand]))
        for demand in demands
        if demand in means
    ]


def _one_split(
    workspace: Workspace, demands: Sequence[Demand], *, device: str
) -> list[tuple[Demand, tuple[float, ...]]]:
    """Positives, AUC, AUC as understood and template AUC of each demand that enough users answered."""
    case = build_case(workspace, scored={name for demand in demands for name in demand.categories})
    column = {name: i for i, name in enumerate(case.inputs.categories)}
    sentences = [demand.text for demand in demands]
    scores, _ = answers(workspace, [*sentences, *case.inputs.demands], case.inputs.users, device=device)
    understood, _ = answers(workspace, sentences, case.inputs.users, device=device, rewrite=AUTO)
    raw, templates = scores[:, : len(sentences)], scores[:, len(sentences) :]
    rows = []
    for i, demand in enumerate(demands):
        columns = [column[name] for name in demand.categories]
        truth = np.any(case.truth[:, columns], axis=1)
        if min(truth.sum(), (~truth).sum()) < FEWEST:
            continue
        ways = np.stack([raw[:, i], understood[:, i], templates[:, columns].mean(1)], axis=1)
        auc = auc_by_column(ways, np.repeat(truth[:, None], 3, axis=1))
        rows.append((demand, (float(truth.sum()), *map(float, auc))))
    return rows
