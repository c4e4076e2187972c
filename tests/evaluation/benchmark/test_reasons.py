"""The reasons of a workspace, judged by what deleting them costs."""

from __future__ import annotations

import pytest

from findcli.evaluation.benchmark.reasons import measure_reasons
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code


def test_named_events_cost_more_than_random_ones(
    trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    named = measure_reasons(trained_workspace, users=2, sentences=2, device="cpu")
    assert named.users == named.sentences * 2
    assert named.named > 0
    assert named.more_than_random.value > 0
    assert named.more_than_recent.value >= 0
    assert exit_code("benchmark", "reasons", "--users", "1", "--workspace", str(trained_workspace.folder)) == 0
    assert "more than random ones" in capsys.readouterr().out
