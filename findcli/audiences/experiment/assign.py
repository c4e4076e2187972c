"""Who is held out of an experiment: a keyed hash of the experiment's name and the user, the same at every refresh.

The key is the workspace's own (`workspace/key.py`); `audiences/experiments.json` keeps each experiment's share. Neither
has anything to do with the split of training, so that held-out users are no better or worse known to the model. A share
is never changed: users who were reached would become users who were not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from findcli.data.people import groups_of
from findcli.errors import FindCLIError, first_line
from findcli.workspace.disk import locked, replacing
from findcli.workspace.folder import Workspace
from findcli.workspace.key import keyed_hash, workspace_key

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        name: its name.
        share: the share of users who are held out, in (0, 1).
    """

    name: str
    share: float

    def held_out(self, workspace: Workspace, users: pl.Series) -> np.ndarray:
        """Who is held out, bool (N,); users who are one person by [split] are on one side."""
        key, purpose = workspace_key(workspace), f"experiment {self.name}"
        drawn = [int(keyed_hash(key, purpose, unit)[:13], 16) for unit in groups_of(workspace, users)]
        held: np.ndarray = np.array(drawn, np.float64) < self.share * 16**13  # 52 bits, which a float holds exactly
        return held


def grouped(reached: pl.DataFrame, held_out: pl.DataFrame | None) -> pl.DataFrame:
    """Both in one table, by rank, with a column `group`: "target" or "control"; null without an experiment."""
    if held_out is None:
        return reached.with_columns(group=pl.lit(None, pl.String))
    parts = (reached.with_columns(group=pl.lit("target")), held_out.with_columns(group=pl.lit("control")))
    return pl.concat(parts).sort("rank")


def held_apart(
    workspace: Workspace, experiment: Experiment, selected: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The selected users who are reached, and those who are held out."""
    held = pl.Series(experiment.held_out(workspace, selected["user_id"]), dtype=pl.Boolean)
    return selected.filter(~held), selected.filter(held)


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
    """Open an experiment, or start it; arguments and errors as for `find_experiment`."""
    experiment = find_experiment(workspace, name, share)
    start(workspace, experiment)
    return experiment


def find_experiment(workspace: Workspace, name: str, share: float | None = None) -> Experiment:
    """An experiment that was started before, or a new one, which `start` has yet to keep.

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
    kept = _read(workspace)
    known = kept["experiments"].get(name)
    if known is None and share is None:
        names = ", ".join(kept["experiments"]) or "none"
        hint = f"start it with --holdout 10%; experiments here: {names}"
        raise FindCLIError(f"there is no experiment {name!r} in this workspace", hint=hint)
    if known is not None and share not in (None, known["share"]):
        hint = "leave --holdout out, or name another experiment: a new share would mix who was reached with who was not"
        raise FindCLIError(f"the experiment {name} holds out {known['share']:.3g} of users, not {share:.3g}", hint=hint)
    return Experiment(name, float(share or 0) if known is None else known["share"])


def running(workspace: Workspace) -> list[Experiment]:
    """The experiments that were started."""
    if not experiments_file(workspace).exists():
        return []
    return [Experiment(name, kept["share"]) for name, kept in _read(workspace)["experiments"].items()]


def held_by_others(workspace: Workspace, users: pl.Series, experiment: Experiment | None) -> dict[str, int]:
    """How many of some users each other running experiment holds out; those that hold out none are left out.

    Raises:
        FindCLIError: as for `running`.
    """
    others = [each for each in running(workspace) if experiment is None or each.name != experiment.name]
    held = {each.name: int(each.held_out(workspace, users).sum()) for each in others}
    return {name: count for name, count in held.items() if count}


def experiments_file(workspace: Workspace) -> Path:
    """Where the shares are kept."""
    return workspace.audiences / "experiments.json"


def start(workspace: Workspace, experiment: Experiment) -> None:
    """Keep an experiment's share, if that is not done yet.

    Raises:
        FindCLIError: the file cannot be read or written, or another command is writing it.
    """
    path = experiments_file(workspace)
    if experiment.name in _read(workspace)["experiments"]:
        return
    with locked(path):
        kept = _read(workspace)  # again: another command may have started one since
        entry = {"share": experiment.share, "started": datetime.now(UTC).isoformat(timespec="seconds")}
        kept["experiments"].setdefault(experiment.name, entry)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def _read(workspace: Workspace) -> dict[str, Any]:
    """The experiments by name, and a mark of the key that they were started with.

    Raises:
        FindCLIError: the file cannot be read, or the key is another one now.
    """
    path, mark = experiments_file(workspace), keyed_hash(workspace_key(workspace), "mark", "of the key")
    if not path.exists():
        return {"key": mark, "experiments": {}}
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        changed = kept["key"] != mark
        dict(kept["experiments"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "bring the file back from a backup"
        raise FindCLIError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error
    if changed:
        hint = f"bring {path.with_name('key')} back from a backup; without it nobody knows who was held out"
        raise FindCLIError("the workspace's key is not the one that its experiments were started with", hint=hint)
    return kept
