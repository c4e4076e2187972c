"""Draws of users and sentences from the pairs: what alignment and the towers that read a question learn from.

Tested in tests/models/find/test_fit.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from findcli.errors import FindCLIError
from findcli.training.batches import UserBatch, user_batch
from findcli.training.examples import TrainingData, choose_part, seconds
from findcli.training.token_histories import TokenBatch
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace


@dataclass(frozen=True)
class PairBatch:
    """B users as of their cutoffs, and S sentences.

    Attributes:
        users: what the encoders read.
        sentences: rows of the sentences, (S,).
        true: whether sentence s holds of user b, bool (B, S).
        positive: index among the S of one true sentence per user, int64 (B,).
    """

    users: UserBatch
    sentences: np.ndarray
    true: Tensor
    positive: Tensor


class PairSampler:
    """Draws batches of pairs and sentences.

    Args:
        workspace: gives the windows.
        data: the opened pairs.
        codes: profile codes and fractions of every pair, (n_pairs, F) each.
        texts: vectors of the distinct texts, (n_texts, d_text).
        of_profiles: whether further sentences hold of each pair, bool (n_pairs, n); training draws them too, numbered
            after the others. None for none.
        tokens: gives the behaviour tokens of users, rows, before an instant each; None where the tower reads none.
    """

    def __init__(
        self,
        workspace: Workspace,
        data: TrainingData,
        codes: tuple[np.ndarray, np.ndarray],
        texts: Tensor,
        of_profiles: np.ndarray | None = None,
        tokens: Callable[[np.ndarray, np.ndarray], TokenBatch] | None = None,
    ) -> None:
        self.tokens = tokens
        self.length = int(parse_duration(workspace.settings.windows.history).total_seconds())
        self.step = int(parse_duration(workspace.settings.sequence.step).total_seconds())
        self.data, self.codes, self.texts = data, codes, texts
        self.cutoffs = seconds(data.pairs["cutoff"])
        support = data.run.table("sentences.parquet")["support"].to_numpy()
        # Common sentences are drawn more often, but less than in proportion: rare ones teach the tower its words.
        self.weights = np.sqrt(support) / np.sqrt(support).sum()
        self.drawn, self.of_profiles = self.weights, None
        share = workspace.settings.align.profile_sentences
        if of_profiles is not None and of_profiles.shape[1]:
            self.of_profiles = of_profiles
            also = np.sqrt(of_profiles.sum(0))
            self.drawn = np.concatenate([(1 - share) * self.weights, share * also / also.sum()])
        self.pairs = {
            split: {part: data.pairs_of(part, split)["pair"].to_numpy() for part in data.parts}
            for split in ("train", "validation")
        }

    def draw(self, split: str, *, users: int, sentences: int, seed: int, everyone: bool = False) -> PairBatch:
        """Draw random pairs of one partition, and random sentences of which at least one holds of each pair.

        Args:
            split: "train" or "validation".
            users: pairs to draw, at most.
            sentences: distinct sentences to draw, at most.
            seed: of the draw.
            everyone: keep pairs of which none of the sentences holds, too.
        """
        rng = np.random.default_rng(seed)
        parts = self.pairs[split]
        part = choose_part(rng, {name: len(pairs) for name, pairs in parts.items()})
        pairs = np.sort(rng.choice(parts[part], min(users, len(parts[part])), replace=False))
        drawable = min(sentences, int((self.drawn > 0).sum()))
        chosen = np.sort(rng.choice(len(self.drawn), drawable, replace=False, p=self.drawn))
        true = self._true(pairs, chosen)  # (B, S)
        kept = true.any(1) | everyone
        pairs, true = (pairs[kept], true[kept]) if kept.any() else (pairs, true)
        positive = (rng.random(true.shape) * true).argmax(1)  # (B,)
        device = self.texts.device
        return PairBatch(
            self.read(pairs, part), chosen, torch.from_numpy(true).to(device), torch.from_numpy(positive).to(device)
        )

    def _true(self, pairs: np.ndarray, sentences: np.ndarray) -> np.ndarray:
        """Whether sentences, ascending rows (S,), hold of pairs, rows (B,): bool (B, S)."""
        ahead = sentences[sentences < len(self.weights)]
        true = self.data.truth.dense(pairs, ahead)
        if self.of_profiles is None:
            return true
        now = self.of_profiles[np.ix_(pairs, sentences[len(ahead) :] - len(self.weights))]
        return np.concatenate([true, now], 1)

    def read(self, pairs: np.ndarray, part: str) -> UserBatch:
        """What the encoders read of some pairs, rows (B,) of one partition."""
        users = self.data.pairs["user"].to_numpy()[pairs].astype(np.int64)
        return user_batch(
            self.data.histories(part), users, self.cutoffs[pairs],
            self.codes[0][pairs], self.codes[1][pairs], self.texts,
            length=self.length, step=self.step,
            tokens=None if self.tokens is None else self.tokens(users, self.cutoffs[pairs]),
        )  # fmt: skip


def latest_pairs(data: TrainingData, split: str, *, most: int, seed: int) -> pl.DataFrame:
    """The last pair of each user of a split, of at most so many users drawn at random, in order.

    Raises:
        FindCLIError: the split has no user.
    """
    latest = data.pairs.filter(pl.col("split") == split).group_by("user", maintain_order=True).last()
    if latest.is_empty():
        raise FindCLIError(f"no user is left for {split}", hint="set a smaller validation_users in [split]")
    return latest.sample(min(most, len(latest)), seed=seed, shuffle=False).sort("pair")
