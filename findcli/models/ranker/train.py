"""Trains query-aware scoring, a part of `findcli align`: the candidates, the choice among them, and calibration.

It learns from training users, at every cutoff, whether each lesson came true. The last cutoff is kept for validation
users, on whom nothing was fitted: the candidate that ranks them best is kept, and its odds are calibrated on validation
users of every cutoff (`reliability.py`). The network begins with weights learned in other worlds (`start.py`), and may
learn from further workspaces beside its own.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from findcli.models.ranker.candidates import COUNTS, NETWORK, SINGLE, START, TREES, Count, Kept, Ranker, parts_of
from findcli.models.ranker.choice import choose
from findcli.models.ranker.features import FEATURES, columns_of
from findcli.models.ranker.moments import Moment, World
from findcli.models.ranker.reliability import calibrate, measure
from findcli.models.ranker.start import load_start
from findcli.models.ranker.trees import Trees
from findcli.models.weights import new_module, save_module
from findcli.progress import Progress
from findcli.training.loop import History, fit, step_seed
from findcli.training.losses import ranking_loss
from findcli.workspace.runs import Draft
from findcli.workspace.settings import Ranker as Settings

OWN_SHARE = 0.7  # of the steps that learn from the workspace itself, where others teach too


def train_ranker(
    world: World, others: Sequence[World], draft: Draft, checkpoints: Path, progress: Progress | None
) -> None:
    """Train and fill the draft: `concepts.*`, the candidates, `ranking.json`, and what `reliability.py` measures.

    Args:
        world: the workspace.
        others: workspaces that teach the network too.
        draft: of `runs/aligned`.
        checkpoints: a folder for this training alone.
        progress: called after each step.

    Raises:
        FindCLIError: the start cannot be read, or training diverges.
    """
    settings, seed = world.settings, world.seed
    if not world.moments:  # no training event makes a sentence true, so FIND's vector must score
        return
    draft.table("concepts.parquet", pl.DataFrame({"text": world.texts}))
    draft.tensors(
        "concepts.safetensors", world.learned.tensors() | {"known": world.known, "vectors": world.vectors[world.known]}
    )
    moments = world.moments[:-1] or world.moments
    examples, true = world.examples(moments)
    start = load_start(world.workspace)
    lessons = [(world, moments), *((other, other.moments) for other in others if other.moments)]
    network, history = fit_network(
        lessons, settings, start=start, seed=seed, checkpoints=checkpoints, progress=progress, scale=examples
    )
    if history.rows:
        draft.table("ranker_history.parquet", history.table())
    parts: dict[str, Ranker | Trees | Count] = {NETWORK: network}
    save_module(draft, "ranker", network, _made_of(network))
    if start is not None:
        parts[START] = start
        save_module(draft, "start", start, _made_of(start))
    if true.any() and not true.all() and settings.steps:
        if settings.trees:
            trees = Trees.learn(examples.numpy(), true.numpy(), rounds=settings.trees, seed=seed)
            draft.tensors("trees.safetensors", trees.tensors())
            parts[TREES] = trees
        parts[COUNTS] = count = Count.learn(examples.numpy(), true.numpy())
        save_module(draft, "count", count, {"features": len(FEATURES)})
    trial = world.trial(world.moments[-1])
    taught = int((world.users["split"] == "train").sum()) * len(world.lessons)
    report = choose(parts, trial, wanted=settings.candidate, taught=taught)
    draft.json("ranking.json", report)
    draft.metrics["ranker"] = report["kept"]
    draft.metrics |= {f"auc_{name}": report["auc"][name] for name in SINGLE if name in report["auc"]}
    ranker = Kept(report["kept"], [parts[name] for name in parts_of(report["kept"])])
    tried = [world.tried(moment, ranker) for moment in world.moments]
    lines = calibrate(tried)
    if lines:
        draft.json("calibration.json", lines)
        draft.table("reliability.parquet", measure(tried, lines))


def fit_network(
    worlds: Sequence[tuple[World, Sequence[Moment]]], settings: Settings, *, start: Ranker | None, seed: int,
    scale: Tensor, own_share: float = OWN_SHARE, checkpoints: Path | None = None, progress: Progress | None = None,
) -> tuple[Ranker, History]:  # fmt: skip
    """Train the network.

    Args:
        worlds: what to learn from, each with its moments.
        settings: of the training.
        start: weights to begin with; None begins with random ones.
        seed: of weights and draws.
        scale: examples to standardise features by where there is no start, (E, F).
        own_share: of the steps, that of the first world.
        checkpoints: where to leave checkpoints.
        progress: called after each step.

    Returns:
        The network in eval mode, and the record of its training.
    """
    if start is None:
        network = new_module(Ranker, {"features": len(FEATURES), "width": settings.width}, seed=seed)
        network.set_scale(scale, without=columns_of(settings.without))
    else:
        network = new_module(Ranker, _made_of(start), seed=seed)
        network.load_state_dict(start.state_dict())
        network.leave_out(columns_of(settings.without))
    shares = np.full(len(worlds), (1 - own_share) / max(1, len(worlds) - 1))
    shares[0] = own_share

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step_seed(seed, step))
        chosen = int(rng.choice(len(worlds), p=shares / shares.sum())) if len(worlds) > 1 else 0
        world, moments = worlds[chosen]
        features, true = world.draw(moments[int(rng.integers(len(moments)))], rng)
        odds = network(features)  # (B, S)
        return {
            "ranking": settings.ranking_weight * ranking_loss(odds, true),
            "truth": torch.nn.functional.binary_cross_entropy_with_logits(odds, true.float()),
        }

    history = fit(
        loss, {"ranker": network}, steps=settings.steps, lr=settings.lr * (1 if start is None else settings.start_lr),
        weight_decay=settings.weight_decay, warmup=settings.warmup, clip=settings.clip, seed=seed,
        checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every, progress=progress,
    )  # fmt: skip
    return network, history


def _made_of(network: Ranker) -> dict[str, int]:
    return {"features": len(network.mean), "width": len(network.perceptron[0].bias)}  # type: ignore[arg-type]
