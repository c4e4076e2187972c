"""The benchmark's sections beside the ranking of sentences, and which rivals each of them has."""

from __future__ import annotations

from collections.abc import Sequence

from findcli import probe_rivals
from findcli.baselines.inputs import Ranker
from findcli.baselines.user_inputs import Representation
from findcli.choices import chosen_names
from findcli.linear_probe import measure_tasks, task_names
from findcli.probe_comparison import Compared, compare
from findcli.progress import Progress
from findcli.ranking_benchmark import rivals
from findcli.workspace.folder import Workspace


def chosen_rivals(wanted: str) -> tuple[tuple[Ranker, ...], tuple[Representation, ...]]:
    """The rankers of sentences and the rivals of the probe that "all", "none" or names stand for.

    Raises:
        FindCLIError: a name is neither's.
    """
    names = chosen_names(wanted, [*rivals.RIVALS, *probe_rivals.RIVALS], what="rival")
    return (
        tuple(one for name in names for one in rivals.RIVALS.get(name, ())),
        tuple(one for name in names for one in probe_rivals.RIVALS.get(name, ())),
    )


def probe_splits(
    workspaces: Sequence[Workspace],
    described: Sequence[Representation],
    *,
    seconds: float,
    device: str = "auto",
    progress: Progress | None = None,
) -> Compared:
    """The linear probe of every task of every split, beside its rivals.

    Args:
        workspaces: one a split, trained.
        described: the rivals.
        seconds: what a rival may take for one split.
        device: "auto", "cpu", "cuda" or "mps".
        progress: told after each task of a split.

    Raises:
        FindCLIError: a workspace has no tasks, or a task cannot be used.
    """
    found = [
        measure_tasks(
            workspace, task_names(workspace, "all"), rivals=described, seconds=seconds, device=device, progress=progress
        )
        for workspace in workspaces
    ]
    return compare([workspace.settings.split.salt for workspace in workspaces], found)
