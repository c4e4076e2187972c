"""The tasks of a workspace and their labels: who turned out positive. Read to evaluate, never to train."""

from __future__ import annotations

import polars as pl

from findcli.data import sources
from findcli.data.places import copies
from findcli.data.profiles import profile_columns
from findcli.data.reader.ids import ids_in_type
from findcli.data.reader.tables import Table, open_table, reading
from findcli.data.reader.typed import typed_frame
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace
from findcli.workspace.settings import Task


def task_names(workspace: Workspace, wanted: str) -> list[str]:
    """The tasks that a name stands for: itself, or every one for "all".

    Raises:
        FindCLIError: all are wanted and there is none.
    """
    if wanted != "all":
        return [wanted]
    if not workspace.settings.tasks:
        raise FindCLIError("this workspace has no task", hint="add one as [tasks.NAME] in findcli.toml")
    return list(workspace.settings.tasks)


def find_task(workspace: Workspace, name: str) -> Task:
    """The task of a name.

    Raises:
        FindCLIError: there is none; it names those there are.
    """
    tasks = workspace.settings.tasks
    if name not in tasks:
        raise FindCLIError(
            f"there is no task {name!r} in this workspace",
            hint=f"its tasks are: {', '.join(tasks) or 'none'}; [tasks.NAME] adds one",
        )
    return tasks[name]


def forbidden_inputs(workspace: Workspace, task: Task) -> list[str]:
    """The profile columns that a task forbids and the model reads."""
    inputs = {column.name for column in profile_columns(workspace.settings.profile)}
    return [column for column in task.without_columns if column in inputs]


def refuse_forbidden_columns(workspace: Workspace, name: str, task: Task) -> None:
    """Refuse a task whose forbidden profile columns are inputs of the model.

    Raises:
        FindCLIError: one of them is.
    """
    if columns := forbidden_inputs(workspace, task):
        hint = "take the column out of [profile] and train again with: findcli run"
        raise FindCLIError(
            f"task {name!r} may not use the profile column {columns[0]!r}, and the model was trained on it", hint=hint
        )


def read_labels(workspace: Workspace, name: str, task: Task) -> pl.DataFrame:
    """A task's users and labels.

    Args:
        workspace: whose task it is.
        name: of the task.
        task: its table in the workspace file.

    Returns:
        user_id, label (Boolean), and truth (Float64) and hard_negative (Boolean) where the task names them.

    Raises:
        FindCLIError: there is no such file, it lacks a column, a user id is missing, repeated or of another kind than
            in the sources, a label is neither 0 nor 1, all labels are alike, a true probability lies outside 0 to 1, or
            the mark of a hard negative is neither 0 nor 1.
    """
    what = f"the labels of task {name!r}"
    table = _open(workspace, what, name, task)
    columns = [
        pl.col(task.label).alias("label"),
        *([] if task.truth is None else [pl.col(task.truth).cast(pl.Float64, strict=False).alias("truth")]),
        *([] if task.hard_negative is None else [pl.col(task.hard_negative).alias("hard_negative")]),
    ]
    user_type = sources.id_type(workspace)
    with reading(what, table.files):
        users = ids_in_type(table, task, task.user, user_type)["user_id"]
        labels = typed_frame(table, task).select(columns).collect().insert_column(0, users)
    _require_users(what, labels, user_type)
    _require_values(what, name, task, labels)
    flags = [column for column in ("label", "hard_negative") if column in labels.columns]
    labels = labels.with_columns(pl.col(flags).cast(pl.Boolean))
    if labels["label"].n_unique() < 2:
        missing = "positives" if not labels["label"].any() else "negatives"
        raise FindCLIError(
            f"{what} have no {missing} among {len(labels)} users", hint="a task needs users of both labels"
        )
    return labels


def _open(workspace: Workspace, what: str, name: str, task: Task) -> Table:
    """The table of labels, every column that the task names in it."""
    files = copies.fresh_files(workspace, task, what=what)
    if not files:
        hint = f"put the labels there, or correct path in [tasks.{name}] of findcli.toml"
        raise FindCLIError(f"{what}: there is no file {workspace.path(str(task.path))}", hint=hint)
    table = open_table(files, task, what=what, ids=[task.user])
    wanted = (task.user, task.label, task.truth, task.hard_negative)
    if missing := [column for column in wanted if column is not None and column not in table.schema]:
        hint = f"its columns are: {', '.join(table.schema.names())}; correct [tasks.{name}] in findcli.toml"
        raise FindCLIError(f"{what} ({task.where}) have no column {', '.join(missing)}", hint=hint)
    return table


def _require_users(what: str, labels: pl.DataFrame, user_type: pl.DataType) -> None:
    """Refuse ids that are missing, of another kind than in the sources, or repeated."""
    users = labels["user_id"]
    if strangers := users.null_count():
        hint = "are the ids text here and numbers there, or missing? Write them as the sources do"
        raise FindCLIError(
            f"{what}: {strangers} of {len(labels)} rows have no user id of the sources' kind ({user_type})", hint=hint
        )
    if users.is_duplicated().any():
        repeated = users.filter(users.is_duplicated())[0]
        raise FindCLIError(f"{what} name user {repeated} more than once", hint="keep one row a user")


def _require_values(what: str, name: str, task: Task, labels: pl.DataFrame) -> None:
    """Refuse labels, true probabilities and marks of hard negatives that are none."""
    values = set(labels["label"].unique())
    if not values <= {0, 1}:
        hint = "write 1 or true for a positive, 0 or false for a negative; leave out users without a label"
        raise FindCLIError(f"{what} hold {sorted(map(str, values))[:5]}, not 0 and 1", hint=hint)
    if task.truth is not None and not labels["truth"].is_between(0, 1).fill_null(value=False).all():
        hint = f"write numbers from 0 to 1, or correct truth in [tasks.{name}]"
        raise FindCLIError(f"{what}: column {task.truth!r} holds other than probabilities", hint=hint)
    if task.hard_negative is not None and not set(labels["hard_negative"].unique()) <= {0, 1}:
        hint = "write 1 or true for a hard negative, 0 or false for everybody else"
        raise FindCLIError(f"{what}: column {task.hard_negative!r} holds other than 0 and 1", hint=hint)
