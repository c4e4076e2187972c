"""`findcli benchmark transfer`: what a ranker trained in one workspace is worth in another, with few users and many.

Each way ranks the same held-out users of the second workspace for every kind of sentence (`every_kind.py`):

  native       trained on its users alone
  transferred  the other workspace's weights, as they are: no label of this one is read
  adapted      trained on its users from the other workspace's weights
  untrained    the weights that ship with findcli, as they are
  counts, trees  the native training's recency-weighted count and boosted trees
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from findcli.errors import FindCLIError
from findcli.evaluation.benchmark.every_kind import EveryKind, rank_every_kind
from findcli.evaluation.benchmark.kind_comparisons import OWN
from findcli.evaluation.variants import NO_VECTOR, Variant, train_variant
from findcli.metrics import Interval, interval
from findcli.models.ranker.start import NONE
from findcli.progress import Progress, no_progress
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace

SIZES = (100, 300, 1000, 0)  # users that train; 0 is all
NATIVE, TRANSFERRED, ADAPTED, UNTRAINED, BEST_COUNTER = "native", "transferred", "adapted", "untrained", "best counter"
OF_NATIVE = {"counts": "its counts", "trees": "its trees"}


@dataclass(frozen=True)
class TransferRow:
    """One way of ranking with so many training users.

    Attributes:
        by: its name.
        users: number of users that train; 0 is all.
        auc: mean over the kinds of sentences.
        less_native: its difference from the native training with as many users.
    """

    by: str
    users: int
    auc: Interval
    less_native: Interval


def transfer(
    source: Workspace,
    workspace: Workspace,
    *,
    sizes: Sequence[int] = SIZES,
    device: str = "auto",
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> list[TransferRow]:
    """Compare the ways of ranking a workspace's held-out users.

    Args:
        source: the workspace whose ranker is transferred; trained.
        workspace: the workspace of the users; its stages before the alignment are up to date.
        sizes: numbers of users that train; 0 is all.
        device: "auto", "cpu", "cuda" or "mps".
        progress_for: makes, from a stage's name, the context whose progress is called after each of its steps.

    Raises:
        FindCLIError: the source has no trained ranker, or a stage of the workspace is missing.
    """
    weights = source.run("aligned") / "ranker.safetensors"
    if not weights.is_file():
        hint = f"train it with: findcli run --workspace {source.folder}"
        raise FindCLIError(f"{source.folder} has no trained ranker", hint=hint)
    rows = []
    for users in sizes:
        forms: dict[str, dict[str, Any]] = {
            NATIVE: {"start": NONE},
            TRANSFERRED: {"start": str(weights), "steps": 0, "candidate": "start"},
            ADAPTED: {"start": str(weights)},
            UNTRAINED: {"steps": 0, "candidate": "start"},
        }
        measured: dict[str, EveryKind] = {}
        for name, ranker in forms.items():
            changes = {"align": NO_VECTOR, "ranker": {**ranker, "users": users}}
            variant = Variant(f"transfer-{name}-{users}", name, changes)
            form, _ = train_variant(workspace, variant, device=device, progress_for=progress_for)
            measured[name] = rank_every_kind(open_engine(form, as_of=form.train_until, device=device))
        rows += _rows(measured, users)
    return rows


def _rows(measured: dict[str, EveryKind], users: int) -> list[TransferRow]:
    native = measured[NATIVE]
    replicates = {name: one.replicates[OWN] for name, one in measured.items()}
    replicates |= {name: native.replicates[by] for name, by in OF_NATIVE.items() if by in native.replicates}
    counters = [name for name in native.replicates if name != OWN and not name.startswith("its ")]
    best = max(counters, key=lambda name: native.replicates[name][0])
    replicates[f"{BEST_COUNTER} ({best})"] = native.replicates[best]
    own = replicates[NATIVE]
    return [TransferRow(name, users, interval(each), interval(each - own)) for name, each in replicates.items()]
