"""Who is held out of an experiment: a keyed hash of the experiment's name and the user, the same at every refresh.

The key is drawn at random once a workspace and kept in `audiences/experiments.json`, beside each experiment's share. It
has nothing to do with the split of training, so that held-out users are no better or worse known to the model. A share
is never changed: users who were reached would become users who were not.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.data.people import groups_of
from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import locked, replacing
from findcli.workspace.folder import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        name: its name.
        share: the share of users who are held out, in (0, 1).
        salt: the workspace's key, in hexadecimal.
    """

    name: str
    share: float
    salt: str

    def held_out(self, workspace: Workspace, users: pl.Series) -> np.ndarray:
        """Who is held out, bool (N,); users who are one person by [split] are on one side."""
        units = groups_of(workspace, users)
        drawn = np.array([_drawn(self.name, self.salt, unit) for unit in units], np.float64)
        held: np.ndarray = drawn < self.share
        return held


def held_apart(
    workspace: Workspace, experiment: Experiment | None, selected: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The selected users who are reached, and those who are held out; None without an experiment."""
    if experiment is None:
        return selected, None
    held = pl.Series(experiment.held_out(workspace, selected["user_id"]), dtype=pl.Boolean)
    return selected.filter(~held), selected.filter(held)


def _drawn(name: str, salt: str, unit: object) -> float:
    """A number in [0, 1) that depends on all three and on nothing else."""
    digest = blake2b(f"{name}\0{unit}".encode(), key=bytes.fromhex(salt), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def parse_share(text: str) -> float:
    """Read "10%" or "0.1" as a share.

    Raises:
        FindCLIError: it is neither, or not above none and below all.
    """
    match = SHARE.fullmatch(text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < share < 1:
        raise FindCLIError(f"{text!r} is no share of users", hint="write such as --holdout 10%")
    return share


def open_experiment(workspace: Workspace, name: str, share: float | None = None) -> Experiment:
    """Open an experiment, or start it.

    Args:
        workspace: keeps its key and share.
        name: its name.
        share: the share to hold out; None for an experiment that was started before.

    Raises:
        FindCLIError: the name is not valid, the experiment has another share, or there is none and no share is given.
    """
    if not NAME.fullmatch(name):
        hint = "use letters, digits, - and _, such as spring-mailing"
        raise FindCLIError(f"{name!r} is not a valid name of an experiment", hint=hint)
    path = experiments_file(workspace)
    kept = _read(path)
    known = kept["experiments"].get(name)
    if known is None and share is None:
        names = ", ".join(kept["experiments"]) or "none"
        hint = f"start it with --holdout 10%; experiments here: {names}"
        raise FindCLIError(f"there is no experiment {name!r} in this workspace", hint=hint)
    if known is not None and share not in (None, known["share"]):
        hint = "leave --holdout out, or name another experiment: a new share would mix who was reached with who was not"
        raise FindCLIError(f"the experiment {name} holds out {known['share']:.3g} of users, not {share:.3g}", hint=hint)
    if known is None:
        kept = _started(path, name, float(share or 0))
        known = kept["experiments"][name]
    return Experiment(name, known["share"], kept["salt"])


def experiments_file(workspace: Workspace) -> Path:
    """Where the key and the shares are kept."""
    return workspace.folder / "audiences" / "experiments.json"


def _started(path: Path, name: str, share: float) -> dict[str, Any]:
    with locked(path):
        kept = _read(path)  # again: another command may have started one since
        entry = {"share": share, "started": datetime.now(UTC).isoformat(timespec="seconds")}
        kept["experiments"].setdefault(name, entry)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return kept


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"salt": secrets.token_hex(16), "experiments": {}}
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if bytes.fromhex(kept["salt"]) and isinstance(kept["experiments"], dict):
            return kept
        raise ValueError("there is no key in it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "restore it from a copy: without its key, who is held out cannot be known again"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
