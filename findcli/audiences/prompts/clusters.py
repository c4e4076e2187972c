"""Cluster-based soft prompts: learned tokens before a question, and a prototype of each class (Query-as-Anchor).

Decoder and projection are frozen. A user's vector u for the question behind the learned tokens is compared with a
prototype of the seeds and one of the others; the score is (u . p_1 - u . p_0) / temperature. Others are the hard
negatives, and users at random, who say what everybody is like.

Legend: B users, n learned tokens, e width of a vector.

Tested in tests/models/anchor/test_clusters.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from findcli.audiences.prompts.seeds import Seeds
from findcli.errors import FindCLIError
from findcli.scoring.engine import Engine
from findcli.scoring.tower_scores import TowerScorer

METHOD = "clusters"
TOKENS, STEPS, LR, TEMPERATURE = 6, 200, 0.02, 0.07
BACKGROUND = 60  # users at random that each step sees


@dataclass(frozen=True)
class Clustered:
    """A learned prompt of clusters.

    Attributes:
        tokens: (n, d).
        prototypes: of others and of seeds, unit vectors (2, e).
        before: the share of attention that the question pays to each part of a user, over the seeds.
        after: the same behind the learned tokens.
        sentence_auc: of held-out seeds against users at random, by the sentence alone.
        auc: the same by prompts that did not see them.
        hard_auc: of held-out seeds against held-out hard negatives; None if there is none.
        sentence_hard_auc: the same by the sentence alone.
    """

    tokens: np.ndarray
    prototypes: np.ndarray
    before: dict[str, float]
    after: dict[str, float]
    sentence_auc: float
    auc: float
    hard_auc: float | None
    sentence_hard_auc: float | None


def tower_scorer(engine: Engine) -> TowerScorer:
    """The scorer whose tower reads questions.

    Raises:
        FindCLIError: the model scores in another way.
    """
    if not isinstance(engine.scorer, TowerScorer):
        hint = 'set user_tower = "qanchor" and scorer = "auto" under [align], then findcli run; or --method descent'
        raise FindCLIError(
            f"clusters need a tower that reads questions; this model has {engine.model.scorer}", hint=hint
        )
    return engine.scorer


def tune_clusters(scorer: TowerScorer, sentence: str, seeds: Seeds, *, users: int, folds: int, seed: int) -> Clustered:
    """Learn the tokens and the prototypes.

    Args:
        scorer: of the users.
        sentence: the question.
        seeds: positives and hard negatives.
        users: how many users there are.
        folds: parts of the seeds, each left out in turn to measure.
        seed: of the draws.
    """
    query, rng = scorer.query_of(sentence), np.random.default_rng(seed)
    rest = np.setdiff1d(np.arange(users), seeds.rows)
    background = np.sort(rng.choice(rest, min(BACKGROUND, len(rest)), replace=False))
    tokens, prototypes = _learn(scorer, query, seeds.positives, seeds.negatives, background)
    folds = min(folds, len(seeds.positives), max(2, len(seeds.negatives)))
    parts = [np.array_split(rng.permutation(rows), folds) for rows in (seeds.positives, seeds.negatives)]
    others = np.setdiff1d(rest, background)
    others = np.sort(rng.choice(others, min(500, len(others)), replace=False)) if len(others) else background
    held: list[np.ndarray] = []
    random: list[np.ndarray] = []
    hard: list[np.ndarray] = []
    for i in range(folds):
        kept = [np.sort(np.concatenate([part for j, part in enumerate(each) if j != i])) for each in parts]
        learned = _learn(scorer, query, kept[0], kept[1], background)
        for rows, into in ((parts[0][i], held), (others, random), (parts[1][i], hard)):
            into.append(_score(scorer, query, *learned, rows=rows))
    alone = scorer.moved(query.cpu().numpy(), query.cpu().numpy()[None], gain=1.0)[:, 0]
    prefix = next(scorer.prefixes(seeds.positives))
    has_hard = any(len(part) for part in hard)
    return Clustered(
        tokens.cpu().numpy(), prototypes.cpu().numpy(),
        scorer.tower.attention(prefix, query), scorer.tower.attention(prefix, query, tokens),
        _auc(alone[seeds.positives], alone[others]),
        float(np.mean([_auc(a, b) for a, b in zip(held, random, strict=True)])),
        float(np.mean([_auc(a, b) for a, b in zip(held, hard, strict=True) if len(b)])) if has_hard else None,
        _auc(alone[seeds.positives], alone[seeds.negatives]) if has_hard else None,
    )  # fmt: skip


def score_clusters(scorer: TowerScorer, sentence: str, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The scores of all users: float32 (N, 1)."""
    tokens, prototypes = (torch.from_numpy(tensors[name]).to(scorer.model.device) for name in ("tokens", "prototypes"))
    return _score(scorer, scorer.query_of(sentence), tokens, prototypes)[:, None]


def _learn(
    scorer: TowerScorer, query: Tensor, positives: np.ndarray, negatives: np.ndarray, background: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Tokens (n, d) and prototypes (2, e); each group of users counts as much as another of its class."""
    rows = np.concatenate([positives, negatives, background])
    (prefix,) = _whole(scorer, rows)
    labels = torch.zeros(len(rows), dtype=torch.int64)
    labels[: len(positives)] = 1
    sizes = [len(positives), len(negatives), len(background)]
    shares = [0.5, 0.25 if len(negatives) else 0.0, 0.25 if len(negatives) else 0.5]
    weights = torch.cat([torch.full((n,), share / max(1, n)) for n, share in zip(sizes, shares, strict=True)])
    labels, weights = labels.to(query.device), weights.to(query.device)
    tokens = scorer.tower.soft_tokens(TOKENS).requires_grad_()
    with torch.no_grad():
        start = scorer.tower.prompted(prefix, query, tokens)
    means = [functional.normalize((start * (weights * (labels == k))[:, None]).sum(0), dim=0) for k in (0, 1)]
    prototypes = torch.stack(means).detach().requires_grad_()
    optimizer = torch.optim.AdamW([tokens, prototypes], lr=LR, weight_decay=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits = scorer.tower.prompted(prefix, query, tokens) @ functional.normalize(prototypes, dim=1).T / TEMPERATURE
        loss = (functional.cross_entropy(logits, labels, reduction="none") * weights).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return tokens.detach(), functional.normalize(prototypes.detach(), dim=1)


def _whole(scorer: TowerScorer, rows: np.ndarray) -> tuple[Any]:
    """What is kept of some users, in one block."""
    kept = {name: torch.from_numpy(each[rows]) for name, each in scorer.kept.items()}
    return (scorer.tower.restored(kept),)


@torch.no_grad()
def _score(
    scorer: TowerScorer, query: Tensor, tokens: Tensor, prototypes: Tensor, *, rows: np.ndarray | None = None
) -> np.ndarray:
    """(u . p_1 - u . p_0) / temperature of all users, or of some: float32 (N,)."""
    if rows is not None and not len(rows):
        return np.empty(0, np.float32)
    towards = (prototypes[1] - prototypes[0]) / TEMPERATURE
    scores = [scorer.tower.prompted(prefix, query, tokens) @ towards for prefix in scorer.prefixes(rows)]
    return torch.cat(scores).float().cpu().numpy()


def _auc(positive: np.ndarray, negative: np.ndarray) -> float:
    truth = np.concatenate([np.ones(len(positive), bool), np.zeros(len(negative), bool)])
    from findcli.metrics import auc_by_column  # scipy.stats takes half a second, which every demand would pay

    return float(auc_by_column(np.concatenate([positive, negative])[:, None], truth[:, None])[0])
