"""What a run takes is predicted by lines fitted to finished runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.workspace import cost
from findcli.workspace.cost import Observed, Sizes
from findcli.workspace.folder import load_workspace
from findcli.workspace.usage import Usage


def observed(users: int, *, fixed: float = 40.0, an_event: float = 1e-5) -> Observed:
    events = 170 * users
    cpu = {"events": an_event * events, "aligned": fixed, "embeddings": 2 + an_event * events}
    return Observed(Sizes(users, events), cpu, int(5e8 + 300 * events))


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


def test_lines_through_two_sizes_predict_a_third() -> None:
    constants = cost.fit([observed(2_000), observed(10_000)], machine="here")
    large = observed(1_000_000)
    expected = cost.predict(constants, large.sizes, cores=2)
    assert expected.cpu_seconds == pytest.approx(sum(large.cpu.values()))
    assert expected.peak == pytest.approx(large.peak)
    assert expected.seconds == pytest.approx(expected.cpu_seconds / 2)
    assert expected.machine_hours == pytest.approx(expected.seconds / 3600)
    assert cost.sizes_for(constants, 100) == Sizes(100, 17_000)


def test_no_part_is_negative() -> None:
    faster = replace(observed(10_000), cpu={"events": 1.0})
    constants = cost.fit([replace(observed(2_000), cpu={"events": 3.0}), faster], machine="here")
    assert constants.cpu["events"].an_event == 0
    steep = cost.fit([replace(observed(2_000), cpu={"events": 1.0}), replace(faster, cpu={"events": 50.0})], machine="")
    assert steep.cpu["events"].fixed == 0


def test_one_size_tells_nothing_about_growth() -> None:
    with pytest.raises(FindCLIError, match="one size"):
        cost.fit([observed(2_000), observed(2_000)], machine="here")
    alone = cost.of_one(observed(2_000), machine="here")
    assert cost.predict(alone, Sizes(4_000, 680_000), cores=1).cpu_seconds == pytest.approx(
        2 * sum(observed(2_000).cpu.values())
    )


def test_constants_survive_their_file(tmp_path: Path) -> None:
    constants = cost.fit([observed(2_000), observed(10_000)], machine="here")
    file = tmp_path / "cost.json"
    file.write_text(constants.to_json())
    assert cost.read_constants(file) == constants
    file.write_text("{}")
    with pytest.raises(FindCLIError, match="holds no constants"):
        cost.read_constants(file)


def test_work_is_measured() -> None:
    used = Usage()
    assert sum(i * i for i in range(300_000)) > 0
    assert 0 < used.cpu_seconds < 60
    assert used.peak_bytes > 10_000_000


def test_the_commands_fit_and_predict(
    finished_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = (shutil.copytree(finished_template, tmp_path / name) for name in ("small", "large"))
    for manifest in large.glob("runs/**/manifest.json"):
        plain = json.loads(manifest.read_text())
        plain["cpu_seconds"] *= 2
        if plain["kind"] == "events":
            plain["metrics"]["rows"] *= 4
        manifest.write_text(json.dumps(plain))
    file = tmp_path / "cost.json"
    assert exit_code("benchmark", "cost", str(small), str(large), "--check", str(large), "-o", str(file)) == 0
    assert "(+0%)" in capsys.readouterr().out
    asked = ["run", "--workspace", str(small), "--dry-run", "--cost"]
    assert exit_code(*asked, "--constants", str(file), "--users", "1000", "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    own = cost.observe(load_workspace(small)).sizes
    assert plain["sizes"] == {"users": 1000, "events": round(1000 * own.events / own.users)}
    assert plain["cpu_seconds"] > 0
    assert exit_code(*asked) == 0
    assert "as if all of it grew" in capsys.readouterr().err
    assert exit_code("run", "--workspace", str(small), "--cost") == 2
