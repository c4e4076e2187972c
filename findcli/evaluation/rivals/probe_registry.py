"""The rivals of the linear probe by name, and the inputs that a workspace gives them.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from findcli.data import events, profiles
from findcli.data.splits import held_out_users
from findcli.data.templates import is_search
from findcli.evaluation.name_selection import chosen_names
from findcli.evaluation.rivals.aggregates import Aggregates, CategoryCounts
from findcli.evaluation.rivals.cache import computed_or_kept
from findcli.evaluation.rivals.coles import Coles
from findcli.evaluation.rivals.cpc import Cpc
from findcli.evaluation.rivals.handmade import PREFIX, HandMade, handmade_of
from findcli.evaluation.rivals.msdp import Msdp
from findcli.evaluation.rivals.one4all import One4all
from findcli.evaluation.rivals.probe_inputs import Head, Representation, UserInputs
from findcli.evaluation.rivals.stage_one import Concatenated, TabTransformer, TextModel
from findcli.evaluation.untrained import stage_one_vectors
from findcli.models.find.assemble import encoder_names
from findcli.models.text.space import TextSpace
from findcli.models.weights import select_device
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, hash_json, open_run

HEADS: tuple[Head, ...] = ("linear", "boosted")
PROBE_RIVALS: dict[str, tuple[Representation, ...]] = {
    "aggregates": (Aggregates(), Aggregates(logs=True)),
    "category_counts": (CategoryCounts(), CategoryCounts(head="boosted")),
    "handmade": tuple(
        HandMade(events=events, attributes=attributes, head=head)
        for events, attributes in ((False, True), (True, False), (True, True))
        for head in HEADS
    ),
    "coles": (Coles(),),
    "cpc": (Cpc(),),
    "msdp": (Msdp(),),
    "one4all": (One4all(), One4all(head="perceptron")),
    "tabtransformer": (TabTransformer(),),
    "text_model": (TextModel(),),
    "concatenation": (Concatenated(),),
}
SECONDS = 900.0


@dataclass(frozen=True)
class RivalVectors:
    """One rival's vectors of the users.

    Attributes:
        name: its name in tables.
        head: the model that is fitted to its vectors.
        vectors: float32 (U, D); None if it did not finish.
        seconds: the time it took when it was computed.
        note: why it did not finish; "" if it did.
    """

    name: str
    head: Head
    vectors: np.ndarray | None
    seconds: float
    note: str = ""


def chosen_rivals(wanted: str) -> tuple[Representation, ...]:
    """The rivals that "all", "none" or comma-separated names stand for.

    Raises:
        FindCLIError: a name is unknown.
    """
    words = [word.strip() for word in wanted.split(",")]
    of_sources = {word: handmade_of(word) for word in words if word.startswith(PREFIX)}
    names = chosen_names(wanted, {**PROBE_RIVALS, **of_sources}, what="rival of the probe")
    return tuple(rival for name in names for rival in {**PROBE_RIVALS, **of_sources}[name])


def user_inputs(
    workspace: Workspace,
    log: Run,
    as_of: datetime,
    users: pl.Series,
    *,
    without_sources: Sequence[str] = (),
    device: str = "auto",
) -> UserInputs:
    """Everything of a workspace that a rival may see, as of a date.

    Args:
        workspace: the workspace of the users.
        log: the event log.
        as_of: histories end before it.
        users: ids of the users to encode, ascending.
        without_sources: sources whose events are left out.
        device: the device of the workspace's own encoders.
    """
    windows = workspace.settings.windows
    read = [events.read_part(log, part, before=as_of) for part in events.parts(log)]
    log_before = pl.concat(read, how="diagonal_relaxed").filter(~pl.col("source").is_in(list(without_sources)))
    log_before = log_before.sort("user_id", "time", maintain_order=True)
    everybody = log_before["user_id"].unique().sort()
    held = held_out_users(workspace, everybody)
    named = [column.name for column in profiles.profile_columns(workspace.settings.profile)]
    text = open_run(workspace.run("text"), "text")
    runs = [text, *(open_run(workspace.run(name), name) for name in encoder_names(workspace))]
    return UserInputs(
        events=log_before, users=users, training_users=everybody.filter(~everybody.is_in(list(held))),
        train_until=workspace.train_until, as_of=as_of, history=parse_duration(windows.history),
        step=parse_duration(workspace.settings.sequence.step),
        searches=[source.name for source in workspace.settings.sources if is_search(source)],
        profiles=profiles.profiles_as_of(workspace, log_before, users, as_of).drop("user_id"),
        attributes=[c for c in named if c not in {a.name for a in workspace.settings.profile.aggregates}],
        text_vectors=TextSpace(text, device=str(select_device(device))).vectors,
        stage_one=partial(
            stage_one_vectors, workspace, log, as_of, without_sources=tuple(without_sources), device=device
        ),
        digests={run.manifest.kind: run.manifest.digest() for run in runs},
        seed=workspace.settings.workspace.seed,
    )  # fmt: skip


def rival_vectors(
    rival: Representation, inputs: UserInputs, folder: Path, *, seconds: float, digest: str
) -> RivalVectors:
    """A rival's vectors, read from disk if they are there; rivals that differ only in their head share them.

    Args:
        rival: the rival.
        inputs: everything that it may see.
        folder: the folder of kept vectors.
        seconds: the time limit.
        digest: digest of the inputs.
    """
    settings = {name: value for name, value in vars(rival).items() if name != "head"}
    path = folder / f"{hash_json([type(rival).__name__, rival.version, settings, digest])}.safetensors"
    kept = computed_or_kept(
        path, "vectors", lambda keep_time: rival.vectors(replace(inputs, keep_time=keep_time)), seconds=seconds
    )
    return RivalVectors(rival.name, rival.head, kept.array, kept.seconds, kept.note)
