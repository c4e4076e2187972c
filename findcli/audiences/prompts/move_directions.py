"""The few directions along which a prompt may move, and what a step along each changes.

Five seeds say little in 384 dimensions per token. So tokens move only along a few directions, fixed before any seed is
seen: one for each direction of e^q, scaled by how far it moves the scores of users drawn at random. One further
coordinate stands for each entry of a user's stored summary, and one for how much of the sentence's own score remains.
The three kinds are scaled to change the scores about equally, so the distance from the sentence is the change of its
scores, and a gradient step is a natural one.

Legend: P prompts, n tokens, D width of e^q, S of the summary, K = D + S + 1 coordinates, B users at random, R chosen.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from findcli.scoring.scores import Scorer

RIDGE, SUMMARY_RIDGE, TOKEN_RIDGE = 0.1, 3.0, 1e-3
SENTENCE = 1.5  # how much more freely the sentence's own weight moves the scores than tokens or summary do
LEAST_SPREAD = 1e-6  # entries of the summary that spread less are ignored
REACH = 0.05  # how far e^q moves, by the gain, to change the scores by their standard deviation


@dataclass(frozen=True)
class Background:
    """The sentence's scores, in units of their spread among users drawn at random.

    Attributes:
        rows: rows of the users at random, ascending (B,).
        all_scores: the scores of all users, (N,).
        spread: standard deviation among the users at random, ().
        mean: their mean, ().
        scores: their scores, standardised, (B,).
    """

    rows: np.ndarray
    all_scores: Tensor
    spread: Tensor
    mean: Tensor
    scores: Tensor

    def of(self, rows: np.ndarray) -> Tensor:
        """The standardised scores of some users: (R,)."""
        return (self.all_scores[torch.from_numpy(rows)] - self.mean) / self.spread


@dataclass(frozen=True)
class Steps:
    """What a step along each coordinate is.

    Attributes:
        moves: the moves of e^q, (D, D).
        directions: the moves of the tokens, (D, n * d_token).
        readings: the moves of the readings of the summary's entries, (S, S).
        gain: the factor by which a move of e^q counts more than its length.
    """

    moves: Tensor
    directions: Tensor
    readings: Tensor
    gain: float


class Coordinates:
    """The coordinates of the prompts of one sentence, fixed before any seed is seen.

    Args:
        scorer: scores users by e^q.
        sentence: the sentence that every prompt starts from.
        rows: rows of the users at random, ascending (B,).
    """

    def __init__(self, scorer: Scorer, sentence: str, rows: np.ndarray) -> None:
        self.scorer, self.sentence = scorer, sentence
        self.start = scorer.sentences.encoder.soft_tokens(sentence)[1]  # (n, d_token)
        self.query, by_tokens = self._slopes()  # (D,), (D, n * d_token)
        query = self.query.numpy()
        self.background = _standardise(scorer.moved(query, query[None], gain=1.0)[:, 0], rows)
        self.steps = _steps(scorer, self.query, by_tokens, self.background)
        raw = self._raw_features(rows)
        self.centre = raw.mean(0)  # (K,)
        self.features = raw - self.centre  # (B, K)
        scores = self.background.scores
        self.along_sentence = self.features.T @ scores / len(scores)  # (K,)

    @property
    def gain(self) -> float:
        """The factor by which a move of e^q counts more than its length."""
        return self.steps.gain

    def queries(self, tokens: Tensor) -> Tensor:
        """Turn prompts into e^q: (P, n, d_token) -> (P, D)."""
        sentences = self.scorer.sentences
        return sentences.query(sentences.encoder.embed_prompts(self.sentence, tokens))

    def tokens(self, places: Tensor) -> Tensor:
        """Turn coordinates into tokens: (P, K) -> (P, n, d_token)."""
        change: Tensor = (places[:, : len(self.query)] @ self.steps.directions).reshape(len(places), *self.start.shape)
        return self.start + change.to(self.start.device)

    def features_of(self, rows: np.ndarray) -> Tensor:
        """What a step along each coordinate adds to the scores of some users, in units of the spread: (R, K)."""
        return self._raw_features(rows) - self.centre

    def _raw_features(self, rows: np.ndarray) -> Tensor:
        slopes = torch.from_numpy(self.scorer.slopes(self.query.numpy(), rows)) / self.background.spread
        summary = torch.from_numpy(self.scorer.summary[rows])
        by_sentence = np.sqrt(SENTENCE) * self.background.of(rows)[:, None]
        return torch.cat([self.gain * slopes @ self.steps.moves.T, summary @ self.steps.readings.T, by_sentence], 1)

    def _slopes(self) -> tuple[Tensor, Tensor]:
        """The sentence's e^q (D,), and how it changes with the tokens, (D, n * d_token)."""
        width = self.queries(self.start[None]).shape[1]
        tokens = self.start.expand(width, -1, -1).clone().requires_grad_()
        queries = self.queries(tokens)  # (D, D)
        (slopes,) = torch.autograd.grad(queries.diagonal().sum(), tokens)
        return queries[0].detach().cpu(), slopes.flatten(1).cpu()


def _standardise(scores: np.ndarray, rows: np.ndarray) -> Background:
    every = torch.from_numpy(scores)
    at_random = every[torch.from_numpy(rows)]
    spread, mean = at_random.std().clamp(min=1e-6), at_random.mean()
    return Background(rows, every, spread, mean, (at_random - mean) / spread)


def _steps(scorer: Scorer, query: Tensor, by_tokens: Tensor, background: Background) -> Steps:
    slopes = torch.from_numpy(scorer.slopes(query.numpy(), background.rows)) / background.spread  # (B, D)
    unit = torch.eye(len(query))
    tangent = unit - torch.outer(query, query)
    moves = _whitened(slopes @ tangent, RIDGE) @ tangent
    gain = float(moves.square().sum(1).mean().sqrt() / REACH)
    moves = moves / gain / _size(slopes @ moves.T)
    gram = by_tokens @ by_tokens.T
    gram += TOKEN_RIDGE * gram.diagonal().mean() * unit
    directions = moves @ torch.linalg.solve(gram, by_tokens)
    return Steps(moves, directions, _readings(scorer.summary, background.rows), gain)


def _readings(summary: np.ndarray, rows: np.ndarray) -> Tensor:
    """What a step along each of the summary's coordinates adds to the reading of every entry: (S, S)."""
    at_random = torch.from_numpy(summary[rows])
    spread = torch.from_numpy(summary.std(0))  # of all users, so that rare entries are not blown up
    unit = torch.diag(torch.where(spread > LEAST_SPREAD, 1 / spread, 0))
    readings = _whitened(at_random @ unit, SUMMARY_RIDGE) @ unit
    return readings / _size(at_random @ readings.T)


def _whitened(features: Tensor, ridge: float) -> Tensor:
    """Directions (W, W) along which features (B, W) spread alike, up to a ridge in units of their mean variance."""
    spread = torch.cov(features.T)
    unit = torch.eye(len(spread))
    values, axes = torch.linalg.eigh(spread + ridge * spread.diagonal().mean().clamp(min=1e-12) * unit)
    directions: Tensor = axes @ torch.diag(values.rsqrt()) @ axes.T
    return directions


def _size(features: Tensor) -> Tensor:
    """The root of the mean squared length of centred features (B, W)."""
    return features.var(0).sum().sqrt().clamp(min=1e-6)
