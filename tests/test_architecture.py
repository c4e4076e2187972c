"""What holds of the code as a whole: style, types, who imports whom, and one version."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import findcli

ROOT = Path(__file__).parent.parent
LAYERS = "from importlinter.cli import lint_imports_command as lint; lint()"


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(["-m", "ruff", "check", "."], id="style"),
        pytest.param(["-m", "ruff", "format", "--check", "."], id="format"),
        pytest.param(["-c", LAYERS], id="layers"),
        pytest.param(["-m", "mypy"], id="types", marks=pytest.mark.slow),
    ],
)
def test_the_whole_tree_passes(check: list[str]) -> None:
    found = subprocess.run([sys.executable, *check], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_version_is_the_newest_of_the_changelog() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(name for name in headings if name != "Unreleased") == findcli.__version__
