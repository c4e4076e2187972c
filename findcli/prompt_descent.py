"""Learned prompts (FIND Eq 14): a sentence's own tokens, moved by a few seed users, everything else frozen.

The learned tokens stand in place of the sentence's and begin as they are, so that the prompt at step 0 is the sentence.
The loss is a triplet loss on what reads e^q (`prompt_readers`): positive seeds above hard negatives, and above users
drawn at random, of whom nothing is known but their history; plus the variance by which the scores of those depart from
the sentence's.

Five seeds say little in 384 dimensions a token. So the tokens move along few directions alone, fixed before any seed
is looked at: one for each direction of e^q, each as long as it moves the scores of the users drawn at random. In these
coordinates the distance from the sentence is the change of its scores, and a step of descent is a natural one.

Steps and strength of the regulariser are chosen by cross-validation over the seeds, no step at all among the choices.
The folds descend on e^q itself, which takes no pass through the text encoder; the chosen descent is on the tokens.

Shapes: P sets of seeds, n tokens, D width of e^q, B users at random, R these and the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from findcli.metrics import auc_by_column
from findcli.prompt_readers import Reader, moves_from
from findcli.seeds import Seeds
from findcli.settings import Prompt

RIDGE, TOKEN_RIDGE = 0.1, 1e-3
REACH = 0.05  # how far e^q goes, by the gain, for a change of the scores by their standard deviation


@dataclass(frozen=True)
class Tuned:
    """A learned prompt.

    Attributes:
        tokens: in place of the sentence's own, float32 (n, d_token).
        query: its e^q, (D,).
        steps: how many were taken; 0 leaves the sentence as it is.
        strength: the regulariser's weight.
        auc: of positive seeds left out, against users at random.
        sentence_auc: the same of the sentence.
        hard_auc: of positive seeds left out, against hard negatives left out; NaN without any.
        sentence_hard_auc: the same of the sentence.
    """

    tokens: np.ndarray
    query: np.ndarray
    steps: int
    strength: float
    auc: float
    sentence_auc: float
    hard_auc: float
    sentence_hard_auc: float


@dataclass(frozen=True)
class _Example:
    """A set of seeds: whom the loss compares.

    Attributes:
        positives, negatives: features (p, D) and (h, D), what a unit step along each coordinate adds to the score.
        high, low: their scores for the sentence, (p,) and (h,).
    """

    positives: Tensor
    negatives: Tensor
    high: Tensor
    low: Tensor

    def part(self, kept: tuple[np.ndarray, np.ndarray]) -> _Example:
        """Some of them."""
        p, n = (torch.from_numpy(rows) for rows in kept)
        return _Example(self.positives[p], self.negatives[n], self.high[p], self.low[n])


class PromptTuner:
    """Tunes prompts of one sentence.

    Args:
        reader: what reads e^q.
        sentence: where every prompt begins.
        users: how many there are.
        without: rows that are not drawn as users at random, such as the seeds.
        settings: of the tuning.
        seed: of the users at random.
    """

    def __init__(
        self, reader: Reader, sentence: str, *, users: int, without: np.ndarray, settings: Prompt, seed: int
    ) -> None:
        self.reader, self.sentence, self.settings, self.gain = reader, sentence, settings, 1.0
        others = np.setdiff1d(np.arange(users), without)
        rng = np.random.default_rng(seed)
        self.background = np.sort(rng.choice(others, min(settings.background, len(others)), replace=False))
        self.start = reader.encoder.soft_tokens(sentence)[1]  # (n, d_token)
        self.query, by_tokens = self._slopes()  # (D,), (D, n * d_token)
        self.sentence_scores = torch.from_numpy(self.score(self.query[None].numpy())[:, 0])
        slopes = torch.from_numpy(reader.slopes(self.query.numpy(), self.background))  # (B, D)
        self.spread = self.sentence_scores[torch.from_numpy(self.background)].std().clamp(min=1e-6)
        self._settle(slopes / self.spread, by_tokens)

    def _settle(self, slopes: Tensor, by_tokens: Tensor) -> None:
        """The coordinates: as moves of e^q, `moves` (D, D), and of the tokens, `directions` (D, n * d_token)."""
        unit = torch.eye(len(self.query))
        tangent = unit - torch.outer(self.query, self.query)
        moved = torch.cov((slopes @ tangent).T)
        values, axes = torch.linalg.eigh(moved + RIDGE * moved.diagonal().mean().clamp(min=1e-12) * unit)
        moves = axes @ torch.diag(values.rsqrt()) @ axes.T @ tangent
        self.gain = float(moves.square().sum(1).mean().sqrt() / REACH)
        self.moves = moves / self.gain
        gram = by_tokens @ by_tokens.T
        gram += TOKEN_RIDGE * gram.diagonal().mean() * unit
        self.directions = self.moves @ torch.linalg.solve(gram, by_tokens)
        features = self.gain * slopes @ self.moves.T  # (B, D)
        self.mean_feature = features.mean(0)
        self.features = features - self.mean_feature
        scores = self.sentence_scores[torch.from_numpy(self.background)] / self.spread
        self.mean_score = scores.mean()
        self.scores = scores - self.mean_score  # (B,)

    def _slopes(self) -> tuple[Tensor, Tensor]:
        """The sentence's e^q (D,), and how it moves with the tokens, (D, n * d_token)."""
        width = self.queries(self.start[None]).shape[1]
        tokens = self.start.expand(width, -1, -1).clone().requires_grad_()
        queries = self.queries(tokens)  # (D, D)
        (slopes,) = torch.autograd.grad(queries.diagonal().sum(), tokens)
        return queries[0].detach().cpu(), slopes.flatten(1).cpu()

    def queries(self, tokens: Tensor) -> Tensor:
        """Prompts as e^q: (P, n, d_token) -> (P, D)."""
        return self.reader.query(self.reader.encoder.embed_prompts(self.sentence, tokens))

    def score(self, queries: np.ndarray) -> np.ndarray:
        """The scores of all users for prompts' e^q: (P, D) -> (N, P)."""
        return self.reader.score(self.query.numpy(), queries, gain=self.gain)

    def tune(self, seeds: Sequence[Seeds]) -> list[Tuned]:
        """Learn a prompt of each set of seeds."""
        examples = [self._example(each) for each in seeds]
        picked = [self._cross_validate(example) for example in examples]
        tokens = self._descend(examples, picked)
        with torch.no_grad():
            queries = self.queries(tokens).cpu().numpy()
        return [
            Tuned(mine.cpu().numpy(), query, choice.steps, choice.strength, *choice.aucs)
            for mine, query, choice in zip(tokens, queries, picked, strict=True)
        ]

    def _example(self, seeds: Seeds) -> _Example:
        slopes = torch.from_numpy(self.reader.slopes(self.query.numpy(), seeds.rows)) / self.spread
        features = self.gain * slopes @ self.moves.T - self.mean_feature
        scores = self.sentence_scores[torch.from_numpy(seeds.rows)] / self.spread - self.mean_score
        p = len(seeds.positives)
        return _Example(features[:p], features[p:], scores[:p], scores[p:])

    def _step(self, example: _Example, place: Tensor, strength: float) -> Tensor:
        """One step of descent on the loss: (D,) -> (D,)."""
        place = place.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self._loss(example, place, strength), place)
        moved: Tensor = (place - self.settings.lr / strength * slope).detach()
        return moved

    def _loss(self, example: _Example, place: Tensor, strength: float) -> Tensor:
        change: Tensor = (self.features @ place).square().mean()
        return self._triplets(example, place) + strength / 2 * change

    def _triplets(self, example: _Example, place: Tensor) -> Tensor:
        """Eq 14: positives against hard negatives, and against users at random."""
        high = (example.high + example.positives @ place).unsqueeze(1)
        margin, weight = self.settings.margin, self.settings.hard_weight
        loss = torch.relu(self.scores + self.features @ place - high + margin).mean()
        if not len(example.low):
            return loss
        hard = torch.relu(example.low + example.negatives @ place - high + margin).mean()
        return (1 - weight) * loss + weight * hard

    def _cross_validate(self, example: _Example) -> _Choice:
        """The strength and the number of steps with the least triplet loss on seeds left out.

        A descent has to be better than the sentence by more than its standard error over the folds; so much is added
        to the loss of each.
        """
        folds = min(self.settings.folds, len(example.high))
        sides = [np.arange(len(side)) % folds for side in (example.high, example.low)]
        learnt = [example.part((sides[0] != i, sides[1] != i)) for i in range(folds)]
        left_out = [example.part((sides[0] == i, sides[1] == i)) for i in range(folds)]
        nowhere = torch.zeros(len(self.query))
        began = np.array([float(self._triplets(out, nowhere)) for out in left_out])
        best = _Choice(0, max(self.settings.strengths), 0.0, self._aucs([(out, nowhere) for out in left_out]))
        for strength in sorted(self.settings.strengths, reverse=True):
            places = [nowhere] * folds
            for step in range(1, self.settings.steps + 1):
                places = [self._step(part, place, strength) for part, place in zip(learnt, places, strict=True)]
                pairs = list(zip(left_out, places, strict=True))
                change = np.array([float(self._triplets(out, place)) for out, place in pairs]) - began
                loss = float(change.mean() + change.std() / np.sqrt(folds))
                if loss < best.loss - 1e-9:
                    best = _Choice(step, strength, loss, self._aucs(pairs))
        return best

    def _aucs(self, folds: Sequence[tuple[_Example, Tensor]]) -> tuple[float, ...]:
        """The AUCs of `Tuned`."""
        found = []
        for hard in (False, True):
            for moved in (True, False):
                values = [
                    self._auc(out, place if moved else torch.zeros_like(place), hard=hard) for out, place in folds
                ]
                kept = [value for value in values if not np.isnan(value)]
                found.append(float(np.mean(kept)) if kept else float("nan"))
        return tuple(found)

    def _auc(self, example: _Example, place: Tensor, *, hard: bool) -> float:
        high = example.high + example.positives @ place
        low = example.low + example.negatives @ place if hard else self.scores + self.features @ place
        both = torch.cat([high, low]).numpy()
        truth = np.arange(len(both)) < len(high)
        return float(auc_by_column(both[:, None], truth[:, None])[0])

    def _descend(self, examples: Sequence[_Example], picked: Sequence[_Choice]) -> Tensor:
        """The chosen descents, on the tokens: (P, n, d_token).

        A step is taken from where e^q really is. Of its way, each keeps the place with the least loss.
        """
        places = torch.zeros(len(examples), len(self.query))
        kept, least = places.clone(), torch.full((len(examples),), float("inf"))
        back = torch.linalg.pinv(self.moves)
        for step in range(max((choice.steps for choice in picked), default=0) + 1):
            with torch.no_grad():
                reached = self.queries(self._tokens(places)).cpu().numpy()  # (P, D)
            here = torch.from_numpy(moves_from(self.query.numpy(), reached)) @ back
            for i, (example, choice) in enumerate(zip(examples, picked, strict=True)):
                if step > choice.steps:
                    continue
                loss = float(self._loss(example, here[i], choice.strength))
                if loss < least[i]:
                    kept[i], least[i] = places[i], loss
                places[i] += self._step(example, here[i], choice.strength) - here[i]
        return self._tokens(kept)

    def _tokens(self, places: Tensor) -> Tensor:
        """Coordinates as tokens: (P, D) -> (P, n, d_token)."""
        change: Tensor = (places @ self.directions).reshape(len(places), *self.start.shape)
        return self.start + change.to(self.start.device)


@dataclass(frozen=True)
class _Choice:
    """What cross-validation has chosen, with its loss less the sentence's and the AUCs of `Tuned`."""

    steps: int
    strength: float
    loss: float
    aucs: tuple[float, ...]
