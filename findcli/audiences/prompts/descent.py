"""Learned prompts (FIND Eq 14): a sentence's own tokens, moved by a few seed users, everything else frozen.

The learned tokens stand in place of the sentence's and begin as they are, so that the prompt at step 0 is the sentence.
The loss is a triplet loss on what reads e^q (`prompt_readers`): positive seeds above users drawn at random, of whom
nothing is known but their history, and above hard negatives; and these above users at random, for they are called hard
because they look like the audience. What sets positives apart from hard negatives is looked for only across what the
two share and across the sentence, which speaks for both; and both terms count as far as the sentence is right of the
positive seeds, for else it is wrong about who looks like them.

Five seeds say little in 384 dimensions a token. So the tokens move along few directions alone, fixed before any seed
is looked at: one for each direction of e^q, each as long as it moves the scores of the users drawn at random. Beside
them a prompt learns what it adds for a user's stored summary, and how much of the sentence's own score remains: all of
it, or less where the seeds lie surely below the average user, down to its contrary. The three begin with much the same
right to change the scores, so the distance from the sentence is the change of its scores, and a step a natural one.

Cross-validation over the seeds chooses how many steps are taken: as many as seeds left out do not speak against, which
may be none. The folds descend on e^q itself, which takes no pass through the text encoder; the chosen descent is on
the tokens.

Shapes: P sets of seeds, n tokens, D width of e^q, S of the summary, K = D + S + 1 coordinates, B users at random, R
these and the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from findcli.audiences.prompts.readers import Learned, Reader, moves_from, score_learned
from findcli.audiences.prompts.seeds import Seeds
from findcli.metrics import auc_by_column
from findcli.workspace.settings import Prompt

RIDGE, SUMMARY_RIDGE, TOKEN_RIDGE = 0.1, 3.0, 1e-3
SENTENCE = 1.5  # how much more freely the sentence's own weight moves the scores than tokens or summary do
LEAST_SPREAD = 1e-6  # of an entry of the summary that is read at all
REACH = 0.05  # how far e^q goes, by the gain, for a change of the scores by their standard deviation


@dataclass(frozen=True)
class Tuned:
    """A learned prompt.

    Attributes:
        tokens: in place of the sentence's own, float32 (n, d_token).
        query: its e^q, (D,).
        weight: of the sentence's own score, from -1 to 1.
        reading: what each entry of a user's summary adds to the score, float32 (S,).
        steps: how many were taken; 0 leaves the sentence as it is.
        auc: of positive seeds left out, against users at random.
        sentence_auc: the same of the sentence.
        hard_auc: of positive seeds left out, against hard negatives left out; NaN without any.
        sentence_hard_auc: the same of the sentence.
    """

    tokens: np.ndarray
    query: np.ndarray
    weight: float
    reading: np.ndarray
    steps: int
    auc: float
    sentence_auc: float
    hard_auc: float
    sentence_hard_auc: float


@dataclass(frozen=True)
class _Example:
    """A set of seeds: whom the loss compares.

    Attributes:
        positives, negatives: features (p, K) and (h, K), what a unit step along each coordinate adds to the score.
        high, low: their scores for the sentence, (p,) and (h,).
        shared: unit vectors (3, K): what positives and hard negatives have in common, what the sentence says, and its
            own weight.
    """

    positives: Tensor
    negatives: Tensor
    high: Tensor
    low: Tensor
    shared: Tensor

    def part(self, kept: tuple[np.ndarray, np.ndarray]) -> _Example:
        """Some of them."""
        p, n = (torch.from_numpy(rows) for rows in kept)
        return _Example(self.positives[p], self.negatives[n], self.high[p], self.low[n], self.shared)

    def across(self, place: Tensor) -> Tensor:
        """What of a place parts positives from hard negatives, but for what they share and for the sentence: (K,)."""
        across: Tensor = place - self.shared.T @ (self.shared @ place)
        return across


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
        scores = self.sentence_scores[torch.from_numpy(self.background)]
        self.spread, self.mean_score = scores.std().clamp(min=1e-6), scores.mean()
        self.scores = (scores - self.mean_score) / self.spread  # (B,)
        self._settle_tokens(by_tokens)
        self._settle_summary()
        self.mean_feature = torch.zeros(len(self.query) + len(self.reading) + 1)
        features = self._features(self.background)
        self.mean_feature = features.mean(0)
        self.features = features - self.mean_feature  # (B, K)
        self.along_sentence = self.features.T @ self.scores / len(self.scores)

    def _settle_tokens(self, by_tokens: Tensor) -> None:
        """Their coordinates: as moves of e^q, `moves` (D, D), and of the tokens, `directions` (D, n * d_token)."""
        slopes = torch.from_numpy(self.reader.slopes(self.query.numpy(), self.background)) / self.spread  # (B, D)
        unit = torch.eye(len(self.query))
        tangent = unit - torch.outer(self.query, self.query)
        moves = _whitened(slopes @ tangent, RIDGE) @ tangent
        self.gain = float(moves.square().sum(1).mean().sqrt() / REACH)
        self.moves = moves / self.gain / _size(slopes @ moves.T)
        gram = by_tokens @ by_tokens.T
        gram += TOKEN_RIDGE * gram.diagonal().mean() * unit
        self.directions = self.moves @ torch.linalg.solve(gram, by_tokens)

    def _settle_summary(self) -> None:
        """Its coordinates: what a step along each adds for every entry, `reading` (S, S)."""
        known = torch.from_numpy(self.reader.summary[self.background])
        spread = torch.from_numpy(self.reader.summary.std(0))  # of all users: what is rare is not made large
        unit = torch.diag(torch.where(spread > LEAST_SPREAD, 1 / spread, 0))
        reading = _whitened(known @ unit, SUMMARY_RIDGE) @ unit
        self.reading = reading / _size(known @ reading.T)

    def _features(self, rows: np.ndarray) -> Tensor:
        """What a step along each coordinate adds to the scores of some users, in their spread: (R, K)."""
        slopes = torch.from_numpy(self.reader.slopes(self.query.numpy(), rows)) / self.spread
        summary = torch.from_numpy(self.reader.summary[rows])
        scores = (self.sentence_scores[torch.from_numpy(rows)] - self.mean_score) / self.spread
        blocks = [self.gain * slopes @ self.moves.T, summary @ self.reading.T, np.sqrt(SENTENCE) * scores[:, None]]
        return torch.cat(blocks, 1) - self.mean_feature

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
        """The scores of all users for prompts' e^q alone: (P, D) -> (N, P)."""
        return self.reader.score(self.query.numpy(), queries, gain=self.gain)

    def rank(self, tuned: Sequence[Tuned]) -> np.ndarray:
        """The scores of all users for learned prompts: (N, P)."""
        learned = Learned(
            *(np.stack([getattr(each, name) for each in tuned]) for name in ("query", "weight", "reading"))
        )
        return score_learned(self.reader, self.query.numpy(), learned, gain=self.gain)

    def tune(self, seeds: Sequence[Seeds]) -> list[Tuned]:
        """Learn a prompt of each set of seeds."""
        examples = [self._example(each) for each in seeds]
        picked = [self._cross_validate(example) for example in examples]
        places = self._descend(examples, picked)
        tokens = self._tokens(places)
        with torch.no_grad():
            queries = self.queries(tokens).cpu().numpy()
        width = len(self.query)
        weights = (1 + np.sqrt(SENTENCE) * places[:, -1]).clamp(-1, 1).tolist()
        readings = (self.spread * places[:, width:-1] @ self.reading).numpy()
        found = zip(tokens.cpu().numpy(), queries, weights, readings, picked, strict=True)
        return [
            Tuned(mine, query, weight, reading, choice.steps, *choice.aucs)
            for mine, query, weight, reading, choice in found
        ]

    def _example(self, seeds: Seeds) -> _Example:
        features, p = self._features(seeds.rows), len(seeds.positives)
        scores = (self.sentence_scores[torch.from_numpy(seeds.rows)] - self.mean_score) / self.spread
        common = features[:p].mean(0) + (features[p:].mean(0) if len(features) > p else 0)
        weight = torch.eye(len(common))[-1]
        shared = torch.linalg.qr(torch.stack([weight, self.along_sentence, common], 1))[0].T.contiguous()  # (3, K)
        return _Example(features[:p], features[p:], scores[:p], scores[p:], shared)

    def _step(self, example: _Example, place: Tensor) -> Tensor:
        """One step of descent on the loss: (K,) -> (K,)."""
        place = place.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self._loss(example, place), place)
        moved: Tensor = (place - self.settings.lr / self.settings.strength * slope).detach()
        moved[-1] = moved[-1].clamp(-2 / np.sqrt(SENTENCE), 0)  # the sentence's weight stays between -1 and 1
        return moved

    def _loss(self, example: _Example, place: Tensor) -> Tensor:
        # Weight is taken from the sentence only where seeds lie below the average user by more than a standard error.
        error = example.high.std(correction=0) / max(1, len(example.high) - 1) ** 0.5
        price = -np.sqrt(SENTENCE) * error * place[-1]
        loss: Tensor = self._triplets(example, place) + self.settings.strength / 2 * place.square().sum() + price
        return loss

    def _triplets(self, example: _Example, place: Tensor) -> Tensor:
        """Eq 14: positives above users at random and above hard negatives, and these above users at random."""
        margin, settings = self.settings.margin, self.settings
        random, high = self.scores + self.features @ place, example.high + example.positives @ place
        loss = torch.relu(random - high[:, None] + margin).mean()
        if not len(example.low):
            return loss
        # Only positives say how much of the sentence's own score remains: hard negatives may be those it ranks highest.
        across, still = example.across(place), torch.cat([place[:-1], torch.zeros(1)])
        above, below = example.high + example.positives @ across, example.low + example.negatives @ across
        hard = torch.relu(below - above[:, None] + margin).mean()
        rising = example.low + example.negatives @ still
        alike = torch.relu(self.scores + self.features @ still - rising[:, None] + margin).mean()
        rightly = example.high.mean().clamp(0, 1)
        return loss + rightly * (settings.hard_weight * hard + settings.alike_weight * alike)

    def _cross_validate(self, example: _Example) -> _Choice:
        """The most steps whose loss on seeds left out is not above the least by more than its standard error."""
        folds = min(self.settings.folds, len(example.high))
        sides = [np.arange(len(side)) % folds for side in (example.high, example.low)]
        learnt = [example.part((sides[0] != i, sides[1] != i)) for i in range(folds)]
        left_out = [example.part((sides[0] == i, sides[1] == i)) for i in range(folds)]
        ways = [[torch.zeros(len(self.mean_feature))] * folds]
        for _ in range(self.settings.steps):
            ways.append([self._step(part, place) for part, place in zip(learnt, ways[-1], strict=True)])
        losses = np.array(
            [[float(self._triplets(out, place)) for out, place in zip(left_out, way, strict=True)] for way in ways]
        )  # (steps + 1, folds)
        above = losses - losses[losses.mean(1).argmin()]
        steps = int(np.flatnonzero(above.mean(1) <= above.std(1) / np.sqrt(folds) + 1e-9)[-1])
        return _Choice(steps, self._aucs(list(zip(left_out, ways[steps], strict=True))))

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
        """Where the chosen descents end, tokens taking part: (P, K).

        A step is taken from where e^q really is. Of its way, each keeps the place with the least loss.
        """
        width = len(self.query)
        places = torch.zeros(len(examples), len(self.mean_feature))
        kept, least = places.clone(), torch.full((len(examples),), float("inf"))
        back = torch.linalg.pinv(self.moves)
        for step in range(max((choice.steps for choice in picked), default=0) + 1):
            with torch.no_grad():
                reached = self.queries(self._tokens(places)).cpu().numpy()  # (P, D)
            reached_by = torch.from_numpy(moves_from(self.query.numpy(), reached)) @ back
            here = torch.cat([reached_by, places[:, width:]], 1)
            for i, (example, choice) in enumerate(zip(examples, picked, strict=True)):
                if step > choice.steps:
                    continue
                loss = float(self._loss(example, here[i]))
                if loss < least[i]:
                    kept[i], least[i] = places[i], loss
                places[i] += self._step(example, here[i]) - here[i]
        return kept

    def _tokens(self, places: Tensor) -> Tensor:
        """Coordinates as tokens: (P, D) -> (P, n, d_token)."""
        change: Tensor = (places[:, : len(self.query)] @ self.directions).reshape(len(places), *self.start.shape)
        return self.start + change.to(self.start.device)


def _whitened(features: Tensor, ridge: float) -> Tensor:
    """Directions (W, W) along which features (B, W) spread alike, but for a ridge in units of their mean variance."""
    spread = torch.cov(features.T)
    unit = torch.eye(len(spread))
    values, axes = torch.linalg.eigh(spread + ridge * spread.diagonal().mean().clamp(min=1e-12) * unit)
    found: Tensor = axes @ torch.diag(values.rsqrt()) @ axes.T
    return found


def _size(features: Tensor) -> Tensor:
    """The root of the mean squared length of centred features (B, W)."""
    return features.var(0).sum().sqrt().clamp(min=1e-6)


@dataclass(frozen=True)
class _Choice:
    """What cross-validation has chosen, with the AUCs of `Tuned`."""

    steps: int
    aucs: tuple[float, ...]
