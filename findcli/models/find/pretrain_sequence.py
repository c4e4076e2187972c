"""`findcli pretrain sequence`: forecast contrast and cyclic regulariser over time steps (FIND Eqs 5-7).

`runs/sequence/` holds `encoder.json` (constructor arguments), `encoder.safetensors` and `history.parquet`.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from findcli.models.find.sequence import SequenceEncoder
from findcli.models.weights import new_module, save_module, select_device
from findcli.progress import Progress
from findcli.training.batches import EXTRAS, Steps
from findcli.training.examples import TrainingData, choose_part, seconds
from findcli.training.loop import collapse_warning, fit, mixed_precision, step_seed
from findcli.training.losses import (
    INITIAL_LOGIT_SCALE,
    MAX_LOGIT_SCALE,
    cyclic_regulariser,
    forecast_contrast,
    paper_cyclic_regulariser,
    paper_forecast_contrast,
)
from findcli.workspace.durations import parse_duration
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, open_run
from findcli.workspace.settings import Sequence

DAY = 86_400
ANCHORS, NEGATIVES = 2048, 512


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that the sequence stage depends on."""
    windows = workspace.settings.windows
    dates = {
        "history": windows.history,
        "min_history": windows.min_history,
        "train_until": workspace.train_until.isoformat(),
    }
    return asdict(workspace.settings.sequence) | dates


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the histories and of the vectors of texts."""
    pairs, text = (open_run(workspace.run(name), name) for name in ("pairs", "text"))
    return {
        "histories": pairs.manifest.digest("histories/"),
        "users": pairs.manifest.digest("users"),
        "text": text.manifest.digest("texts"),
    }


def pretrain_sequence(
    workspace: Workspace, *, device: str = "auto", force: bool = False, progress: Progress | None = None
) -> Run:
    """Train the behaviour encoder on training users' histories before `train_until`; write `runs/sequence`.

    Raises:
        FindCLIError: the pairs or the text run are missing, or training diverges.
    """
    pairs = open_run(workspace.run("pairs"), "pairs")
    text = open_run(workspace.run("text"), "text")

    def write(draft: Draft, checkpoints: Path) -> None:
        texts = torch.from_numpy(text.tensors("texts.safetensors")["vectors"]).to(select_device(device))
        _train(workspace, TrainingData(pairs), texts, draft, checkpoints, progress)

    return build(
        workspace.run("sequence"), write, kind="sequence",
        settings=stage_settings(workspace), inputs=stage_inputs(workspace),
        seed=workspace.settings.workspace.seed, force=force,
        overrides=workspace.overrides,
    )  # fmt: skip


def _train(
    workspace: Workspace, data: TrainingData, texts: Tensor, draft: Draft, checkpoints: Path, progress: Progress | None
) -> None:
    settings, seed = workspace.settings.sequence, workspace.settings.workspace.seed
    training = SequenceTraining.of(workspace, data, texts)
    history = fit(
        training.loss, {"pretraining": training.module}, steps=settings.steps, lr=settings.lr,
        weight_decay=settings.weight_decay, warmup=settings.warmup, clip=settings.clip, seed=seed, progress=progress,
        checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every,
    )  # fmt: skip
    encoder = training.module.encoder
    save_module(draft, "encoder", encoder, training.made_of)
    draft.table("history.parquet", history.table())
    steps = training.sampler.batch("validation", settings.batch_size, seed)
    with torch.no_grad():
        vectors = encoder.pool(encoder(steps.vectors, steps.valid), steps.valid)
    draft.metrics |= history.summary() | {"warning": collapse_warning(vectors)}


@dataclass(frozen=True)
class SequenceTraining:
    """What is trained, and on what.

    Attributes:
        module: the encoder with its objective.
        made_of: the encoder's arguments.
        sampler: draws the batches.
        batch_size: users a step.
        seed: of the steps.
    """

    module: Pretraining
    made_of: dict[str, Any]
    sampler: WindowSampler
    batch_size: int
    seed: int

    @classmethod
    def of(cls, workspace: Workspace, data: TrainingData, texts: Tensor) -> SequenceTraining:
        """The training of a workspace from its start; arguments as `WindowSampler`."""
        settings, seed = workspace.settings.sequence, workspace.settings.workspace.seed
        sampler = WindowSampler(workspace, data, texts)
        made_of = {
            "d_input": texts.shape[1] + EXTRAS, "max_steps": sampler.n_steps, "kind": settings.kind,
            "d_model": settings.d_model, "layers": settings.layers, "heads": settings.heads,
            "dropout": settings.dropout, "positives": settings.positives,
        }  # fmt: skip
        period = max(1, parse_duration(settings.cycle) // parse_duration(settings.step))
        module = Pretraining(new_module(SequenceEncoder, made_of, seed=seed), settings, period=period)
        return cls(module.to(texts.device), made_of, sampler, settings.batch_size, seed)

    def batch(self, step: int) -> Steps:
        """The batch of a step, from 0."""
        return self.sampler.batch("train", self.batch_size, step_seed(self.seed, step))

    def loss(self, step: int) -> dict[str, Tensor]:
        """The weighted terms of a step's loss."""
        return self.module(self.batch(step), step_seed(self.seed, step))  # type: ignore[no-any-return]


class Pretraining(nn.Module):
    """The encoder with its objective; the temperature is for training only."""

    def __init__(self, encoder: SequenceEncoder, settings: Sequence, *, period: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self.settings = settings
        self.period = period

    def forward(self, steps: Steps, seed: int) -> dict[str, Tensor]:
        """Compute the weighted terms of the loss; the seed draws anchors and negatives."""
        with mixed_precision(steps.vectors.device):
            context = self.encoder(steps.vectors, steps.valid)  # (B, T, d_model)
            targets = self.encoder.targets(steps.vectors)  # (B, T, d_model)
            predictions = self.encoder.predictions(context)  # (B, T, k, d_model)
        context, targets, predictions = context.float(), targets.float(), predictions.float()
        self.logit_scale.data.clamp_(max=MAX_LOGIT_SCALE)
        if self.settings.paper_exact:
            contrast = paper_forecast_contrast(context, targets, steps.valid, self.settings.positives)
            cyclic = paper_cyclic_regulariser(context, steps.valid, self.period)
        else:
            contrast = forecast_contrast(
                predictions, targets, steps.observed, steps.valid, self.logit_scale,
                anchors=ANCHORS, negatives=NEGATIVES, generator=torch.Generator().manual_seed(seed),
            )  # fmt: skip
            cyclic = cyclic_regulariser(context, steps.valid, self.period)
        return {"contrast": contrast, "cyclic": self.settings.cycle_weight * cyclic}


class WindowSampler:
    """Draws random history windows of random users, all before `train_until`.

    Args:
        workspace: sets the windows.
        data: the opened pairs.
        texts: vectors of the distinct texts, (n_texts, d_text).
    """

    def __init__(self, workspace: Workspace, data: TrainingData, texts: Tensor) -> None:
        windows = workspace.settings.windows
        self.length = int(parse_duration(windows.history).total_seconds())
        self.step = int(parse_duration(workspace.settings.sequence.step).total_seconds())
        self.min_history = int(parse_duration(windows.min_history).total_seconds())
        self.until = int(seconds([workspace.train_until])[0])
        self.data, self.texts = data, texts
        self.n_steps = -(-self.length // self.step)

    def batch(self, split: str, size: int, seed: int) -> Steps:
        """Draw windows of up to `size` users of one partition, each ending on a random day.

        Args:
            split: "train" or "validation".
            size: users at most.
            seed: of the draw.

        Returns:
            Steps of B users, (B, T, ...); the last one just before the window's end.
        """
        rng = np.random.default_rng(seed)
        members = {part: self.data.users_of(part, split) for part in self.data.parts}
        part = choose_part(rng, {part: len(users) for part, users in members.items()})
        users = np.sort(rng.choice(members[part], min(size, len(members[part])), replace=False))
        history = self.data.histories(part)
        earliest = min(self.until, int(history.seconds.min()) + self.min_history)
        days = (self.until - earliest) // DAY
        ends = self.until - DAY * rng.integers(0, days + 1, len(users))
        return history.steps(users, ends, self.texts, length=self.length, step=self.step)
