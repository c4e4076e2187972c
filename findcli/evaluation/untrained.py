"""The encoders of stage 1, pre-trained and untrained, to show what their training taught them.

Tested in tests/evaluation/rivals/test_representations.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import torch
from torch import Tensor

from findcli.models.find.assemble import ENCODERS, encoder_names
from findcli.models.text.space import UntrainedSpace
from findcli.models.trained import TrainedModel
from findcli.models.weights import load_module
from findcli.scoring.engine import Engine, open_model
from findcli.scoring.population import Encode, embed_users
from findcli.scoring.user_vectors import Embedder
from findcli.training.batches import EXTRAS, UserBatch
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

SELVES = {"pre-trained": True, "untrained": False}


def untrained_vectors(engine: Engine, log: Run) -> dict[str, np.ndarray]:
    """Vectors of every user with an event before the engine's date.

    Returns:
        Arrays (n_users, D) by name, users in ascending order of id, such as "sequence, pre-trained" and "sequence,
        untrained"; "text" is the mean text vector of a history, "embeddings, untrained" the fused vector of a model
        that learned nothing.
    """
    workspace, as_of = engine.workspace, engine.as_of
    embedder = Embedder.of(engine.model)
    vectors = embed_users(workspace, embedder, log, as_of, encode=_stage_one(workspace, engine.model))[1]
    space = UntrainedSpace(engine.model.text, device=str(embedder.device))
    blank = replace(embedder, space=space)
    return (
        vectors
        | embed_users(workspace, blank, log, as_of, encode=lambda batch: {"text, untrained": _mean_text(batch)})[1]
    )


def stage_one_vectors(
    workspace: Workspace, log: Run, as_of: datetime, *, without_sources: Sequence[str] = (), device: str = "auto"
) -> dict[str, np.ndarray]:
    """The vectors of each encoder of stage 1, before any alignment, for every user with an event before a date.

    Returns:
        By name, "sequence", "tabular" and "search" where the workspace has them, arrays (n_users, D), ids ascending,
        zeros where a user lacks the modality.
    """
    model = open_model(workspace, device=device)
    runs = {name: open_run(workspace.run(name), name) for name in encoder_names(workspace)}
    modules = {name: load_module(run, "encoder", ENCODERS[name]).to(model.device) for name, run in runs.items()}
    searches = "search" in model.tower.modalities

    @torch.no_grad()
    def encode(batch: UserBatch) -> dict[str, Tensor]:
        vectors = {name: _modality(name, module, batch) for name, module in modules.items()}
        return vectors | ({"search": batch.search} if searches else {})

    embedder = Embedder.of(model)
    return embed_users(workspace, embedder, log, as_of, without_sources=without_sources, encode=encode)[1]


def _stage_one(workspace: Workspace, model: TrainedModel) -> Encode:
    selves = {}
    for name in encoder_names(workspace):
        run = open_run(workspace.run(name), name)
        for self_name, trained in SELVES.items():
            selves[name, self_name] = load_module(run, "encoder", ENCODERS[name], trained=trained).to(model.device)
    blank = model.load_tower(trained=False)

    @torch.no_grad()
    def encode(batch: UserBatch) -> dict[str, Tensor]:
        vectors = {"text, pre-trained": _mean_text(batch)}
        for (name, self_name), module in selves.items():
            vectors[f"{name}, {self_name}"] = _modality(name, module, batch)
        return vectors | {"embeddings, untrained": blank.embed(blank.prefix(batch))}

    return encode


def _modality(name: str, module: torch.nn.Module, batch: UserBatch) -> Tensor:
    if name == "tabular":
        vector: Tensor = module(batch.codes, batch.fractions)[1]
        return vector
    context = module(batch.steps.vectors, batch.steps.valid)
    pooled: Tensor = module.pool(context, batch.steps.valid)  # type: ignore[operator]
    return pooled


def _mean_text(batch: UserBatch) -> Tensor:
    """The mean over time steps with events of their mean text vector: (B, d_text)."""
    observed = batch.steps.observed.unsqueeze(-1)
    return (batch.steps.vectors[..., :-EXTRAS] * observed).sum(1) / observed.sum(1).clamp(min=1)
