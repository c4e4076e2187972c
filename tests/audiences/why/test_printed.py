"""What `--why` prints: words of history, and errors that name the user."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from findcli.audiences.why.user import Event, Reasons
from findcli.cli.why import Explained
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code


def test_parts_that_count_for_nothing_are_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event(datetime(2024, 9, 1), "The user purchased anything.", 1, -0.5)
    shares = {"how often": 2.0, "when": -0.5, "similar things": 0.01}
    Explained((), (Reasons("u7", 1.0, 0.5, (event,), True, shares),), 12, "user").print()
    printed = capsys.readouterr().out
    assert "what counts: how often 80%; when 20% against\n" in printed
    assert "2024-09-01  purchased something\n" in printed


def test_reasons_are_told_in_words_of_history(trained_workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    here = ["--workspace", str(trained_workspace.folder), "--as-of", "2024-09-09", "--device", "cpu"]
    demand = ["target", "The user purchased tea.", "--top-k", "12", *here]
    assert exit_code(*demand, "--why") == 0
    printed = capsys.readouterr().out
    assert "the audience" in printed
    assert "2024-" in printed
    assert "because" not in printed
    assert exit_code(*demand, "--json", "--why") == 0
    (audience,) = json.loads(capsys.readouterr().out)
    assert len(audience["why"]["users"]) == 3
    assert exit_code(*demand, "--why-user", "no-such-user") == 1
    assert "no-such-user" in capsys.readouterr().err
    assert exit_code("target", "--prompt", "x", "--why", *here) == 2
