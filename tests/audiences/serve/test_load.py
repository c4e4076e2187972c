"""The load script in examples/: a crowd is answered, every request of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from findcli.workspace.folder import Workspace

SCRIPT = Path(__file__).parents[3] / "examples"


@pytest.mark.slow
def test_a_crowd_is_answered(trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT))
    from serve_load import main

    times = main(str(trained_workspace.folder), users=5000, clients=8, requests=40)
    sys.modules.pop("serve_load")
    assert len(times["8 at once"]) == 320
    assert sorted(times["8 at once"])[315] < 20  # a machine that others share; examples/guide has the figures
    assert sorted(times["alone, size moved"])[len(times["alone, size moved"]) // 2] < 1
