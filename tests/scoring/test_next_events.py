"""What users will do next: ranked odds, what is new to them, and how surprising an observed event is."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from findcli.data.pairs import build_pairs
from findcli.errors import FindCLIError
from findcli.models.next_event.pretrain import pretrain_next_event
from findcli.scoring.next_events import predict_next, surprise
from findcli.training.loop import set_determinism
from findcli.workspace.folder import Workspace, load_workspace
from tests.evaluation.next_event.test_run import run
from tests.models.next_event.test_pretrain import TINY


@pytest.fixture(scope="module")
def pretrained(tiny_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    import shutil

    set_determinism(1)
    folder = shutil.copytree(tiny_template, tmp_path_factory.mktemp("next") / "workspace")
    workspace = load_workspace(folder, overrides={"next_event": TINY})
    build_pairs(workspace)
    pretrain_next_event(workspace, device="cpu")
    return workspace


def test_odds_are_ranked_and_all_tokens_together_are_certain(pretrained: Workspace) -> None:
    table = predict_next(pretrained, users=["3", "7"], top=1000, device="cpu")
    assert sorted(table["user_id"].unique()) == [3, 7]
    of_one = table.filter(pl.col("user_id") == 3)
    assert of_one["probability"].sum() == pytest.approx(1, abs=1e-4)
    assert of_one["probability"].is_sorted(descending=True)
    assert of_one["rank"].to_list() == list(range(1, len(of_one) + 1))
    assert set(table.columns) >= {"token", "source", "category", "repeat"}


def test_what_is_new_is_ranked_by_itself(pretrained: Workspace) -> None:
    whole = predict_next(pretrained, users=["3"], top=1000, device="cpu")
    new = predict_next(pretrained, users=["3"], top=1000, new_only=True, device="cpu")
    assert not new["repeat"].any()
    assert new["token"].to_list() == whole.filter(~pl.col("repeat"))["token"].to_list()


def test_a_prediction_does_not_depend_on_who_else_is_asked(pretrained: Workspace) -> None:
    at = pretrained.train_until
    before = predict_next(pretrained, as_of=at, top=3, device="cpu")
    alone = predict_next(pretrained, users=["5"], as_of=at, top=3, device="cpu")
    assert_frame_equal(alone, before.filter(pl.col("user_id") == 5), rel_tol=1e-4)


def test_an_unusual_event_lies_further_below_than_a_usual_one(pretrained: Workspace, tmp_path: Path) -> None:
    best = predict_next(pretrained, users=["3"], top=1000, device="cpu")
    file = tmp_path / "observed.csv"
    rows = [best.row(0, named=True), best.row(-1, named=True)]
    pl.DataFrame(
        [{"user_id": 3, "source": r["source"], "status": r["status"], "category": r["category"], "amount": a}
         for r, a in zip(rows, (8.0, 8.0), strict=True)]
    ).write_csv(file)  # fmt: skip
    table = surprise(pretrained, file, device="cpu")
    assert table.columns == ["user_id", "token", "probability", "delta"]
    assert len(table) == 2
    known = table.drop_nulls()
    assert known["probability"].sort().equals(known.sort("delta")["probability"])


def test_unknown_users_are_named(pretrained: Workspace) -> None:
    with pytest.raises(FindCLIError, match="is known of 4711") as error:
        predict_next(pretrained, users=["4711"], device="cpu")
    assert "--as-of" in error.value.hint


def test_the_command_prints_and_writes(
    pretrained: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict-next", "3", "--top", "2", "-w", str(pretrained.folder), "--threads", "1"]
    run([*words, "--json"])
    assert [row["rank"] for row in json.loads(capsys.readouterr().out)] == [1, 2]
    run([*words, "-o", str(tmp_path / "next.csv")])
    assert len(pl.read_csv(tmp_path / "next.csv")) == 2
