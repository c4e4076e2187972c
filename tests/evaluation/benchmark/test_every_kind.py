"""Every kind of sentence: truth as a loop over raw events counts it, counters beside findcli, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.data import events
from findcli.evaluation.benchmark.every_kind import Asked, rank_every_kind
from findcli.evaluation.benchmark.kind_comparisons import EVERY, compare
from findcli.models.ranker.queries import ANYTHING, LEVEL, THING, UNION
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
    aucs = {(row.by, row.kind): row.auc.value for row in ranked.rows}
    compared = {(c.beside, c.kind): c for c in ranked.comparisons if c.kind in own}
    assert {("findcli", kind) for kind in own} | set(compared) == set(aucs)
    for (name, kind), each in compared.items():
        assert each.auc.value == pytest.approx(own[kind] - aucs[name, kind])
        assert each.auc.low <= each.auc.high
    kept = {row.kind: row.auc.value for row in ranked.rows if row.by == f"its {ranked.kept}"}
    assert not kept or own == pytest.approx(kept)
    assert all(0 <= auc <= 1 for auc in own.values())
    for promise in ranked.promises:
        assert promise.ratio == pytest.approx(promise.realised / promise.expected)


def test_the_networks_own_row_stands_whatever_is_kept(scored_workspace: Workspace) -> None:
    path = scored_workspace.run("aligned") / "ranking.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kept": "counts"}))
    ranked = rank_every_kind(open_engine(scored_workspace, as_of=scored_workspace.train_until, device="cpu"))
    assert ranked.kept == "counts"
    assert {row.kind for row in ranked.rows if row.by == "its network"} == {row.kind for row in ranked.rows}
    itself = [c for c in ranked.comparisons if c.beside == "its counts"]
    assert {(c.auc.value, c.p, c.verdict) for c in itself} == {(0.0, None, None)}


def test_columns_are_judged_by_p_corrected_for_their_number() -> None:
    rng = np.random.default_rng(0)

    def figure(mean: float, error: float) -> np.ndarray:
        return np.append(mean, rng.normal(mean, error, 300))

    means = {("findcli", kind): np.full(301, 0.8) for kind in (THING, LEVEL, EVERY)}
    means |= {("better", kind): figure(0.83, 0.004) for kind in (THING, LEVEL, EVERY)}
    means |= {("worse", kind): figure(0.77, 0.004) for kind in (THING, LEVEL, EVERY)}
    means |= {("perhaps better", THING): figure(0.809, 0.004), ("perhaps better", LEVEL): figure(0.8, 0.004)}
    judged = {(c.beside, c.kind): c for c in compare(means)}
    assert judged["better", THING].verdict == "below"
    assert judged["worse", LEVEL].verdict == "above"
    doubtful = judged["perhaps better", THING]
    assert doubtful.auc.high < 0  # its plain interval is below 0, the corrected one is not
    assert doubtful.verdict == "undecided"
    assert judged["better", EVERY].holm is judged["better", EVERY].verdict is None


def test_the_command_prints_it_and_refuses_rivals(
    scored_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workspace", str(scored_workspace.folder)]
    assert exit_code("rank-sentences", "--every-kind", *where, "--output", str(tmp_path / "k.parquet")) == 0
    printed = capsys.readouterr().out
    assert "findcli ranks by its" in printed
    assert "corrected for their number (Holm), findcli is above in" in printed
    table = pl.read_parquet(tmp_path / "k.parquet")
    assert {"by", "kind", "question", "auc"} <= set(table.columns)
    assert table.filter(by="recency")["difference"].null_count() == 0
    assert set(table["verdict"].drop_nulls()) <= {"above", "undecided", "below"}
    assert exit_code("rank-sentences", "--every-kind", *where, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["promises"]
    assert {"beside", "kind", "auc", "p", "holm", "verdict"} == set(result["comparisons"][0])
    assert exit_code("rank-sentences", "--every-kind", "--rivals", "counts", *where) == 2


def test_a_held_out_window_is_as_long_as_a_future(engine: Engine) -> None:
    assert Asked(engine).future == parse_duration(engine.workspace.settings.windows.future)
