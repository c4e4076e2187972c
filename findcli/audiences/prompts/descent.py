"""Learned prompts (FIND Eq 14): a sentence's own tokens, moved by a few seed users, everything else frozen.

The learned tokens replace the sentence's and start equal to them, so that the prompt at step 0 is the sentence. The
loss is a triplet loss on the scores: positive seeds above users drawn at random, of whom nothing is known but their
history, and above hard negatives; and hard negatives above users at random, since they are called hard because they
look like the audience. What separates positives from hard negatives is sought only orthogonally to what the two share
and to the sentence, which speaks for both; and both terms are weighted by how right the sentence is about the positive
seeds, since otherwise it is wrong about who looks like them. `move_directions.py` defines the directions along which a
prompt may move. The sentence's own score keeps its full weight, or less if the seeds lie surely below the average user,
down to its opposite.

Cross-validation over the seeds chooses the number of steps: as many as the held-out seeds do not contradict, which may
be none. The folds descend on e^q itself, which needs no pass through the text encoder; the chosen descent is on the
tokens.

Legend: P sets of seeds, n tokens, D width of e^q, S of the summary, K = D + S + 1 coordinates, B users at random.

Tested in tests/audiences/prompts/test_store.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from findcli.audiences.prompts.learned import Learned, score_learned
from findcli.audiences.prompts.move_directions import SENTENCE, Coordinates
from findcli.audiences.prompts.seeds import Seeds
from findcli.errors import FindCLIError
from findcli.metrics import auc_by_column
from findcli.scoring.prompt_moves import moves_from
from findcli.scoring.scores import Scorer
from findcli.workspace.settings import Prompt

FEWEST_OTHERS = 2


@dataclass(frozen=True)
class Tuned:
    """A learned prompt.

    Attributes:
        tokens: replace the sentence's own, float32 (n, d_token).
        query: its e^q, (D,).
        weight: the weight of the sentence's own score, from -1 to 1.
        reading: what each entry of a user's summary adds to the score, float32 (S,).
        steps: how many steps were taken; 0 leaves the sentence as it is.
        auc: AUC of held-out positive seeds against users at random.
        sentence_auc: the same AUC for the sentence.
        hard_auc: AUC of held-out positive seeds against held-out hard negatives; NaN without any.
        sentence_hard_auc: the same AUC for the sentence.
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
    """A set of seeds: the users that the loss compares.

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
        """The example of only some seeds: rows of the positives and of the negatives."""
        p, n = (torch.from_numpy(rows) for rows in kept)
        return _Example(self.positives[p], self.negatives[n], self.high[p], self.low[n], self.shared)

    def across(self, place: Tensor) -> Tensor:
        """The part of a place orthogonal to what positives and hard negatives share and to the sentence: (K,)."""
        across: Tensor = place - self.shared.T @ (self.shared @ place)
        return across


@dataclass(frozen=True)
class _Choice:
    """The number of steps that cross-validation chooses, with the AUCs of `Tuned`."""

    steps: int
    aucs: tuple[float, ...]


class PromptTuner:
    """Tunes prompts of one sentence.

    Args:
        scorer: scores users by e^q.
        sentence: the sentence that every prompt starts from.
        users: the number of users.
        without: rows that are never drawn as users at random, such as the seeds.
        settings: the settings of the tuning.
        seed: the seed that draws the users at random.
    """

    def __init__(
        self, scorer: Scorer, sentence: str, *, users: int, without: np.ndarray, settings: Prompt, seed: int
    ) -> None:
        self.scorer, self.settings = scorer, settings
        others = np.setdiff1d(np.arange(users), without)
        if len(others) < FEWEST_OTHERS:
            hint = "name fewer seeds: a few are enough, and the others show what sets them apart"
            raise FindCLIError(
                f"{len(without)} of {users} users are seeds; {len(others)} are left to compare", hint=hint
            )
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(others, min(settings.background, len(others)), replace=False))
        self.coordinates = Coordinates(scorer, sentence, rows)

    @property
    def query(self) -> np.ndarray:
        """The sentence's e^q: (D,)."""
        return self.coordinates.query.numpy()

    def score(self, queries: np.ndarray) -> np.ndarray:
        """The scores of all users for prompts' e^q alone: (P, D) -> (N, P)."""
        return self.scorer.moved(self.query, queries, gain=self.coordinates.gain)

    def rank(self, tuned: Sequence[Tuned]) -> np.ndarray:
        """The scores of all users for learned prompts: (N, P)."""
        learned = Learned(
            *(np.stack([getattr(each, name) for each in tuned]) for name in ("query", "weight", "reading"))
        )
        return score_learned(self.scorer, self.query, learned, gain=self.coordinates.gain)

    def tune(self, seeds: Sequence[Seeds]) -> list[Tuned]:
        """Learn a prompt from each set of seeds."""
        examples = [self._example(each) for each in seeds]
        choices = [self._cross_validate(example) for example in examples]
        places = self._descend(examples, choices)
        tokens = self.coordinates.tokens(places)
        with torch.no_grad():
            queries = self.coordinates.queries(tokens).cpu().numpy()
        width = len(self.query)
        weights = (1 + np.sqrt(SENTENCE) * places[:, -1]).clamp(-1, 1).tolist()
        spread, steps = self.coordinates.background.spread, self.coordinates.steps
        readings = (spread * places[:, width:-1] @ steps.readings).numpy()
        prompts = zip(tokens.cpu().numpy(), queries, weights, readings, choices, strict=True)
        return [
            Tuned(moved, query, weight, reading, choice.steps, *choice.aucs)
            for moved, query, weight, reading, choice in prompts
        ]

    def _example(self, seeds: Seeds) -> _Example:
        features, p = self.coordinates.features_of(seeds.rows), len(seeds.positives)
        scores = self.coordinates.background.of(seeds.rows)
        common = features[:p].mean(0) + (features[p:].mean(0) if len(features) > p else 0)
        weight = torch.eye(len(common))[-1]
        shared = torch.linalg.qr(torch.stack([weight, self.coordinates.along_sentence, common], 1))[
            0
        ].T.contiguous()  # (3, K)
        return _Example(features[:p], features[p:], scores[:p], scores[p:], shared)

    def _step(self, example: _Example, place: Tensor) -> Tensor:
        """One step of descent on the loss: (K,) -> (K,)."""
        place = place.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self._loss(example, place), place)
        moved: Tensor = (place - self.settings.lr / self.settings.strength * slope).detach()
        moved[-1] = moved[-1].clamp(-2 / np.sqrt(SENTENCE), 0)  # the sentence's weight stays between -1 and 1
        return moved

    def _loss(self, example: _Example, place: Tensor) -> Tensor:
        # The sentence loses weight only if the seeds lie below the average user by more than a standard error.
        error = example.high.std(correction=0) / max(1, len(example.high) - 1) ** 0.5
        price = -np.sqrt(SENTENCE) * error * place[-1]
        loss: Tensor = self._triplets(example, place) + self.settings.strength / 2 * place.square().sum() + price
        return loss

    def _at_random(self, place: Tensor) -> Tensor:
        """The scores of the users at random for a prompt at a place (K,): (B,)."""
        return self.coordinates.background.scores + self.coordinates.features @ place

    def _triplets(self, example: _Example, place: Tensor) -> Tensor:
        """Eq 14: positives above users at random and above hard negatives, and these above users at random."""
        margin, settings = self.settings.margin, self.settings
        random, high = self._at_random(place), example.high + example.positives @ place
        loss = torch.relu(random - high[:, None] + margin).mean()
        if not len(example.low):
            return loss
        # Only positives decide how much of the sentence's own score remains: it may rank hard negatives highest.
        across, still = example.across(place), torch.cat([place[:-1], torch.zeros(1)])
        above, below = example.high + example.positives @ across, example.low + example.negatives @ across
        hard = torch.relu(below - above[:, None] + margin).mean()
        rising = example.low + example.negatives @ still
        alike = torch.relu(self._at_random(still) - rising[:, None] + margin).mean()
        rightly = example.high.mean().clamp(0, 1)
        return loss + rightly * (settings.hard_weight * hard + settings.alike_weight * alike)

    def _cross_validate(self, example: _Example) -> _Choice:
        """The most steps whose loss on held-out seeds exceeds the least loss by at most its standard error."""
        folds = min(self.settings.folds, len(example.high))
        sides = [np.arange(len(side)) % folds for side in (example.high, example.low)]
        training = [example.part((sides[0] != i, sides[1] != i)) for i in range(folds)]
        held_out = [example.part((sides[0] == i, sides[1] == i)) for i in range(folds)]
        paths = [[torch.zeros(len(self.coordinates.centre))] * folds]
        for _ in range(self.settings.steps):
            paths.append([self._step(part, place) for part, place in zip(training, paths[-1], strict=True)])
        losses = np.array(
            [[float(self._triplets(out, place)) for out, place in zip(held_out, path, strict=True)] for path in paths]
        )  # (steps + 1, folds)
        above = losses - losses[losses.mean(1).argmin()]
        steps = int(np.flatnonzero(above.mean(1) <= above.std(1) / np.sqrt(folds) + 1e-9)[-1])
        return _Choice(steps, self._aucs(list(zip(held_out, paths[steps], strict=True))))

    def _aucs(self, folds: Sequence[tuple[_Example, Tensor]]) -> tuple[float, ...]:
        """The AUCs of `Tuned`."""
        aucs = []
        for hard in (False, True):
            for moved in (True, False):
                values = [
                    self._auc(out, place if moved else torch.zeros_like(place), hard=hard) for out, place in folds
                ]
                kept = [value for value in values if not np.isnan(value)]
                aucs.append(float(np.mean(kept)) if kept else float("nan"))
        return tuple(aucs)

    def _auc(self, example: _Example, place: Tensor, *, hard: bool) -> float:
        high = example.high + example.positives @ place
        low = example.low + example.negatives @ place if hard else self._at_random(place)
        both = torch.cat([high, low]).numpy()
        truth = np.arange(len(both)) < len(high)
        return float(auc_by_column(both[:, None], truth[:, None])[0])

    def _descend(self, examples: Sequence[_Example], choices: Sequence[_Choice]) -> Tensor:
        """Where the chosen descents, on the tokens, end: (P, K).

        Each step starts from where e^q really is. Each descent keeps the place of its path with the least loss.
        """
        width = len(self.coordinates.query)
        places = torch.zeros(len(examples), len(self.coordinates.centre))
        kept, least = places.clone(), torch.full((len(examples),), float("inf"))
        back = torch.linalg.pinv(self.coordinates.steps.moves)
        for step in range(max((choice.steps for choice in choices), default=0) + 1):
            with torch.no_grad():
                reached = self.coordinates.queries(self.coordinates.tokens(places)).cpu().numpy()  # (P, D)
            reached_by = torch.from_numpy(moves_from(self.coordinates.query.numpy(), reached)) @ back
            here = torch.cat([reached_by, places[:, width:]], 1)
            for i, (example, choice) in enumerate(zip(examples, choices, strict=True)):
                if step > choice.steps:
                    continue
                loss = float(self._loss(example, here[i]))
                if loss < least[i]:
                    kept[i], least[i] = places[i], loss
                places[i] += self._step(example, here[i]) - here[i]
        return kept
