"""What training reads from `runs/pairs`: histories, profiles and truth of training and validation users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from findcli.training.batches import Histories
from findcli.workspace.runs import Run


def seconds(instants: Sequence[datetime] | pl.Series) -> np.ndarray:
    """Convert instants to whole seconds since 1970: int64 (len(instants),)."""
    return pl.Series(instants, dtype=pl.Datetime("us")).dt.epoch("s").to_numpy().astype(np.int64)


def choose_part(rng: np.random.Generator, sizes: Mapping[str, int]) -> str:
    """Draw a partition in proportion to its size: a batch comes from one partition, so few are in memory at a time."""
    counts = np.array(list(sizes.values()), float)
    return list(sizes)[rng.choice(len(counts), p=counts / counts.sum())]


@dataclass(frozen=True)
class TrainingData:
    """An opened `runs/pairs`; each table is read on first use."""

    run: Run

    @cached_property
    def users(self) -> pl.DataFrame:
        """user_id, part, split."""
        return self.run.table("users.parquet")

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """user, part, cutoff, the user's split and the row number `pair`; one row per pair."""
        split = self.users.select("split").with_row_index("user")
        return self.run.table("pairs.parquet").join(split, on="user", maintain_order="left").with_row_index("pair")

    @cached_property
    def is_search(self) -> np.ndarray:
        """Whether each distinct text is a search, bool (n_texts,)."""
        return self.run.table("texts.parquet")["search"].to_numpy()

    @property
    def parts(self) -> list[str]:
        """The names of the partitions."""
        return sorted(self.users["part"].unique())

    @cached_property
    def histories(self) -> Callable[[str], Histories]:
        """Reads a partition's events by its name; few partitions stay in memory."""
        return lru_cache(maxsize=4)(self._read_histories)

    def _read_histories(self, part: str) -> Histories:
        return Histories(**self.run.tensors(f"histories/{Path(part).stem}.safetensors"), is_search=self.is_search)

    def users_of(self, part: str, split: str) -> np.ndarray:
        """Rows of the users of one partition and split: int64 (n,)."""
        users = self.users.with_row_index("user").filter(pl.col("part") == part, pl.col("split") == split)
        return users["user"].to_numpy().astype(np.int64)

    def pairs_of(self, part: str, split: str) -> pl.DataFrame:
        """The pairs of one partition and split."""
        return self.pairs.filter(pl.col("part") == part, pl.col("split") == split)

    @cached_property
    def truth(self) -> Truth:
        """Which sentence is true of which pair."""
        tensors = self.run.tensors("incidence.safetensors")
        return Truth(tensors["indptr"], tensors["indices"], len(self.run.table("sentences.parquet")))


@dataclass(frozen=True)
class Truth:
    """Which sentences hold of which pairs, as a CSR matrix.

    Attributes:
        indptr: where each pair's sentences start in `indices`, (n_pairs + 1,).
        indices: rows of the true sentences, pair by pair, (n_true,).
        n_sentences: number of sentences.
    """

    indptr: np.ndarray
    indices: np.ndarray
    n_sentences: int

    def dense(self, pairs: np.ndarray, sentences: np.ndarray | None = None) -> np.ndarray:
        """Look up truth as a dense matrix.

        Args:
            pairs: rows of P pairs, int (P,).
            sentences: rows of S sentences, int (S,); all when None.

        Returns:
            Whether sentence s holds of pair p, bool (P, S).
        """
        counts = self.indptr[pairs + 1] - self.indptr[pairs]
        rows = np.repeat(np.arange(len(pairs)), counts)
        places = (
            np.arange(counts.sum())
            - np.repeat(counts.cumsum() - counts, counts)
            + np.repeat(self.indptr[pairs], counts)
        )
        truth = np.zeros((len(pairs), self.n_sentences), bool)
        truth[rows, self.indices[places]] = True
        return truth if sentences is None else truth[:, sentences]
