"""What moved since a saved audience was chosen: its scores and their inputs at both dates, as far as they are stored.

Tested in tests/audiences/experiment/test_drift.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.experiment.drift import Drift, drift_of
from findcli.audiences.manifest_details import who_was_left_out
from findcli.audiences.saved import Record
from findcli.audiences.target import target
from findcli.data.profile_codes import ColumnCodes
from findcli.errors import FindCLIError
from findcli.models.user_summary import MOST_VALUES
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import read_manifest

ACTIVITY = "how active users are"


def drift_since(workspace: Workspace, record: Record) -> tuple[Drift | None, str | None]:
    """The drift between an audience's date and the newest embeddings, or why it cannot be told.

    The same users are looked at as were ranked then: without those who object or were left out, by the same filter.
    Nothing is embedded: both dates must be there.

    Args:
        workspace: of the audience.
        record: its manifest.
    """
    if record.as_of is None or len(record.demands) != 1:
        return None, None
    then = datetime.fromisoformat(record.as_of).astimezone(UTC).replace(tzinfo=None)
    folder = Path(record.model.get("folder", workspace.folder))
    model = None if folder == workspace.folder else load_workspace(folder)
    if read_manifest(workspace.embeddings(then, model=model)) is None:
        return None, f"what moved since {then:%Y-%m-%d} is not known: the users as of that date are no longer stored"
    now = open_engine(workspace, model=model).as_of
    if now <= then:
        return None, None
    try:
        who_not = replace(who_was_left_out(workspace, record.details), keep_seeds=True)
        sides = [_scores_and_inputs(workspace, record, model, date, who_not) for date in (then, now)]
    except FindCLIError as error:
        return None, f"what moved since {then:%Y-%m-%d} is not known: {error.message}"
    (scores, inputs), (new_scores, new_inputs) = sides
    pairs = {name: (inputs[name], new_inputs[name]) for name in inputs if name in new_inputs}
    return drift_of(then, now, (scores, new_scores), pairs), None


def _scores_and_inputs(
    workspace: Workspace, record: Record, model: Workspace | None, date: datetime, who_not: WhoNot
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    asked: dict[str, Any] = {"prompt": record.prompt} if record.prompt is not None else {"demands": record.demands}
    again = {**record.details.get("asked", {}), "who_not": who_not, "as_of": date, "model": model}
    (audience,) = target(workspace, **asked, **again)
    engine = open_engine(workspace, as_of=date, model=model)
    kept = engine.users.is_in(audience.ranking["user_id"].implode()).to_numpy()
    return audience.ranking["score"].to_numpy(), _inputs(engine, kept)


def _inputs(engine: Engine, kept: np.ndarray) -> dict[str, np.ndarray]:
    """What scores come from, by name: columns of the profile as the model has them, and how active users are."""
    tensors = engine.population.tensors
    inputs = {}
    if "profile" in tensors:
        inputs = _by_column(engine.model.columns.columns, tensors["profile"][kept])
    if "activity" in tensors:
        inputs[ACTIVITY] = tensors["activity"][kept][:, 0]
    return inputs


def _by_column(columns: Sequence[ColumnCodes], numbers: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of a profile by column: of a column of values, which of them it is, 0 for another or none."""
    inputs, start = {}, 0
    for column in columns:
        width = min(len(column.values), MOST_VALUES) if column.values else 1
        block = numbers[:, start : start + width]
        inputs[column.name] = (block * np.arange(1, width + 1)).sum(1) if column.values else block[:, 0]
        start += width
    return inputs
