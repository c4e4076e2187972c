"""Every kind of sentence: truth as a loop over raw events counts it, counters beside findcli, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.data import events
from findcli.evaluation.benchmark.every_kind import Asked, rank_every_kind
from findcli.models.ranker.lessons import ANYTHING, LEVEL, THING, UNION
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace, load_workspace
from tests.evaluation.benchmark.test_run import exit_code, split_in_half


@pytest.fixture
def scored_workspace(trained_workspace: Workspace) -> Workspace:
    """Every other user is held out, and the outcome window is a week."""
    split_in_half(trained_workspace.folder)
    return load_workspace(trained_workspace.folder)


@pytest.fixture
def engine(scored_workspace: Workspace) -> Engine:
    return open_engine(scored_workspace, as_of=scored_workspace.train_until, device="cpu")


def test_truth_is_what_a_loop_over_the_outcome_window_counts(engine: Engine) -> None:
    asked, workspace = Asked(engine), engine.workspace
    log = events.build_events(workspace)
    frames = [events.read_part(log, part, before=asked.date + asked.future) for part in events.parts(log)]
    after = pl.concat(frames).filter(pl.col("time") >= asked.date, pl.col("source") == "orders")
    checked = set()
    for _, question in asked.questions():
        names = [text.removeprefix("The user purchased ").removesuffix(".") for text in question.sentences]
        if not all(t.startswith("The user purchased ") and " paid " not in t for t in question.sentences):
            continue
        for row, user in enumerate(asked.users):
            mine = after.filter(pl.col("user_id") == user).to_dicts()
            slots = ("category", "item", "department")
            of_it = [e for e in mine if "anything" in names or {str(e[s]).lower() for s in slots} & set(names)]
            true = {
                "any": bool(of_it),
                "none": not of_it,
                "count": len({e["time"] for e in of_it}) >= question.least,
                "amount": sum(e["amount"] or 0 for e in of_it) > question.least,
            }[question.measure]
            assert asked.truth(question)[row] == true, question
        checked.add(question.measure)
    assert {"any", "count", "amount"} <= checked


def test_nothing_before_the_test_date_answers_and_nothing_after_it_is_counted(engine: Engine) -> None:
    asked = Asked(engine)
    questions = [question for _, question in asked.questions()]
    scores = asked.counters(questions)
    plain = [i for i, q in enumerate(questions) if q.measure == "any" and len(q.sentences) == 1]
    log = events.build_events(engine.workspace)
    before = pl.concat([events.read_part(log, part) for part in events.parts(log)])
    for i in plain:
        name = questions[i].sentences[0].removeprefix("The user purchased ").removesuffix(".")
        rows = before.filter(pl.col("category").str.to_lowercase() == name)
        if len(rows):
            counted = dict(rows["user_id"].value_counts().iter_rows())
            expected = [counted.get(user, 0) for user in asked.users]
            np.testing.assert_allclose(scores["count, 1 a week"][:, i], expected)


def test_it_reports_every_kind_beside_counters_and_its_own_candidates(engine: Engine) -> None:
    ranked = rank_every_kind(engine)
    assert {row.kind for row in ranked.rows} <= {THING, UNION, LEVEL, ANYTHING}
    assert {"findcli", "its network", "its trees", "its counts", "recency", "activity"} <= {r.by for r in ranked.rows}
    own = {row.kind: row.auc.value for row in ranked.rows if row.by == "findcli"}
    kept = {row.kind: row.auc.value for row in ranked.rows if row.by == f"its {ranked.kept}"}
    assert not kept or own == pytest.approx(kept)
    assert all(0 <= auc <= 1 for auc in own.values())
    for promise in ranked.promises:
        assert promise.ratio == pytest.approx(promise.realised / promise.expected)


def test_the_command_prints_it_and_refuses_rivals(
    scored_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workspace", str(scored_workspace.folder)]
    assert exit_code("rank-sentences", "--every-kind", *where, "--output", str(tmp_path / "k.parquet")) == 0
    assert "findcli ranks by its" in capsys.readouterr().out
    assert {"by", "kind", "question", "auc"} <= set(pl.read_parquet(tmp_path / "k.parquet").columns)
    assert exit_code("rank-sentences", "--every-kind", *where, "--json") == 0
    assert json.loads(capsys.readouterr().out)["promises"]
    assert exit_code("rank-sentences", "--every-kind", "--rivals", "counts", *where) == 2


def test_a_held_out_window_is_as_long_as_a_future(engine: Engine) -> None:
    assert Asked(engine).future == parse_duration(engine.workspace.settings.windows.future)
