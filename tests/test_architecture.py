"""What holds for the code as a whole: style, types, who imports whom, one version, and where modules are tested."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import findcli

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for path in (ROOT / "findcli").rglob("*.py") if path.name != "__init__.py")
TESTED_IN = re.compile(r"^Tested in (tests/\S+\.py)\.$", re.MULTILINE)
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


def test_every_module_has_tests_or_says_where() -> None:
    """A module is tested in the file that mirrors its path, or else its docstring names the file: one, not both."""
    wrong = {}
    for path in MODULES:
        module = path.relative_to(ROOT / "findcli")
        mirror = ROOT / "tests" / module.with_name(f"test_{module.name}")
        named = TESTED_IN.findall(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        missing = [name for name in named if not (ROOT / name).is_file()]
        if missing or mirror.is_file() == bool(named):
            wrong[str(module)] = missing or ("named though mirrored" if named else "no tests")
    assert not wrong
