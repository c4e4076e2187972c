"""What `--why` prints: words of history, and errors that name the user."""

from __future__ import annotations

import json

import pytest

from findcli.cli.why import in_words
from findcli.workspace.folder import Workspace
from tests.evaluation.benchmark.test_run import exit_code


def test_a_sentence_becomes_something_that_was_done() -> None:
    assert in_words("The user purchased tea.", "user") == "purchased tea"


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
