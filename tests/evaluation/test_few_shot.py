"""Few-shot evaluation: figures agree with scikit-learn, seeds stay out of it, rivals have the same seeds."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score, average_precision_score, precision_score

from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.evaluation.few_shot import FIGURES, few_shot
from findcli.evaluation.rivals import from_seeds
from findcli.evaluation.rivals.one4all import One4all
from findcli.evaluation.zero_shot import REWRITTEN, RankingFigures, evaluate, require_modalities
from findcli.metrics import weighted_selection
from findcli.workspace.folder import Workspace


def test_figures_of_selections_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=200), rng.random(200) < 0.3
    repeated = rng.integers(0, 3, 200)
    found = weighted_selection(scores, truth, np.stack([np.ones(200), repeated]))
    many, true = np.repeat(scores, repeated), np.repeat(truth, repeated)
    assert found.average_precision[0] == pytest.approx(average_precision_score(truth, scores))
    assert found.average_precision[1] == pytest.approx(average_precision_score(true, many))
    chosen = scores >= np.sort(scores)[::-1][truth.sum() - 1]
    assert found.accuracy[0] == pytest.approx(accuracy_score(truth, chosen))
    assert found.precision[0] == pytest.approx(precision_score(truth, chosen))
    assert found.recall[0] == pytest.approx(found.precision[0])
    tenth = truth[np.argsort(-scores)[:20]].mean()
    assert found.lift[0] == pytest.approx(tenth / truth.mean())


def test_every_way_of_scoring_is_measured_on_the_same_draws(trained_workspace: Workspace) -> None:
    (result,), table = few_shot(trained_workspace, ["tea"], draws=3, seeds=3, device="cpu")
    names = [row.by for row in result.rows]
    assert {
        "the demand",
        "prompt",
        "prompt, mined hard negatives",
        "prompt, without hard negatives",
        "single vector",
        "rule of the demand",
    } <= set(names)
    assert len([name for name in names if name.startswith("logistic regression")]) == 4
    assert table.group_by("by").len()["len"].to_list() == [3] * len(names)
    prompt = next(row for row in result.rows if row.by == "prompt")
    assert prompt.beside == {}
    drawn = table.filter(pl.col("by") == "prompt")["auc"].mean()
    assert prompt.figures["auc"].value == pytest.approx(drawn)
    demand = result.rows[0]
    assert set(demand.figures) == set(FIGURES)
    assert demand.beside["auc"].value == pytest.approx(prompt.figures["auc"].value - demand.figures["auc"].value)
    again = few_shot(trained_workspace, ["tea"], draws=3, seeds=3, device="cpu")[1]
    assert again.equals(table)


def test_a_rule_holds_of_who_met_what_the_demand_means() -> None:
    levels = sparse.csr_matrix(np.diag([1.0, 2, 3, 4, 5]))
    likeness, none = np.array([0.9, 0.8, 0.7, 0.1, 0.0]), np.zeros(0, np.int64)
    plain = from_seeds.by_rule(levels, np.ones(5), likeness, none, none)
    assert (plain[:3] > plain[3:].max()).all()
    seeded = from_seeds.by_rule(levels, np.ones(5), likeness, np.array([4]), np.array([0]))
    assert seeded[4] == seeded.max()


def test_rivals_rank_like_seeds_high() -> None:
    rng = np.random.default_rng(0)
    vectors = from_seeds.standardised(np.vstack([rng.normal(1, 1, (40, 5)), rng.normal(-1, 1, (40, 5))]))
    for fit in (from_seeds.regressed, from_seeds.nearest_prototype):
        scores = fit(vectors, np.arange(5), np.arange(40, 45))
        assert scores[:40].mean() > scores[40:].mean()


@pytest.mark.parametrize(
    ("modality", "source", "columns"),
    [("sequence", "orders", ("item", "category", "department")), ("search", "searches", ("query",))],
)
def test_a_masked_modality_takes_no_part(
    trained_workspace: Workspace, modality: str, source: str, columns: tuple[str, ...]
) -> None:
    """What a source says is dealt to other users: that changes the ranking, unless its modality is masked."""

    def rankings(*without: str) -> list[RankingFigures]:
        (result,) = evaluate(trained_workspace, ["tea"], without=without, device="cpu")
        return [ranking for ranking in result.rankings if ranking.by != REWRITTEN]  # masked users have no vocabulary

    whole, masked = rankings(), rankings(modality)
    assert [ranking.by for ranking in whole] == [ranking.by for ranking in masked]
    path = trained_workspace.folder / f"data/{source}.parquet"
    events = pl.read_parquet(path)
    dealt = events.select(columns).sample(fraction=1, shuffle=True, seed=1)
    events.with_columns(dealt.get_columns()).write_parquet(path)
    assert rankings(modality) == masked
    assert all(after.auc != before.auc for after, before in zip(rankings(), whole, strict=True))


def test_what_cannot_be_masked_is_refused() -> None:
    for names, message in ((["sound"], "not a modality"), (["sequence", "tabular", "search"], "nothing is left")):
        with pytest.raises(FindCLIError, match=message):
            require_modalities(names)


def test_the_command_prints_and_writes(
    trained_workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("findcli.evaluation.few_shot.One4all", partial(One4all, d_model=16, layers=1, heads=2, steps=3))
    path = trained_workspace.folder / "few.parquet"
    with pytest.raises(SystemExit) as ended:
        main(
            ["few-shot", "--rivals", "one4all", "--draws", "2", "--seeds", "3", "--output", str(path),
             "--quiet", "--workspace", str(trained_workspace.folder)]
        )  # fmt: skip
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "the prompt less" in out
    assert "natural prevalence" in out
    assert "U-MLP, One4all" in out
    assert set(pl.read_parquet(path)["draw"]) == {0, 1}
