"""Zero-shot ranking of a task's users by its demand."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.data.tasks import read_labels
from findcli.errors import FindCLIError
from findcli.evaluation.zero_shot import averages, evaluate, rank_quality
from findcli.workspace.folder import Workspace, load_workspace


def test_the_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(80) < 0.3
    scores = np.round(truth + rng.normal(size=80), 1)
    found = rank_quality("noise", scores, truth)
    assert found.auc.value == pytest.approx(roc_auc_score(truth, scores))
    assert found.average_precision == pytest.approx(average_precision_score(truth, scores))
    assert found.auc.low < found.auc.value < found.auc.high


def test_a_demand_is_evaluated_on_the_scores_that_target_gives(trained_workspace: Workspace) -> None:
    (name, task), *_ = trained_workspace.settings.tasks.items()
    (found,) = evaluate(trained_workspace, [name], untrained=True)
    labels = read_labels(trained_workspace, name, task)
    own, understood, vector, untrained = found.rankings[:4]
    for ranking, rewrite in ((own, "off"), (understood, "auto")):
        (audience,) = target(trained_workspace, [task.demand], as_of=task.as_of, rewrite=rewrite)
        rows = labels.join(audience.ranking, on="user_id")
        assert ranking.auc.value == pytest.approx(roc_auc_score(rows["label"], rows["score"]))
    assert understood.by == "the demand, rewritten"
    assert untrained.by == "single vector, untrained"
    assert untrained.auc.value != vector.auc.value
    assert (found.users, found.positives) == (len(rows), rows["label"].sum())


def test_another_workspaces_model_ranks(trained_workspace: Workspace, tiny_template: Path, tmp_path: Path) -> None:
    tiny_workspace = load_workspace(shutil.copytree(tiny_template, tmp_path / "other"))
    (name,) = list(tiny_workspace.settings.tasks)[:1]
    (own,), (other,) = (
        evaluate(trained_workspace, [name]),
        evaluate(tiny_workspace, [name], model=trained_workspace),
    )
    assert own.rankings == other.rankings
    assert not (tiny_workspace.runs / "aligned").exists()


def test_the_best_possible_stands_beside_it(trained_workspace: Workspace) -> None:
    (name, task), *_ = trained_workspace.settings.tasks.items()
    path = trained_workspace.path(task.path)
    labels = pl.read_parquet(path).with_columns(truth=pl.col(task.label).cast(pl.Float64))
    labels.write_parquet(path)
    file = trained_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace("[tasks.tea]", '[tasks.tea]\ntruth = "truth"'))
    (found,) = evaluate(load_workspace(trained_workspace.folder), [name])
    assert found.rankings[-1].auc.value == 1
    assert found.ceiling is found.rankings[-1]


def test_paraphrases_and_hard_negatives_are_measured(trained_workspace: Workspace) -> None:
    (name, task), *_ = trained_workspace.settings.tasks.items()
    path = trained_workspace.path(task.path)
    labels = pl.read_parquet(path).with_columns(hard=(pl.col(task.label) == 0) & (pl.col(task.user) % 2 == 0))
    labels.write_parquet(path)
    words = f'[tasks.tea]\nhard_negative = "hard"\nparaphrases = ["{task.demand}", "who likes to cook?"]'
    file = trained_workspace.folder / "findcli.toml"
    file.write_text(file.read_text().replace("[tasks.tea]", words))
    (found,) = evaluate(load_workspace(trained_workspace.folder), [name])
    demand, same, other, understood, _ = found.rankings
    names = ["the demand", "paraphrase 1", "paraphrase 2", "the demand, rewritten", "single vector"]
    assert [ranking.by for ranking in found.rankings] == names
    assert same.auc == demand.auc != other.auc
    (audience,) = target(trained_workspace, [task.demand], as_of=task.as_of)
    rows = labels.rename({task.user: "user_id"}).join(audience.ranking, on="user_id")
    few = rows.filter(pl.col("hard") | (pl.col(task.label) == 1))
    assert found.hard_negatives == rows["hard"].sum()
    assert understood.hard_auc == pytest.approx(roc_auc_score(few[task.label], few["score"]))
    assert averages([found, found])[0] == ("the demand", demand.auc.value)


def asking(workspace: Workspace, demand: str, **changes: object) -> Workspace:
    """The workspace whose task asks another demand."""
    task = replace(workspace.settings.tasks["tea"], demand=demand, **changes)
    return Workspace(workspace.folder, replace(workspace.settings, tasks={"tea": task}))


@pytest.mark.parametrize(
    ("demand", "written"),
    [
        ("people with city north who will buy tea", "city == 'north'"),
        ("people who bought bread in August 2024 and will buy tea", '"The user purchased bread."'),
        ("people with tier gold who have not bought bread for 1 week and will buy tea", "tier == 'gold'"),
    ],
)
def test_what_a_demand_says_of_people_and_of_the_past_says_who_is_ranked(
    trained_workspace: Workspace, demand: str, written: str
) -> None:
    """The same users as `target` ranks, in every ranking."""
    workspace = asking(trained_workspace, demand, paraphrases=("tea buyers",))
    (found,) = evaluate(workspace, ["tea"])
    task = workspace.settings.tasks["tea"]
    (audience,) = target(workspace, [demand], as_of=task.as_of)
    labels = read_labels(workspace, "tea", task)
    rows = labels.join(audience.ranking, on="user_id")
    assert written in found.conditions[0].expression
    assert found.conditions == audience.conditions
    assert found.applied
    assert (found.users, found.labelled) == (len(rows), 60)
    assert 0 < found.users < 60
    assert found.positives == rows["label"].sum()
    rewritten = next(ranking for ranking in found.rankings if ranking.by == "the demand, rewritten")
    assert rewritten.auc.value == pytest.approx(roc_auc_score(rows["label"], rows["score"]))
    whole = target(workspace, ["tea buyers"], as_of=task.as_of, rewrite="off")[0].ranking
    kept = rows.select("user_id", "label").join(whole, on="user_id")
    assert found.rankings[1].auc.value == pytest.approx(roc_auc_score(kept["label"], kept["score"]))


def test_conditions_are_reported_alone_where_truth_is_known(
    trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    task = trained_workspace.settings.tasks["tea"]
    path = trained_workspace.path(task.path)
    pl.read_parquet(path).with_columns(truth=pl.col(task.label).cast(pl.Float64)).write_parquet(path)
    file = trained_workspace.folder / "findcli.toml"
    words = '[tasks.tea]\ntruth = "truth"'
    file.write_text(
        file.read_text()
        .replace("[tasks.tea]", words)
        .replace("people who will buy tea", "people with city north who will buy tea")
    )
    (found,) = evaluate(load_workspace(trained_workspace.folder), ["tea"])
    assert [condition.expression for condition in found.conditions] == ["city == 'north'"]
    assert not found.applied
    assert found.users == found.labelled == 60
    with pytest.raises(SystemExit):
        main(["evaluate", "-w", str(trained_workspace.folder), "--device", "cpu", "-q"])
    assert "not applied, since truth is known of all users: city == 'north'" in capsys.readouterr().out


def test_a_condition_that_leaves_one_label_is_refused(trained_workspace: Workspace) -> None:
    demand = "people who bought tea in June 2019 and will buy tea"
    with pytest.raises(FindCLIError, match=r"the 0 of 60 with a label who do are all alike") as error:
        evaluate(asking(trained_workspace, demand), ["tea"])
    assert "[tasks.tea]" in error.value.hint


def test_an_unknown_task_is_named(trained_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no task 'd99'"):
        evaluate(trained_workspace, ["d99"])


def test_masking_every_source_is_refused_before_any_work(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("findcli.evaluation.zero_shot.describe_engine", None)  # embeds the users
    task = replace(trained_workspace.settings.tasks["tea"], without_sources=("searches",))
    behaviour = Workspace(trained_workspace.folder, replace(trained_workspace.settings, tasks={"tea": task}))
    with pytest.raises(FindCLIError, match="task 'tea' leaves no source to rank by, with sequence masked") as error:
        evaluate(behaviour, ["tea"], without=["sequence"], device="cpu")
    assert 'scorer = "vector"' in error.value.hint


def test_a_history_that_names_nothing_is_refused(trained_workspace: Workspace) -> None:
    orders = pl.read_parquet(trained_workspace.folder / "data/orders.parquet")
    searches = pl.read_parquet(trained_workspace.folder / "data/searches.parquet")
    first = searches["time"].min()
    assert orders["time"].min() < first  # type: ignore[operator]
    task = replace(trained_workspace.settings.tasks["tea"], as_of=first)
    early = Workspace(trained_workspace.folder, replace(trained_workspace.settings, tasks={"tea": task}))
    with pytest.raises(FindCLIError, match="no event before the date names anything to rank by"):
        evaluate(early, ["tea"], without=["sequence"], device="cpu")
