"""A task's labels: one reader, whose refusals `findcli check` and `findcli probe` share."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from findcli.data.check import Problem, check_workspace
from findcli.data.tasks import find_task, read_labels, refuse_forbidden_columns, task_names
from findcli.errors import FindCLIError
from findcli.evaluation.probe import probe
from findcli.workspace.folder import Workspace

TWO = {"user_id": [1, 2], "label": [0, 1]}
UNUSABLE: list[tuple[dict[str, list[object]], dict[str, object], str]] = [
    ({"user_id": [1, 2], "label": [0, 0]}, {}, "no positives among 2"),
    ({"user_id": [1, 2], "label": [1, 1]}, {}, "no negatives among 2"),
    ({"user_id": [1, 2, 3], "label": [0, 1, 2]}, {}, "not 0 and 1"),
    ({"user_id": [1, 2, 3], "label": [0, 1, None]}, {}, "not 0 and 1"),
    ({"user_id": [1, 2], "label": ["0", "1"]}, {}, "not 0 and 1"),
    ({"user_id": [1, 2, 1], "label": [0, 1, 1]}, {}, "user 1 more than once"),
    ({"user_id": ["a", "b"], "label": [0, 1]}, {}, "no user id of the sources' kind"),
    ({"user_id": [1, None], "label": [0, 1]}, {}, "no user id of the sources' kind"),
    (TWO, {"label": "y", "user": "who"}, "no column who, y"),
    ({"user_id": [], "label": []}, {}, "among 0 users"),
    (TWO | {"p": [0.1, None]}, {"truth": "p"}, "other than probabilities"),
    (TWO | {"p": [0.1, 7.0]}, {"truth": "p"}, "other than probabilities"),
    (TWO | {"p": ["a", "b"]}, {"truth": "p"}, "other than probabilities"),
    (TWO | {"h": [2, 0]}, {"hard_negative": "h"}, "other than 0 and 1"),
    (TWO, {"path": "data/none.parquet"}, "there is no file"),
    (TWO, {"path": "findcli.toml"}, "is none of CSV"),
]


def with_task(workspace: Workspace, labels: dict[str, list[object]], **changes: object) -> Workspace:
    """The workspace with another table of labels, and its task's settings changed."""
    pl.DataFrame(labels).write_parquet(workspace.folder / "data/tea.parquet")
    task = replace(workspace.settings.tasks["tea"], **changes)
    return Workspace(workspace.folder, replace(workspace.settings, tasks={"tea": task}))


@pytest.mark.parametrize(("labels", "changes", "message"), UNUSABLE)
def test_the_probe_refuses_labels_that_cannot_be_used_and_check_names_them(
    tiny_workspace: Workspace, labels: dict[str, list[object]], changes: dict[str, object], message: str
) -> None:
    workspace = with_task(tiny_workspace, labels, **changes)
    with pytest.raises(FindCLIError, match=message) as refusal:
        probe(workspace, "tea", device="cpu")
    assert refusal.value.hint
    report = check_workspace(workspace)
    assert Problem(refusal.value.message, refusal.value.hint) in report.problems
    assert not report.go
    assert report.tasks == ()


def test_labels_are_booleans_whatever_they_were(tiny_workspace: Workspace) -> None:
    for values in ([0, 1], [0.0, 1.0], [False, True]):
        workspace = with_task(tiny_workspace, {"user_id": [1, 2], "label": values})
        labels = read_labels(workspace, "tea", find_task(workspace, "tea"))
        assert labels.to_dicts() == [{"user_id": 1, "label": False}, {"user_id": 2, "label": True}]
        (counted,) = check_workspace(workspace).tasks
        assert (counted.users, counted.positives) == (2, 1)


def test_labels_are_checked_even_where_a_source_cannot_be_read(tiny_workspace: Workspace) -> None:
    (tiny_workspace.folder / "data/searches.parquet").unlink()
    workspace = with_task(tiny_workspace, {"user_id": [1, 2, 1], "label": [0, 1, 1]})
    (tiny_workspace.folder / "data/orders.parquet").write_text("torn")
    problems = [problem.what for problem in check_workspace(workspace).problems]
    assert any("name user 1 more than once" in what for what in problems)
    assert len(set(problems)) == len(problems)


def test_forbidden_columns_are_refused_and_check_warns_of_them(tiny_workspace: Workspace) -> None:
    workspace = with_task(tiny_workspace, TWO, without_columns=("income", "age"))
    with pytest.raises(FindCLIError, match="profile column 'age'"):
        refuse_forbidden_columns(workspace, "tea", find_task(workspace, "tea"))
    report = check_workspace(workspace)
    assert report.go
    assert "task 'tea' is refused while age are inputs" in [problem.what for problem in report.problems]


def test_an_unknown_task_names_those_there_are(tiny_workspace: Workspace) -> None:
    with pytest.raises(FindCLIError, match="no task 'coffee'") as error:
        find_task(tiny_workspace, "coffee")
    assert "tea" in error.value.hint
    assert task_names(tiny_workspace, "all") == ["tea"]
    assert task_names(tiny_workspace, "coffee") == ["coffee"]
