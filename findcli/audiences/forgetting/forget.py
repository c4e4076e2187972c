"""`findcli forget`: users out of everything that findcli wrote, and a keyed hash of each so that none comes back.

What was trained on them is named, not unlearned: train again, or accept. Files that were handed on are named too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from findcli.audiences.forgetting.run_folders import Held, forget_in_runs, held_in_runs
from findcli.audiences.forgetting.source_tables import Listed, listed_in_sources, take_out
from findcli.audiences.log import Entry, add_entry, read_log
from findcli.audiences.saved import Saved, list_audiences, without_users
from findcli.data.forgotten import remember_forgotten
from findcli.errors import FindCLIError
from findcli.workspace.folder import Workspace


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was, or would be, done for some users.

    Attributes:
        users: how many users.
        held: what the run folders hold, or held, of them.
        audiences: the saved audiences they were in, and how many of them.
        handed_on: files that these audiences, or lists that have changed since, were exported to: tell who has them.
        sources: the user's own files that name them.
        rewritten: those of them that were rewritten.
    """

    users: int
    held: Held
    audiences: dict[str, int]
    handed_on: tuple[str, ...]
    sources: tuple[Listed, ...]
    rewritten: tuple[Path, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether no file holds any of them."""
        return not (self.held.events or self.held.embeddings or self.held.trained or self.audiences or self.sources)


def forget(workspace: Workspace, users: Sequence[str], *, sources: bool = False, dry_run: bool = False) -> Forgotten:
    """Take users out of run folders, audiences and caches, and keep them out of what is read from now on.

    The hashes are written first: whatever interrupts the rest, no refresh brings the users back, and the same command
    completes it.

    Args:
        workspace: whose users.
        users: ids, as text, spelled as in the tables.
        sources: also rewrite the workspace's own tables; without it they are named alone.
        dry_run: say what would be done, and do nothing.

    Raises:
        FindCLIError: an id is empty, a folder cannot be read, another command is writing it, or the disk is full.
    """
    wanted = sorted({user.strip() for user in users})
    if not all(wanted) or not wanted:
        raise FindCLIError("an id is empty", hint="name users by their ids, such as: findcli forget 4711")
    seen = _look(workspace, wanted)
    if dry_run:
        return seen
    remember_forgotten(workspace, wanted)
    for saved in list_audiences(workspace):
        without_users(workspace, saved, wanted)
    forget_in_runs(workspace, wanted, seen.held)
    add_entry(workspace, "forgotten", "", len(wanted), note="out of run folders, audiences and caches")
    rewritten = _take_out(seen.sources, wanted) if sources else []
    return Forgotten(**{**vars(seen), "rewritten": tuple(rewritten)})


def _take_out(sources: Sequence[Listed], users: Sequence[str]) -> list[Path]:
    """Rewrite the user's own files; one that cannot be rewritten does not keep the others from it.

    Raises:
        FindCLIError: a file cannot be rewritten.
    """
    rewritten, problems = [], []
    for listed in sources:
        try:
            rewritten += [listed.path] if take_out(listed, users) else []
        except FindCLIError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return rewritten


def _look(workspace: Workspace, users: Sequence[str]) -> Forgotten:
    every = list_audiences(workspace)
    members = {saved.name: _members(saved, users) for saved in every}
    audiences = {name: count for name, count in members.items() if count}
    exports = [entry for entry in read_log(workspace) if entry.action == "exported"]
    digests = {saved.name: saved.record.users_digest for saved in every}
    # Of a list that is another one now nobody knows whom it held.
    changed = [e for e in exports if e.details.get("audience_digest") != digests.get(e.audience)]
    files = {_file(e) for e in [*changed, *(e for e in exports if e.audience in audiences)]}
    return Forgotten(
        users=len(users), held=held_in_runs(workspace, users), audiences=audiences,
        handed_on=tuple(sorted(files)), sources=tuple(listed_in_sources(workspace, users)),
    )  # fmt: skip


def _file(exported: Entry) -> str:
    """What an export is called: its path, or, of a download, which has none, also when it was."""
    file = str(exported.details.get("file"))
    return f"{file} at {exported.time}" if exported.details.get("downloaded") else file


def _members(saved: Saved, users: Sequence[str]) -> int:
    return int(saved.users()["user_id"].cast(pl.String).is_in(list(users)).sum())
