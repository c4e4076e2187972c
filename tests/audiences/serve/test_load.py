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
    new, moved, moving, mixed = (sorted(seconds) for seconds in times.values())
    assert (len(new), len(moved), len(moving), len(mixed)) == (2, 38, 320, 160)
    assert moved[len(moved) // 2] < 1  # of a machine that others share; examples/guide has the figures
    assert moving[int(0.99 * len(moving))] < 10
