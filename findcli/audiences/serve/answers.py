"""Answers to sentences, kept while the size is moved: a ranking is made once, and any size is cut from it.

The model is asked by one request at a time, since neither torch nor the text models' caches promise more; what is kept
is read by many at once. A list that is downloaded is always ranked anew, by what consent and forgetting are then.

Tested in tests/audiences/serve/test_app.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import polars as pl

from findcli.audiences.eligible.listed import listed_file
from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.export import one_table, write_audience
from findcli.audiences.log import log_list
from findcli.audiences.page.figures import examples, latest_events, points, some_rows
from findcli.audiences.page.report import Page, page_of
from findcli.audiences.page.words import refused
from findcli.audiences.select import Selection
from findcli.audiences.sizes import Size, size_of
from findcli.audiences.target import Audience, target
from findcli.data.forgotten import forgotten_hashes
from findcli.scoring.engine import Engine, open_engine
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace, files_of

KEPT = 32  # rankings
DOWNLOADED = "a download of findcli serve"
DEFAULT = 100  # users, as of `findcli target`


@dataclass(frozen=True)
class Answer:
    """An audience with what can be shown of it.

    Attributes:
        audience: of the size that was asked for.
        page: what is shown.
        refused: why the demand cannot be answered; empty if it can.
        instead: what could be asked instead.
    """

    audience: Audience
    page: Page
    refused: str
    instead: tuple[str, ...]


@dataclass(frozen=True)
class _Ranked:
    """A ranking of everyone, with what holds of every size of it."""

    audience: Audience
    points: list[Size]


class Answers:
    """Answers about one workspace.

    Args:
        workspace: of model and users.
        who_not: whom to leave out, as for `target`.
        device: of the model.
    """

    def __init__(self, workspace: Workspace, *, who_not: WhoNot | None = None, device: str = "auto") -> None:
        self.workspace, self.who_not, self.device = workspace, who_not, device
        self._asking, self._kept_by = Lock(), Lock()
        self._kept: OrderedDict[Hashable, _Ranked] = OrderedDict()
        self._latest: tuple[Engine, pl.DataFrame] | None = None

    def warm(self) -> Engine:
        """Load model, users and histories before anyone asks.

        Raises:
            FindCLIError: no model is trained, or no user is embedded.
        """
        with self._asking:
            engine = self.engine()
            self._histories(engine)
            if engine.reads:
                _ = engine.rewriter, engine.scorer
            return engine

    def answer(self, demand: str, users: int = DEFAULT, where: str | None = None, *, shown: bool = True) -> Answer:
        """The best users for a demand.

        Args:
            demand: the sentence.
            users: at most so many.
            where: only users whose profile passes, as for `target`.
            shown: whether examples are wanted.

        Raises:
            FindCLIError: as for `target`.
        """
        ranked = self._ranked(demand, where)
        everyone = ranked.audience
        why_not, instead = refused(everyone.rewriting, self.workspace.settings.workspace.subject)
        chosen = everyone.ranking.clear() if why_not else Selection(top_k=users).keep(everyone.ranking)
        audience = replace(everyone, selected=chosen, size=size_of(everyone.ranking, len(chosen), everyone.reliability))
        more: dict[str, Any] = {"points": ranked.points}
        if shown and len(chosen):
            _, latest = self._latest or (None, pl.DataFrame())
            more["examples"] = examples(self.workspace, audience, some_rows(len(chosen)), latest)
        return Answer(audience, page_of(self.workspace, audience, **more), why_not, tuple(instead))

    def file(self, demand: str, users: int, where: str | None, ending: str) -> bytes:
        """The list as `findcli target DEMAND --top-k USERS -o FILE` writes it, ranked anew.

        Args:
            demand: the sentence.
            users: at most so many.
            where: as for `answer`.
            ending: of the file, such as ".csv".

        Raises:
            FindCLIError: as for `target`.
        """
        with self._asking:
            audience = self._target(demand, where, Selection(top_k=users))
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"audience{ending}"
            write_audience(one_table([audience], named=False), path)
            log_list(
                self.workspace, DOWNLOADED, len(audience.selected), form=ending.removeprefix("."),
                digest=hash_file(path), demands=[demand], downloaded=True,
            )  # fmt: skip
            return path.read_bytes()

    def _ranked(self, demand: str, where: str | None) -> _Ranked:
        """The ranking of everyone, made or kept."""
        engine = self.engine()
        key = (demand, where, id(engine), forgotten_hashes(self.workspace), self._who_not_files())
        kept = self._keep(key)
        if kept is not None:
            return kept
        with self._asking:
            kept = self._keep(key)  # who asked at the same time may have made it
            if kept is None:
                self._histories(engine)
                audience = self._target(demand, where)
                kept = self._keep(key, _Ranked(audience, points(audience)))
        assert kept is not None
        return kept

    def _who_not_files(self) -> tuple[tuple[str, int, int], ...]:
        """The files that say who is left out, with size and time of change: a ranking holds as long as they do."""
        path = self.workspace.settings.consent.path
        files = [] if path is None else files_of(self.workspace.path(path))
        files += [listed_file(self.workspace, name) for name in (self.who_not or WhoNot()).exclude]
        return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)

    def _target(self, demand: str, where: str | None, selection: Selection | None = None) -> Audience:
        (audience,) = target(
            self.workspace, [demand], selection=selection, where=where, who_not=self.who_not, device=self.device
        )
        return audience

    def _keep(self, key: Hashable, made: _Ranked | None = None) -> _Ranked | None:
        """Look a ranking up, or keep it; the least recently used goes."""
        with self._kept_by:
            if made is not None:
                self._kept[key] = made
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def engine(self) -> Engine:
        """The engine of the newest model and users, the same object while they stay the same."""
        return open_engine(self.workspace, device=self.device)

    def _histories(self, engine: Engine) -> None:
        """Read the latest events of all users, once for each engine; what an older one ranked is forgotten."""
        if self._latest is None or self._latest[0] is not engine:
            self._latest = engine, latest_events(self.workspace, engine.as_of)
            with self._kept_by:
                self._kept.clear()
