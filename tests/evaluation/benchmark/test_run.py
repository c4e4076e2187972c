"""The benchmark as commands: `findcli rank-sentences` and `findcli benchmark journey`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from findcli.cli.main import main
from findcli.data.splits import held_out
from findcli.datasets import complete_journey
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark import journey
from findcli.evaluation.benchmark.demands import read_answered_demands
from findcli.evaluation.benchmark.figures import COLUMNS
from findcli.evaluation.benchmark.journey import journey_workspace, official_categories, salts_of
from findcli.evaluation.benchmark.protocol import build_case
from findcli.evaluation.rivals.boosted import Boosted
from findcli.evaluation.rivals.ranking_registry import chosen_rivals
from findcli.workspace.folder import Workspace, load_workspace


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*words, "--device", "cpu"] if words[0] in ("rank-sentences", "benchmark") else words)
    assert isinstance(end.value.code, int)
    return end.value.code


def split_in_half(folder: Path) -> None:
    """Hold out every other user, and look a week ahead: more columns have five of both kinds."""
    file = folder / "findcli.toml"
    text = file.read_text().replace("held_out_users = 6", "held_out_users = 2\nheld_out_categories = 3")
    file.write_text(text.replace('future = "4w"', 'future = "1w"'))


@pytest.fixture
def scored_workspace(trained_workspace: Workspace) -> Workspace:
    split_in_half(trained_workspace.folder)
    return load_workspace(trained_workspace.folder)


def test_sentences_are_evaluated_beside_rivals(
    scored_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "figures.parquet"
    words = ("rank-sentences", "--rivals", "counts,svd", "-w", str(scored_workspace.folder), "-q")
    assert exit_code(*words, "--output", str(output)) == 0
    told = capsys.readouterr().out
    assert "findcli less" in told
    assert "wrote" in told
    table = pl.read_parquet(output)
    assert set(table["by"]) == {"findcli", "counts", "svd"}
    assert set(table["column"]) <= set(COLUMNS)
    assert exit_code(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)["ranking"]
    assert {row["beside"] for row in found["differences"]} == {"counts", "svd"}
    assert {row["by"] for row in found["calibration"]} <= {"findcli"}  # rivals give no probability
    assert all(0 <= row["error"] <= 1 and row["pairs"] > 0 for row in found["calibration"])


def test_the_section_of_demands_needs_a_file() -> None:
    assert exit_code("benchmark", "journey", "--only", "demands") == 2


def test_an_untrained_workspace_and_an_unknown_rival_are_named(
    tiny_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    split_in_half(tiny_workspace.folder)
    folder = str(tiny_workspace.folder)
    assert exit_code("rank-sentences", "-w", folder, "-q") == 1
    assert "holds no trained model" in capsys.readouterr().err
    assert exit_code("rank-sentences", "--rivals", "coles", "-w", folder, "-q") == 1
    assert "there is no rival 'coles'" in capsys.readouterr().err
    assert exit_code("rank-sentences", "--output", "x.csv", "-w", folder, "-q") == 1
    assert ".parquet" in capsys.readouterr().err


def test_the_journey_makes_trains_and_keeps_a_workspace_a_salt(
    trained_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def create(folder: Path, *, salt: str, users: int | None) -> None:
        made.append((salt, users))
        shutil.copytree(trained_template, folder)
        split_in_half(folder)

    monkeypatch.setattr(complete_journey, "create", create)
    monkeypatch.setattr(journey, "train", lambda *_args, **_options: None)
    demands = tmp_path / "demands.tsv"
    demands.write_text("demand\tcategories\nwho drinks tea\ttea|bread\nwho is made of cheese\tmoon\n")
    words = ("benchmark", "journey", "--salts", ",1", "--rivals", "counts", "--workspace-root", str(tmp_path / "root"))
    assert exit_code(*words, "--demands", str(demands), "-q") == 0
    told = capsys.readouterr().out
    assert 'splits "", "' in told
    assert "who drinks tea" in told
    assert "cheese" not in told  # nobody answers it
    report = tmp_path / "report.md"
    assert exit_code(*words, "--only", "ranking", "-q", "--report", str(report)) == 0
    assert "findcli benchmark journey --salts ,1 --only ranking --rivals counts" in report.read_text()
    assert made == [("", None), ("1", None)]


def test_the_demands_of_a_file_need_their_columns(tmp_path: Path) -> None:
    file = tmp_path / "demands.tsv"
    file.write_text('demand\tcategories\nsay "cheese"\tCHEESE|COLD CUTS\n')
    (demand,) = read_answered_demands(file)
    assert demand.text == 'say "cheese"'
    assert demand.categories == ("CHEESE", "COLD CUTS")
    file.write_text("demand\tanswer\na\tb\n")
    with pytest.raises(FindCLIError, match="cannot be read"):
        read_answered_demands(file)
    file.write_text("demand\tcategories\n")
    with pytest.raises(FindCLIError, match="holds no demand"):
        read_answered_demands(file)


def test_salts_are_a_list() -> None:
    assert salts_of(None, tune=False) == ("",)
    assert salts_of(',1,""', tune=False) == ("", "1")
    assert len(salts_of(None, tune=True)) == 3


def test_tuning_on_a_salt_of_the_claims_is_refused(tmp_path: Path) -> None:
    for salt in ("", "1", "4"):
        with pytest.raises(FindCLIError, match="one of those that claims are made on"):
            journey_workspace(tmp_path, salt, tune=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_tuning_never_meets_the_official_split(tmp_path: Path) -> None:
    workspace = journey_workspace(tmp_path, "tune-0", tune=True, users=300)
    rows = pl.read_parquet(workspace.path("data/transactions.parquet"))
    assert rows["time"].max() < complete_journey.AS_OF  # type: ignore[operator]
    assert not held_out("user", rows["household_id"].unique(), salt="", one_in=5)
    assert held_out("user", rows["household_id"].unique(), salt="tune-0", one_in=5)
    official = official_categories(workspace)
    assert official
    assert workspace.settings.split.categories_file is not None
    assert official < set(workspace.path(workspace.settings.split.categories_file).read_text().splitlines())
    for name, task in workspace.settings.tasks.items():
        labels = pl.read_parquet(workspace.path(task.path))
        assert set(labels["user_id"]) <= set(rows["household_id"]), name
        assert task.as_of == workspace.train_until
    assert workspace.train_until < complete_journey.AS_OF
    assert journey_workspace(tmp_path, "tune-0", tune=True, users=300) == workspace


def test_later_purchases_change_no_rivals_score(tiny_workspace: Workspace) -> None:
    split_in_half(tiny_workspace.folder)
    path = tiny_workspace.path("data/orders.parquet")
    rows = pl.read_parquet(path)
    early = pl.col("time") < tiny_workspace.train_until
    case = build_case(load_workspace(tiny_workspace.folder), scored=rows["category"].unique())
    later = rows.filter(~early).with_columns(pl.col("category").shuffle(seed=1), pl.col("user_id").reverse())
    pl.concat([rows.filter(early), later]).write_parquet(path)
    other = build_case(load_workspace(tiny_workspace.folder), scored=rows["category"].unique())
    assert (case.truth != other.truth).any()
    for ranker in chosen_rivals("activity,counts,als,svd"):
        np.testing.assert_array_equal(ranker.scores(case.inputs), ranker.scores(other.inputs))
    boosted = Boosted(svd=((2, 0.9),), als=((2, 0.9, 1.0),), rounds=5, leaves=4, least=0.0)
    np.testing.assert_array_equal(boosted.scores(case.inputs), boosted.scores(other.inputs))
    assert case.inputs.digest() == other.inputs.digest()
