"""The stages on a Ray cluster: the bytes of one process, with machines lost at work, drivers killed and heads gone."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from findcli.data import events
from findcli.data.pairs import build_pairs
from findcli.errors import FindCLIError
from findcli.execution.choose import choose_engine
from findcli.execution.local import Local
from findcli.execution.parts import Engine
from findcli.progress import Progress
from findcli.scoring.embed import embed
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import Run

ray_core = pytest.importorskip("ray")
HEALTH = {
    "RAY_health_check_initial_delay_ms": "500", "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000", "RAY_health_check_failure_threshold": "3",
}  # fmt: skip
STORE = 80 * 2**20


@pytest.fixture
def parted(trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A trained workspace whose event log has several partitions."""
    monkeypatch.setattr(events, "ROWS_PER_PART", 500)
    assert len(events.parts(events.build_events(trained_workspace, force=True))) > 3
    return trained_workspace


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of a head without cores and three nodes of one core each, all on this machine."""
    from ray.cluster_utils import Cluster

    for name, value in {**HEALTH, "RAY_USAGE_STATS_ENABLED": "0"}.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={
        "num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False,
    })  # fmt: skip
    for _ in range(3):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    yield cluster
    cluster.shutdown()


def content(run: Run) -> dict[str, str]:
    files = (path for path in run.folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(run.folder).as_posix(): hashlib.blake2b(path.read_bytes()).hexdigest() for path in files}


def made(workspace: Workspace, engine: Engine, progress: Progress | None = None) -> dict[str, str]:
    """What pairs and embeddings hold, made anew by an engine; digests that manifests write are of the same bytes."""
    pairs = build_pairs(workspace, force=True, engine=engine)
    embedded = embed(workspace, as_of=workspace.train_until, device="cpu", force=True, engine=engine, progress=progress)
    assert not list(workspace.runs.rglob("*draft*")), "nothing temporary is left"
    return {f"pairs/{name}": value for name, value in content(pairs).items()} | content(embedded)


def test_two_processes_and_a_cluster_of_its_own_leave_the_bytes_of_one_process(parted: Workspace) -> None:
    one = made(parted, Local(1))
    assert made(parted, Local(2)) == one
    assert made(parted, choose_engine("ray", workers=2)) == one


def test_three_nodes_leave_the_same_bytes_though_one_is_killed_and_another_joins(
    parted: Workspace, cluster: Any
) -> None:
    one = made(parted, Local(1))
    engine = choose_engine("ray", address=cluster.address)
    assert made(parted, engine) == one
    nodes = sorted(cluster.worker_nodes, key=lambda node: str(node.node_id))
    broken: list[int] = []

    def break_it(done: int, _of: int, _figures: Any) -> None:
        if broken:
            return
        broken.append(done)  # others are at work
        own = ray_core.get_runtime_context().get_node_id()  # who loses the driver's own node loses the driver
        first, second = [node for node in nodes if node.node_id != own][:2]
        os.kill(first.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
        cluster.remove_node(second, allow_graceful=False)

    assert made(parted, engine, progress=break_it) == one
    assert broken == [1]


def test_after_a_killed_driver_the_command_goes_on_with_what_is_finished(parted: Workspace) -> None:
    whole = made(parted, Local(1))
    slow = (
        "import sys, time; from pathlib import Path; from findcli.execution import parts\n"
        "from findcli.scoring.embed import embed; from findcli.workspace.folder import load_workspace\n"
        "from findcli.execution import local\n"
        "real = parts.perform_part\n"
        "def perform(task, part, store):\n"
        "    real(task, part, store); print(part, flush=True); time.sleep(.5); return part\n"
        "local.perform_part = perform\n"
        "w = load_workspace(Path(sys.argv[1]))\n"
        "embed(w, as_of=w.train_until, device='cpu', force=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", slow, str(parted.folder)], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        first = driver.stdout.readline().strip()
        driver.kill()
    folder = parted.embeddings(parted.train_until)
    (work,) = folder.with_name(f".{folder.name}.checkpoints").iterdir()
    kept = (work / first / "result.json").stat().st_mtime_ns
    seen: list[int] = []

    def note(done: int, _of: int, _figures: Any) -> None:
        seen.append(done)
        assert (work / first / "result.json").stat().st_mtime_ns == kept, "a finished part is not computed again"

    again = embed(load_workspace(parted.folder), as_of=parted.train_until, device="cpu", force=True, progress=note)
    assert seen[0] > 1
    assert content(again).items() <= whole.items()
    assert not work.exists()


def test_when_the_head_is_lost_the_same_command_ends_the_work_elsewhere(
    parted: Workspace, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(parted, Local(1))
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    code = (
        "import sys; from pathlib import Path; from findcli.execution.choose import choose_engine\n"
        "from findcli.scoring.embed import embed; from findcli.workspace.folder import load_workspace\n"
        "w = load_workspace(Path(sys.argv[1])); e = choose_engine('ray', address=sys.argv[2])\n"
        "tell = lambda *_: print('part', flush=True)\n"
        "embed(w, as_of=w.train_until, device='cpu', force=True, engine=e, progress=tell)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(parted.folder), cluster.address],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as driver:  # fmt: skip
        assert driver.stdout is not None
        assert driver.stdout.readline() == "part\n"
        cluster.head_node.kill_gcs_server()
        assert driver.wait(timeout=120) != 0
    again = embed(parted, as_of=parted.train_until, device="cpu", force=True)
    assert {**whole, **content(again)} == whole
    assert not list(parted.runs.rglob("*draft*"))


def test_a_cluster_that_does_not_answer_is_told_at_once(parted: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(FindCLIError, match=address) as error:
        embed(parted, as_of=parted.train_until, device="cpu", force=True, engine=choose_engine("ray", address=address))
    assert "--engine local" in error.value.hint
    assert time.monotonic() - started < 60


def test_a_cluster_without_ray_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FindCLIError) as error:
        list(choose_engine("ray").perform(lambda *_: None, ["a"], tmp_path))
    assert error.value.hint == 'pip install "findcli[ray]"'
