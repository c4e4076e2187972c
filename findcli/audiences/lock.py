"""Refresh an audience as it was: as many users as before, or all who score as high as its last user did."""

from __future__ import annotations

from typing import Literal

from findcli.audiences.lists import open_list
from findcli.audiences.select import Selection
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace

Lock = Literal["reach", "score"]


def locked(workspace: Workspace, lock: Lock, earlier: str) -> Selection:
    """The selection that keeps what an earlier audience had.

    Args:
        workspace: of the audience.
        lock: "reach" keeps its number of users, "score" the score of its last user; scores of another model mean
            something else.
        earlier: the name of a saved audience, or a file that `--output` wrote.

    Raises:
        FindCLIError: there is no such audience, it cannot be read, is empty, or has no scores to keep.
    """
    users = open_list(workspace, earlier).users
    if users.is_empty():
        raise FindCLIError(f"{earlier} holds no audience", hint="name an audience with users in it")
    if lock == "reach":
        return Selection(top_k=len(users))
    if "score" not in users.columns or users["score"].null_count():
        raise FindCLIError(f"{earlier} has users without a score", hint="keep its size instead: --lock reach")
    return Selection(min_score=users["score"].min())  # type: ignore[arg-type]
