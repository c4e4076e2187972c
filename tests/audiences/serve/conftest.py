"""The application over a small trained workspace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from findcli.audiences.serve.answers import Answers
from findcli.audiences.serve.app import guarded
from findcli.workspace.folder import Workspace, load_workspace


@pytest.fixture(scope="module")
def served(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace that the application answers about."""
    return load_workspace(shutil.copytree(trained_template, tmp_path_factory.mktemp("served") / "workspace"))


@pytest.fixture(scope="module")
def answers(served: Workspace) -> Answers:
    return Answers(served, device="cpu")


@pytest.fixture(scope="module")
def client(answers: Answers) -> Iterator[TestClient]:
    with TestClient(guarded(answers, hosts=["testserver"])) as opened:  # type: ignore[arg-type]
        yield opened
