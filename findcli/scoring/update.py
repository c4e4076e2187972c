"""`findcli update`: new rows of the sources into the log and the users' vectors, without doing again what stands.

The result is that of doing it all from nothing as of the same date, to the bit: the log by `data/append.py`, vectors by
`reuse.py`. The model stays as it was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from findcli.data.append import update_events
from findcli.progress import Progress, no_progress
from findcli.scoring.embed import embed_counting
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run


@dataclass(frozen=True)
class Update:
    """What was done.

    Attributes:
        rows: how many events the log has more than before.
        files: of each source with new rows, how many files hold them.
        whole: why all sources were read again; "" where new rows were enough.
        embeddings: the users' vectors.
        users: how many users they are of.
        computed: of how many of them vectors were computed; the others' were taken over.
    """

    rows: int
    files: Mapping[str, int]
    whole: str
    embeddings: Run
    users: int
    computed: int

    @property
    def as_of(self) -> datetime:
        """The date before which histories end."""
        return datetime.fromisoformat(self.embeddings.manifest.settings["as_of"])


def update(
    workspace: Workspace,
    *,
    as_of: datetime | None = None,
    model: Workspace | None = None,
    device: str = "auto",
    progress_for: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(no_progress),
) -> Update:
    """Read what is new in the sources, and embed the users whom it concerns; interrupted, it goes on where it was.

    Args:
        workspace: whose sources and users.
        as_of: the date of the embeddings; default: the midnight after the last event.
        model: the workspace whose trained model is used; default: `workspace`.
        device: "auto", "cpu", "cuda" or "mps".
        progress_for: given a stage's name, a context that yields what is told after each of its steps.

    Raises:
        FindCLIError: a source cannot be read, or no model is trained.
    """
    with progress_for("events") as progress:
        log = update_events(workspace, progress=progress)
    with progress_for("embeddings") as progress:
        run, computed = embed_counting(workspace, as_of=as_of, model=model, device=device, progress=progress)
    files = {name: len(new) for name, new in log.new.files.items()}
    return Update(log.rows, files, log.whole, run, int(run.manifest.metrics["users"]), computed)
