"""Vectors that an earlier `findcli embed` made of the very same input, so that they need not be computed again.

A user's vectors depend on what the tower reads of him: the events of the history window, each with its age as of the
date, and the profile as of the date. `digests.parquet` keeps a digest of that, a row per user. Time counts back from
the date, so on another day everyone with an event in the window has another input.

Tested in tests/scoring/test_update.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from findcli.data.histories import search_sources, searched
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, as_json, is_own, open_run, read_manifest
from findcli.workspace.stages import STAGES

FILE, DIGEST = "digests.parquet", "digest"
OF_EVERYONE = ("activity", "factors", "summary", "rhythm")  # computed for all users at once, from the whole log
SEEDS = (1, 2)  # two hashes of 64 bits each
MADE_OF = ("aligned", "text")


@dataclass
class Reuse:
    """Vectors that may be taken over, and how many were.

    Attributes:
        run: the embeddings they come from; None where there are none.
        copied: of how many users they were taken over.
        computed: of how many they were computed.
    """

    run: Run | None = None
    copied: int = 0
    computed: int = 0
    _rows: pl.DataFrame = field(init=False, repr=False)
    _tensors: Mapping[str, np.ndarray] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Read the digests; the vectors are read when one is taken over."""
        schema = {"user_id": pl.String, **dict.fromkeys(_names(), pl.UInt64)}
        self._rows = pl.DataFrame(schema=schema)
        if self.run is not None:
            ids = self.run.table("users.parquet").select(pl.col("user_id").cast(pl.String))
            self._rows = ids.hstack(self.run.table(FILE).select(_names()))

    def rows_of(self, digests: pl.DataFrame) -> np.ndarray:
        """Where the same input of the same user stands, -1 where it does not: int64 (n_users,).

        Args:
            digests: of `digests_of`.
        """
        keys = ["user_id", *_names()]
        places = digests.with_columns(pl.col("user_id").cast(pl.String)).join(
            self._rows.with_row_index("place"), on=keys, how="left", maintain_order="left"
        )
        rows = places["place"].cast(pl.Int64).fill_null(-1).to_numpy()
        self.copied += int((rows >= 0).sum())
        self.computed += int((rows < 0).sum())
        return rows

    def together(self, rows: np.ndarray, computed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The earlier vectors of users and the computed ones of the others, a row per user.

        Args:
            rows: of `rows_of`, (n_users,).
            computed: arrays of the users whose row is -1; empty without any.
        """
        if not self._tensors:
            assert self.run is not None
            tensors = self.run.tensors("users.safetensors")
            self._tensors = {name: tensor for name, tensor in tensors.items() if name not in OF_EVERYONE}
        arrays = {}
        for name, earlier in self._tensors.items():
            arrays[name] = np.empty((len(rows), *earlier.shape[1:]), earlier.dtype)
            arrays[name][rows >= 0] = earlier[rows[rows >= 0]]
            if len(computed):
                arrays[name][rows < 0] = computed[name]
        return arrays


def find_reuse(workspace: Workspace, settings: Mapping[str, Any], inputs: Mapping[str, str], date: datetime) -> Reuse:
    """The embeddings of the same model and settings whose date is nearest to a date.

    Args:
        workspace: whose users.
        settings: of the embeddings to make.
        inputs: their inputs' digests.
        date: their date.
    """
    near: list[tuple[float, str, Run]] = []
    wanted = {name: value for name, value in as_json(settings).items() if name != "as_of"}
    for folder in (workspace.runs / "embeddings").glob("[0-9]*"):
        manifest = read_manifest(folder) if is_own(folder) else None
        if manifest is None or manifest.format != STAGES["embeddings"].format or not (folder / FILE).exists():
            continue
        same = all(manifest.inputs.get(name) == inputs[name] for name in MADE_OF)
        if same and all(manifest.settings.get(name) == value for name, value in wanted.items()):
            away = abs((datetime.fromisoformat(manifest.settings["as_of"]) - date).total_seconds())
            near.append((away, folder.name, open_run(folder, "embeddings")))
    return Reuse(min(near, key=lambda each: each[:2])[2]) if near else Reuse()


def digests_of(workspace: Workspace, recent: pl.DataFrame, profiles: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """A digest of what the tower reads of each user: user_id and two hashes.

    Args:
        workspace: says which sources are searches.
        recent: the users' events of the history window.
        profiles: of `profiles_as_of`, a row per user.
        as_of: the date.
    """
    age = (pl.lit(as_of) - pl.col("time")).dt.total_microseconds()
    amount = pl.col("amount") if "amount" in recent.columns else pl.lit(None, pl.Float64)
    read = recent.select("user_id", "event", age=age, amount=amount, search=searched(search_sources(workspace)))
    rows = read.select("user_id", *_hashes(pl.struct(pl.exclude("user_id"))))
    of_events = rows.group_by("user_id").agg(pl.len().alias("n"), pl.col(_names()).sum())  # sums wrap
    columns = [name for name in profiles.columns if name != "user_id"]
    joined = profiles.join(of_events, on="user_id", how="left", maintain_order="left")
    # Active days are those of the calendar, so the time of day counts; and polars' hashes are those of a version.
    fixed = pl.lit(f"{as_of.time()} {pl.__version__}").alias("fixed")
    return joined.select("user_id", *_hashes(pl.struct(fixed, "n", *_names(), *columns)))


def _names() -> list[str]:
    return [f"hash_{seed}" for seed in SEEDS]


def _hashes(row: pl.Expr) -> list[pl.Expr]:
    return [row.hash(seed=seed).alias(name) for seed, name in zip(SEEDS, _names(), strict=True)]


def write_digests(digests: np.ndarray, draft: Draft) -> None:
    """Write the digests of users, uint64 (n_users, 2), for a later `find_reuse`."""
    draft.table(FILE, pl.DataFrame({name: digests[:, i] for i, name in enumerate(_names())}))
