"""`findcli serve`: it listens on this machine alone unless a token is given, and says what is missing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from findcli.audiences.serve.listen import listening
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

HEAVY = ("fastapi", "uvicorn", "jinja2", "torch", "polars")


def refused(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["serve", *words])
    return int(end.value.code or 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com"])
def test_an_address_that_others_reach_needs_a_token(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused("--host", host) == 2
    assert "add --token" in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize("token", ["short", "with spaces and more", "semi;colon;semi;colon"])
def test_a_token_that_can_be_guessed_is_refused(token: str) -> None:
    assert refused("--token", token) == 2


def test_a_taken_port_is_an_error_with_a_next_step() -> None:
    with listening("127.0.0.1", 0) as socket:
        port = socket.getsockname()[1]
        with pytest.raises(FindCLIError, match=f"cannot listen at 127.0.0.1:{port}"), listening("127.0.0.1", port):
            pass


def test_help_and_import_load_nothing_of_it() -> None:
    script = (
        "import sys, findcli\nfrom findcli.cli.main import main\n"
        "try: main(['serve', '--help'])\nexcept SystemExit: pass\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "loaded []" in done.stdout


def test_without_the_extra_the_error_says_what_to_install(trained_workspace: Workspace) -> None:
    script = (
        "import sys\nsys.modules['uvicorn'] = None\nfrom findcli.cli.main import main\n"
        f"main(['serve', '--workspace', {str(trained_workspace.folder)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "findcli[serve]" in done.stderr


@pytest.mark.slow
def test_the_command_answers_and_stops(trained_workspace: Workspace) -> None:
    words = ["serve", "--port", "0", "--workspace", str(trained_workspace.folder)]
    script = f"from findcli.cli.main import main; main({words!r})"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        (address,) = re.findall(r"http://\S+", line)
        assert line.startswith("60 users")
        with urllib.request.urlopen(address) as answer:
            assert b"Whom do you want to reach?" in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in (0, 130, -signal.SIGINT)
