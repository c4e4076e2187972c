"""Speed is measured beside a counterpart, in processes of their own, and compared with an earlier benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.speed import measure, processes, rows, sides
from findcli.workspace.folder import Workspace


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


def records(row: str, ours: list[float], theirs: list[float]) -> pl.DataFrame:
    """CPU seconds of both sides of a row; the wall time is twice as long."""
    made = [
        {"row": row, "side": side, "repetition": i, "wall": 2 * cpu, "cpu": cpu, "peak": 10, "items": 0, "note": ""}
        for side, values in ((measure.OURS, ours), (measure.THEIRS, theirs))
        for i, cpu in enumerate(values)
    ]
    return pl.DataFrame(made, schema=measure.SCHEMA)


def test_a_ratio_is_that_of_neighbouring_runs() -> None:
    (help_row,) = measure.summarise(records("help", [1.0, 8.0, 3.0], [1.0, 4.0, 1.0]))
    assert help_row.ratios["cpu"] == measure.Spread(2.0, 1.0, 3.0)
    assert help_row.ours["cpu"] == measure.Spread(3.0, 1.0, 8.0)
    assert help_row.within is False


def test_a_counterpart_counts_what_it_worked_through() -> None:
    frame = records("embed", [1.0], [10.0]).with_columns(
        items=pl.when(pl.col("side") == measure.OURS).then(100).otherwise(10)
    )
    (embed,) = measure.summarise(frame)
    assert embed.ratios["cpu"].value == pytest.approx(0.01)
    assert embed.within is True


def test_only_what_both_spreads_cannot_explain_is_slower() -> None:
    then = records("help", [1.0, 1.2], [1.0, 1.0])
    assert not any(change.slower for change in measure.compare(records("help", [1.1, 1.3], [1.0, 1.0]), then))
    slower = [c for c in measure.compare(records("help", [1.5, 1.6], [1.0, 1.0]), then) if c.slower]
    assert {(c.row, c.measure, c.relative) for c in slower} == {("help", "cpu", True), ("help", "wall", True)}
    busy = records("help", [3.0, 3.6], [3.0, 3.0])  # both sides wait for the same machine
    assert not any(change.slower for change in measure.compare(busy, then))


def test_a_process_is_measured_whole_or_by_the_part_that_it_names(tmp_path: Path) -> None:
    part = tmp_path / "part.json"
    code = f'block = b"x" * 80_000_000; open({str(part)!r}, \'w\').write(\'{{"wall": 5, "cpu": 4, "items": 3}}\')'
    whole = processes.measure(processes.Command(words=[sys.executable, "-c", code], folder=tmp_path), tmp_path)
    assert whole.peak > 80_000_000
    assert 0 < whole.cpu < 60
    named = processes.Command(words=[sys.executable, "-c", code], folder=tmp_path, part=part)
    cost = processes.measure(named, tmp_path)
    assert (cost.wall, cost.cpu, cost.items) == (5, 4, 3)


def test_a_process_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    failing = processes.Command(words=[sys.executable, "-c", "raise SystemExit('no disk')"], folder=tmp_path)
    with pytest.raises(FindCLIError, match="exit code 1: no disk"):
        processes.measure(failing, tmp_path)


def test_users_are_multiplied_under_other_ids(tmp_path: Path) -> None:
    for ids in ([1, 7], ["a", "b"]):
        file = tmp_path / f"{ids[0]}.parquet"
        pl.DataFrame({"user": ids, "amount": [1.0, 2.0]}).write_parquet(file)
        rows.multiply_users(file, "user", times=3)
        larger = pl.read_parquet(file)
        assert larger["user"].n_unique() == len(larger) == 6
        assert larger["amount"].sum() == 9


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(FindCLIError, match="no row 'helm'"):
        measure.chosen_rows(["helm"], quick=True)
    assert not any(row.long for row in measure.chosen_rows([], quick=True))


def test_every_work_counts_what_it_worked_through(trained_workspace: Workspace, tmp_path: Path) -> None:
    for name in sorted(set(sides.WORKS) - {"coles", "rank by faiss"}):
        result = tmp_path / "part.json"
        sides.main(name, str(trained_workspace.folder), str(result), "quick")
        cost = json.loads(result.read_text())
        assert cost["items"] > 0, name
        assert cost["wall"] > 0, name


def test_the_command_measures_and_compares(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "find_spec", lambda _: None)
    file = tmp_path / "speed.parquet"
    words = ["benchmark", "speed", "--workspace", str(trained_workspace.folder), "--quick", "--repetitions", "1", "-q"]
    only = ["--only", "help", "--only", "ranking"]
    assert exit_code(*words, *only, "-o", str(file)) == 0
    assert "not installed: pip install faiss-cpu" in capsys.readouterr().err
    assert set(pl.read_parquet(file)["row"]) == {"help", "ranking"}
    assert exit_code(*words, "--only", "help", "--compare", str(file), "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in plain["rows"]] == ["help"]
    assert {change["measure"] for change in plain["changes"]} == {"wall", "cpu", "peak"}
    assert exit_code(*words, "--only", "help", "--compare", str(tmp_path / "none.parquet")) == 1
    assert "holds no earlier measurements" in capsys.readouterr().err
