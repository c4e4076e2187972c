"""`findcli lift`: everybody as assigned, groups of the wrong size refused, and what the terminal says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from findcli.audiences.experiment.assign import open_experiment
from findcli.audiences.experiment.lift import measure
from findcli.audiences.experiment.outcomes import Columns, read_outcomes
from findcli.audiences.saved import Record, Sizes, save_audience
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace


@pytest.fixture(autouse=True)
def same_key(tiny_workspace: Workspace) -> None:
    """A key that is the same in every run: figures about who is drawn are then the same too."""
    tiny_workspace.audiences.mkdir(exist_ok=True)
    (tiny_workspace.audiences / "key").write_text("07" * 32 + "\n")


def saved(workspace: Workspace, users: int, share: float, *, name: str = "spring", prefix: str = "") -> pl.DataFrame:
    """An audience of made-up users, saved with a control group."""
    ids = pl.Series("user_id", [f"{prefix}{i}" for i in range(users)] if prefix else range(users))
    held = open_experiment(workspace, name, share).held_out(workspace, ids)
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"user_id": ids, "score": np.sort(rng.normal(size=users))[::-1]}).with_columns(
        probability=0.05 + 0.2 * pl.Series(np.linspace(1, 0, users)), rank=pl.int_range(1, users + 1),
        group=pl.Series(np.where(held, "control", "target")),
    )  # fmt: skip
    details = {"experiment": {"name": name, "share": share}}
    record = Record(demands=["tea"], made_by="target", sizes=Sizes(selected=users), details=details)
    save_audience(workspace, name, frame, record, overwrite=True)
    return frame


def happened(frame: pl.DataFrame, path: Path, *, lift: float, seed: int = 0) -> Path:
    chance = frame["probability"].to_numpy() * np.where(frame["group"] == "target", 1 + lift, 1)
    did = np.random.default_rng(seed).random(len(frame)) < chance
    frame.filter(pl.Series(did)).select("user_id").write_csv(path)
    return path


def run(capsys: pytest.CaptureFixture[str], workspace: Workspace, *words: str, code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as end:
        main([*words, "-w", str(workspace.folder)])
    out, err = capsys.readouterr()
    assert (end.value.code or 0) == code, err
    return out, err


def test_a_true_lift_is_found_and_said_in_plain_words(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = saved(tiny_workspace, 4_000, 0.2)
    table = happened(frame, tmp_path / "did.csv", lift=0.5)
    out, _ = run(capsys, tiny_workspace, "lift", "spring", str(table))
    assert "reaching them changed it" in out
    assert not {"p-value", "null hypothesis", "significan"} & set(out.lower().split())
    done = measure(tiny_workspace, "spring", table)
    assert done.comparison.difference_interval[0] < 0.15 * 0.5 < done.comparison.difference_interval[1]
    assert sum(t.reached.users + t.held_out.users for t in done.tenths) == 4_000
    assert sum(t.reached.converted for t in done.tenths) == done.reached.converted
    rates = [t.held_out.rate for t in done.tenths]
    assert np.mean(rates[:3]) > np.mean(rates[-3:])
    held, reached = done.calibration
    assert 0.75 < float(held.ratio or 0) < 1.25
    assert 1.35 < float(reached.ratio or 0) < 1.65
    assert "measured" in run(capsys, tiny_workspace, "audience", "log")[0]


def test_no_lift_is_found_where_there_is_none(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = happened(saved(tiny_workspace, 2_000, 0.2), tmp_path / "did.csv", lift=0)
    out, _ = run(capsys, tiny_workspace, "lift", "spring", str(table))
    assert "no lift is shown" in out


def test_of_a_thousand_simulated_campaigns_without_effect_about_one_in_twenty_shows_one(
    tiny_workspace: Workspace,
) -> None:
    from findcli.audiences.experiment.proportions import compare
    from findcli.audiences.experiment.tenths import arm_of

    frame = saved(tiny_workspace, 1_500, 0.1)
    rng = np.random.default_rng(3)
    did = rng.random((1_000, len(frame))) < frame["probability"].to_numpy()
    tables = [frame.with_columns(converted=pl.Series(each)) for each in did]
    rejected = [compare(arm_of(table, "target"), arm_of(table, "control")).p_value < 0.05 for table in tables]
    assert 0.03 <= np.mean(rejected) <= 0.07


def test_groups_of_the_wrong_size_are_refused(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = saved(tiny_workspace, 2_000, 0.1)
    table = happened(frame, tmp_path / "did.csv", lift=0)
    lost = pl.concat([frame.filter(pl.col("group") == "target"), frame.filter(pl.col("group") == "control").head(100)])
    lost.write_parquet(tmp_path / "lost.parquet")
    out, err = run(
        capsys, tiny_workspace, "lift", str(tmp_path / "lost.parquet"), str(table), "--holdout", "10%", code=1
    )
    assert not out
    assert "held out, where 10.0% should be" in err
    assert "not known" in run(capsys, tiny_workspace, "lift", str(tmp_path / "lost.parquet"), str(table))[1]


def test_outcomes_that_are_missing_from_one_group_are_refused(tiny_workspace: Workspace, tmp_path: Path) -> None:
    frame = saved(tiny_workspace, 2_000, 0.2)
    known = frame.filter((pl.col("group") == "target") | (pl.col("rank") % 2 == 0))
    known.select("user_id", outcome=pl.col("rank") % 5 == 0).write_csv(tmp_path / "did.csv")
    with pytest.raises(FindCLIError, match="among users whom the table of outcomes speaks of"):
        measure(tiny_workspace, "spring", tmp_path / "did.csv")
    some = frame.filter(pl.col("rank") % 2 == 0)
    some.select("user_id", outcome=pl.col("rank") % 4 == 0).write_csv(tmp_path / "did.csv")
    done = measure(tiny_workspace, "spring", tmp_path / "did.csv")
    assert done.reached.users + done.held_out.users == 2_000  # as assigned, whoever is on record
    assert "1,000 of 2,000 users have no outcome" in done.warnings[0]


def test_a_table_of_nothing_but_yes_is_a_list_of_who_responded(tiny_workspace: Workspace, tmp_path: Path) -> None:
    frame = saved(tiny_workspace, 400, 0.5)
    rows = frame.filter((pl.col("group") == "target") & (pl.col("rank") % 2 == 0) | (pl.col("rank") % 20 == 0))
    rows.select("user_id", converted=pl.lit(1)).write_csv(tmp_path / "yes.csv")
    done = measure(tiny_workspace, "spring", tmp_path / "yes.csv", columns=Columns(outcome="converted"), drift=False)
    assert done.reached.rate > 5 * done.held_out.rate


def test_nobody_may_have_bought(tiny_workspace: Workspace, tmp_path: Path) -> None:
    saved(tiny_workspace, 400, 0.5)
    (tmp_path / "none.csv").write_text("user_id,amount\n")
    done = measure(tiny_workspace, "spring", tmp_path / "none.csv", columns=Columns(amount="amount"), drift=False)
    assert done.reached.rate == done.held_out.rate == 0


def test_an_audience_without_a_control_group_has_no_lift(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"user_id": [1, 2]}).write_csv(tmp_path / "a.csv")
    _, err = run(capsys, tiny_workspace, "lift", str(tmp_path / "a.csv"), str(tmp_path / "a.csv"), code=1)
    assert "no group of users who were held out" in err
    assert "--holdout" in err


@pytest.mark.parametrize(
    ("content", "columns", "converted", "amounts"),
    [
        ("user_id\nu-1\nu-3\nu-1\n", {}, [1, 0, 1, 0], [0, 0, 0, 0]),
        ("user_id;amount\nu-1;10,5\nu-1;2\nu-9;3\n", {}, [1, 0, 0, 0], [12.5, 0, 0, 0]),
        ("who,bought,eur\nu-1,no,\nu-2,yes,7\nu-2,no,1\n", {"user": "who", "outcome": "bought", "amount": "eur"},
         [0, 1, 0, 0], [0, 8, 0, 0]),
        ("user_id,outcome\nu-1,1\nu-2,0\nu-3,\n", {}, [1, 0, 0, 0], [0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_outcomes_are_read_from_every_form(
    tiny_workspace: Workspace, tmp_path: Path, content: str, columns: dict[str, str], converted: list[int],
    amounts: list[float],
) -> None:  # fmt: skip
    (tmp_path / "did.csv").write_text(content)
    assigned = pl.Series("user_id", ["u-1", "u-2", "u-3", "u-4"])
    read = read_outcomes(tmp_path / "did.csv", assigned, tiny_workspace, Columns(**columns))
    assert read.users["converted"].to_list() == [bool(each) for each in converted]
    assert read.users["amount"].to_list() == amounts


@pytest.mark.parametrize(
    ("content", "columns", "problem"),
    [
        ("a,b\n1,2\n", {}, "no column user_id"),
        ("user_id,outcome\n1,maybe\n", {}, "'maybe'"),
        ("user_id,amount\n1,much\n", {}, "are no numbers: 'much'"),
        ("user_id\n1\n", {"amount": "price"}, "no column 'price'"),
    ],
)
def test_outcomes_that_cannot_be_read_are_refused(
    tiny_workspace: Workspace, tmp_path: Path, content: str, columns: Any, problem: str
) -> None:
    (tmp_path / "did.csv").write_text(content)
    with pytest.raises(FindCLIError, match=problem):
        read_outcomes(tmp_path / "did.csv", pl.Series("user_id", [1, 2]), tiny_workspace, Columns(**columns))


def test_json_holds_all_that_is_printed(
    tiny_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = saved(tiny_workspace, 1_000, 0.2, prefix="kunde ")
    table = tmp_path / "did.csv"
    happened(frame, table, lift=0.5)
    with_amounts = pl.read_csv(table).with_columns(amount=pl.lit(2.5))
    with_amounts.write_csv(table)
    out, _ = run(capsys, tiny_workspace, "lift", "spring", str(table), "--json")
    done = json.loads(out)
    assert done["reached"]["users"] + done["held_out"]["users"] == 1_000
    assert done["reached"]["converted"] + done["held_out"]["converted"] == len(with_amounts)
    assert done["amounts"]["reached"] == pytest.approx(2.5 * done["reached"]["converted"] / done["reached"]["users"])
    assert len(done["tenths"]) == 10
    assert done["ratio_p"] > 0.001
    assert "kunde" not in out
