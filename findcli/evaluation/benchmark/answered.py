"""Which demands get an expected number: those that a workspace can answer, and not those that it cannot.

Tested in tests/audiences/test_answered.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from findcli.audiences.answered import why_no_number
from findcli.audiences.read import read
from findcli.evaluation.benchmark.demand_answers import read_answers
from findcli.evaluation.benchmark.demand_reading import Half
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace

REFUSED = "refused"


def measure_answered(
    workspace: Workspace, files: Sequence[Path], *, half: Half = "all", device: str = "auto"
) -> pl.DataFrame:
    """Read demands, and say which get a number.

    Args:
        workspace: a trained workspace.
        files: of demands, in the form that examples/demands/README.md tells.
        half: which half of them.
        device: "auto", "cpu", "cuda" or "mps".

    Returns:
        file, demand, answerable, numbered, why: a row a demand.

    Raises:
        FindCLIError: a file cannot be read, or no model is trained.
    """
    engine = open_engine(workspace, device=device)
    rows = []
    for path in files:
        for answer in read_answers(path, half):
            (understood,) = read(engine, [answer.demand])
            refused = understood.rewriting.answerable is False
            why = REFUSED if refused else why_no_number(engine, understood.rewriting, where=understood.where)
            rows.append((path.name, answer.demand, answer.is_answerable, not why, why))
    schema = {
        "file": pl.String, "demand": pl.String, "answerable": pl.Boolean, "numbered": pl.Boolean, "why": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
