"""How well demands are understood, on the tiny workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.demand_reading import measure_rewriting, read_asked, wilson
from findcli.workspace.folder import Workspace

EXAMPLES = Path(__file__).parents[3] / "examples" / "demands"
DEMANDS = """demand\tcategories\talso\twithout
people who will buy tea\ttea||\t\t
bread or cheese\tbread|cheese\t\t
soap but no towels\tsoap\t\ttowels
people searching for cheap candles\tThe user searched for cheap candles.\t\t
voters\t\t\t
"""


@pytest.fixture
def demands(tmp_path: Path) -> Path:
    path = tmp_path / "demands.tsv"
    path.write_text(DEMANDS)
    return path


def test_the_first_sentence_is_held_against_what_is_right(trained_workspace: Workspace, demands: Path) -> None:
    found = measure_rewriting(trained_workspace, demands, device="cpu")
    nearest, likeness = found.readers
    assert likeness.answerable == nearest.answerable == 4
    assert likeness.unanswerable == 1
    assert likeness.first_right.value == 1.0
    firsts = found.table.filter(by=likeness.by)
    assert firsts["sentence"].to_list()[:2] == ["The user purchased tea.", "The user purchased bread."]


def test_categories_that_must_not_be_evaluated_rank_nobody(trained_workspace: Workspace, demands: Path) -> None:
    wide = measure_rewriting(trained_workspace, demands, device="cpu")
    narrow = measure_rewriting(trained_workspace, demands, without=["BREAD"], device="cpu")
    ranked = [0 if each.ranking is None else each.ranking.demands for each in (wide, narrow)]
    assert ranked[0] >= ranked[1]
    rows = narrow.table.filter(demand="bread or cheese")
    assert rows["auc_raw"].null_count() == len(rows)


def test_the_command_prints_for_a_program(
    trained_workspace: Workspace, demands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["benchmark", "rewriting", "--demands", str(demands), "-w", str(trained_workspace.folder), "--json"]
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert {reader["by"] for reader in printed["readers"]} == {"nearest sentence", "likeness of texts"}


def test_halves_part_the_demands_by_their_words_alone() -> None:
    for name in ("complete-journey.tsv", "demo.tsv"):
        whole, *halves = (read_asked(EXAMPLES / name, half) for half in ("all", "tuning", "final"))
        assert sorted(each.text for half in halves for each in half) == sorted(each.text for each in whole)
        assert all(len(half) > len(whole) / 3 for half in halves)


def test_wilsons_interval() -> None:
    found = wilson(8, 10)
    assert (found.value, round(found.low, 3), round(found.high, 3)) == (0.8, 0.490, 0.943)


def test_an_empty_half_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.tsv"
    path.write_text("demand\tcategories\n")
    with pytest.raises(FindCLIError, match="no demand of the half"):
        read_asked(path, "final")
