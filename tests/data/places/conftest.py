"""One small table of orders, and the servers it can lie at."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from findcli.data.events import build_events
from findcli.workspace.folder import Workspace, load_workspace, write_settings

PASSWORD = "p%40ss w/rd"  # as it has to be written in a URL, with the space escaped below
Make = Callable[..., Workspace]


@pytest.fixture
def orders() -> pl.DataFrame:
    """Twenty users with orders on twelve days each: user, day, product, price."""
    start = datetime(2024, 1, 1, 8)
    rows = [
        (user, start + timedelta(days=7 * week, hours=user), f"thing {(user + week) % 5}", round(1.1 * week + user, 2))
        for user in range(20)
        for week in range(12)
    ]
    return pl.DataFrame(rows, schema=["customer", "day", "product", "price"], orient="row").with_columns(
        pl.col("customer").cast(pl.Int64)
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a workspace whose one source lies where the keywords say."""

    def of(name: str = "shop", **place: Any) -> Workspace:
        source = {
            "name": "orders", "families": ["purchase"], "user": "customer", "time": "day", "item": "product",
            "amount": "price", **place,
        }  # fmt: skip
        values = {"windows": {"train_until": datetime(2024, 3, 1)}, "sources": [source]}
        return write_settings(tmp_path / name, values, header="a test")

    return of


@pytest.fixture
def again() -> Callable[[Workspace], Workspace]:
    """Open a workspace as the next command does: every place is asked anew."""
    return lambda workspace: load_workspace(workspace.folder)


@pytest.fixture
def events_of_a_file(make: Make, orders: pl.DataFrame) -> dict[str, str]:
    """The event log's files, each with its digest, where the same orders lie in a Parquet file."""
    workspace = make("file", path="orders.parquet")
    orders.write_parquet(workspace.folder / "orders.parquet")
    return build_events(workspace).manifest.files


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them off the path."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real server on loopback, in a folder of its own; its password has all that URLs escape."""
    programs = _programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="findcli-postgres-", dir="/tmp"))
    data, secret, port = folder / "data", folder / "password", free_port()
    secret.write_text("p@ss w/rd\n")
    run_as: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("nobody")
        run_as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        for path in (folder, secret):
            os.chown(path, user.pw_uid, user.pw_gid)

    def program(name: str, *words: str) -> None:
        done = subprocess.run([*run_as, str(programs / name), *words], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    try:
        program(
            "initdb", "-D", str(data), "-U", "findcli", "-E", "UTF8", "--no-locale", "--no-sync",
            "--auth=scram-sha-256", f"--pwfile={secret}",
        )  # fmt: skip
        with (folder / "log").open("w") as log:
            words = [*run_as, str(programs / "pg_ctl"), "-D", str(data), "-o", options, "-w", "start"]
            subprocess.run(words, check=True, stdout=log, stderr=log, cwd=folder)
        yield f"postgresql://findcli:{PASSWORD.replace(' ', '%20').replace('/', '%2F')}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*run_as, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)
