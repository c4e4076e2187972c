"""The benchmark's sections other than the ranking of sentences, and the rivals of each.

Tested in tests/evaluation/benchmark/test_run.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from findcli.data.tasks import task_names
from findcli.evaluation.name_selection import chosen_names
from findcli.evaluation.probe import measure_tasks
from findcli.evaluation.probe_comparison import Compared, compare
from findcli.evaluation.rivals.probe_inputs import Representation
from findcli.evaluation.rivals.probe_registry import PROBE_RIVALS
from findcli.evaluation.rivals.ranking_inputs import RankingRival
from findcli.evaluation.rivals.ranking_registry import RANKING_RIVALS
from findcli.progress import Progress
from findcli.workspace.folder import Workspace


def chosen_rivals(wanted: str) -> tuple[tuple[RankingRival, ...], tuple[Representation, ...]]:
    """The rankers of sentences and the rivals of the probe that "all", "none" or comma-separated names stand for.

    Raises:
        FindCLIError: a name is neither.
    """
    names = chosen_names(wanted, [*RANKING_RIVALS, *PROBE_RIVALS], what="rival")
    return (
        tuple(one for name in names for one in RANKING_RIVALS.get(name, ())),
        tuple(one for name in names for one in PROBE_RIVALS.get(name, ())),
    )


def probe_splits(
    workspaces: Sequence[Workspace],
    described: Sequence[Representation],
    *,
    seconds: float,
    device: str = "auto",
    progress: Progress | None = None,
) -> Compared:
    """The linear probe of every task of every split, compared with rivals.

    Args:
        workspaces: one per split, trained.
        described: the rivals.
        seconds: the time limit of a rival on one split.
        device: "auto", "cpu", "cuda" or "mps".
        progress: called after each task of a split.

    Raises:
        FindCLIError: a workspace has no tasks, or a task cannot be used.
    """
    measured = [
        measure_tasks(
            workspace, task_names(workspace, "all"), rivals=described, seconds=seconds, device=device, progress=progress
        )
        for workspace in workspaces
    ]
    return compare([workspace.settings.split.salt for workspace in workspaces], measured)
