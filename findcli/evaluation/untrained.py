"""Each encoder of stage 1 beside the untrained self that its training began with: what did training teach it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import torch
from torch import Tensor

from findcli.models.find.assemble import ENCODERS, encoder_names, load_user_encoder
from findcli.models.text.space import UntrainedSpace
from findcli.scoring.embed import Embedder, embed_users
from findcli.training.batches import EXTRAS, UserBatch
from findcli.training.module_files import load_module
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run

Encode = Callable[[UserBatch], dict[str, Tensor]]
SELVES = {"pre-trained": True, "untrained": False}


def untrained_vectors(
    workspace: Workspace, log: Run, as_of: datetime, *, device: str = "auto"
) -> dict[str, np.ndarray]:
    """Vectors of every user with an event before a date.

    Returns:
        By name, such as "sequence, pre-trained" and "sequence, untrained", arrays (n_users, D), users in ascending id;
        "text" is the mean text vector of a history, "embeddings, untrained" the fused vector of a model that
        learned nothing.
    """
    embedder = Embedder.load(workspace, device=device)

    def collect(chosen: Embedder, encode: Encode) -> dict[str, np.ndarray]:
        return embed_users(workspace, chosen, log, as_of, encode=encode)[1]

    found = collect(embedder, _stage_one(workspace, embedder))
    text = open_run(workspace.run("text"), "text")
    blank = replace(embedder, space=UntrainedSpace(text, device=str(embedder.device)))
    return found | collect(blank, lambda batch: {"text, untrained": _mean_text(batch)})


def stage_one_vectors(
    workspace: Workspace, log: Run, as_of: datetime, *, without_sources: Sequence[str] = (), device: str = "auto"
) -> dict[str, np.ndarray]:
    """What each encoder of stage 1 says of every user with an event before a date, before any alignment.

    Returns:
        By name, "sequence", "tabular" and "search" where the workspace has them, arrays (n_users, D), ids ascending,
        zeros where a user lacks the modality.
    """
    embedder = Embedder.load(workspace, device=device)
    runs = {name: open_run(workspace.run(name), name) for name in encoder_names(workspace)}
    modules = {name: load_module(run, "encoder", ENCODERS[name]).to(embedder.device) for name, run in runs.items()}

    @torch.no_grad()
    def encode(batch: UserBatch) -> dict[str, Tensor]:
        found = {name: _modality(name, module, batch) for name, module in modules.items()}
        return found | ({"search": batch.search} if embedder.encoder.search else {})

    return embed_users(workspace, embedder, log, as_of, without_sources=without_sources, encode=encode)[1]


def _stage_one(workspace: Workspace, embedder: Embedder) -> Encode:
    selves = {}
    for name in encoder_names(workspace):
        run = open_run(workspace.run(name), name)
        for self_name, trained in SELVES.items():
            selves[name, self_name] = load_module(run, "encoder", ENCODERS[name], trained=trained).to(embedder.device)
    aligned = open_run(workspace.run("aligned"), "aligned")
    fused = load_user_encoder(aligned, trained=False).to(embedder.device)

    @torch.no_grad()
    def encode(batch: UserBatch) -> dict[str, Tensor]:
        found = {"text, pre-trained": _mean_text(batch)}
        for (name, self_name), module in selves.items():
            found[f"{name}, {self_name}"] = _modality(name, module, batch)
        return found | {"embeddings, untrained": fused(batch)}

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
