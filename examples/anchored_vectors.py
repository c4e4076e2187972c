"""What reading the question is worth: log odds and vectors of the tower qanchor beside FIND's vector and the ranker.

Ranks the users whom a workspace holds out for its categories' sentences, as of `train_until`, and prints the mean AUC
within a sentence of each way of scoring, and paired differences with 95 % intervals.

    python examples/anchored_vectors.py WORKSPACE ANCHORED

ANCHORED is a copy of WORKSPACE in which `findcli run --set align.user_tower=qanchor` was run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from findcli.data.questions import Question
from findcli.evaluation.benchmark.figures import differences, measure, pooled_rows, resampling_of
from findcli.evaluation.benchmark.protocol import Case, build_case
from findcli.evaluation.rivals.activity import Activity
from findcli.evaluation.rivals.ranking_registry import RankerScores
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.folder import Workspace, load_workspace


def engine_of(workspace: Workspace, case: Case) -> Engine:
    """The engine of the evaluated users alone."""
    engine = open_engine(workspace, as_of=workspace.train_until)
    place = {user: row for row, user in enumerate(engine.users.to_list())}
    return engine.among(np.array([place[user] for user in case.inputs.users.to_list()]))


def main(plain: Path, anchored: Path) -> None:
    """Print the figures of two workspaces of the same users."""
    workspace = load_workspace(plain)
    case = build_case(workspace)
    questions = [Question((demand,)) for demand in case.inputs.demands]
    reading = engine_of(load_workspace(anchored, overrides={"align": {"user_tower": "qanchor"}}), case)
    other = engine_of(workspace, case)
    scored = {
        "anchored": reading.scorer.score(questions).scores, "neutral": reading.vector_scorer.score(questions).scores,
        "FIND's vector": other.vector_scorer.score(questions).scores, "ranker": other.scorer.score(questions).scores,
        "activity": Activity().scores(case.inputs),
    }  # fmt: skip
    rows = [RankerScores(name, scores, 0.0) for name, scores in scored.items()]
    measured = measure(case, rows, resampling_of([case]))
    for row in pooled_rows([measured], {}):
        print(f"{row.by:14} {row.column:22} {row.auc.value:.3f} ({row.auc.low:.3f} to {row.auc.high:.3f})")
    for apart in differences([measured], "anchored"):
        auc = apart.auc
        print(f"anchored less {apart.beside:14} {apart.column:22} {auc.value:+.3f} ({auc.low:+.3f} to {auc.high:+.3f})")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
