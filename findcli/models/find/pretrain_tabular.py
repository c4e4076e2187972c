"""`findcli pretrain tabular`: masked and replaced values of the profile (FIND Eqs 8-9).

`runs/tabular/` holds `columns.json` (values and knots of each column), `encoder.json`, `encoder.safetensors` and
`history.parquet`.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from findcli.data.profile_codes import MASK, ProfileCodes
from findcli.data.profiles import profile_columns
from findcli.errors import FindCLIError
from findcli.models.find.tabular import TabularEncoder, choose_values, replace_values
from findcli.models.weights import new_module, save_module, select_device
from findcli.progress import Progress
from findcli.training.examples import TrainingData
from findcli.training.loop import collapse_warning, fit, step_seed
from findcli.training.losses import masked_value_loss, replaced_value_loss
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, open_run
from findcli.workspace.settings import Tabular


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that the tabular stage depends on."""
    sensitive = workspace.settings.sensitive.used
    return (
        asdict(workspace.settings.tabular)
        | {"columns": [asdict(c) for c in profile_columns(workspace.settings.profile)]}
        | ({"sensitive": list(sensitive)} if sensitive else {})
    )


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the profiles and of the users and pairs they belong to."""
    pairs = open_run(workspace.run("pairs"), "pairs")
    return {name: pairs.manifest.digest(name) for name in ("profiles", "pairs.parquet", "users")}


def pretrain_tabular(
    workspace: Workspace, *, device: str = "auto", force: bool = False, progress: Progress | None = None
) -> Run:
    """Train the profile encoder on training users' profiles as of every cutoff; write `runs/tabular`.

    Raises:
        FindCLIError: the pairs are missing, the workspace has no profile, or training diverges.
    """
    pairs = open_run(workspace.run("pairs"), "pairs")
    if not profile_columns(workspace.settings.profile):
        hint = "name a table or aggregates in [profile], or remove 'tabular' from modalities in [align]"
        raise FindCLIError("this workspace has no profile columns to train on", hint=hint)

    def write(draft: Draft, checkpoints: Path) -> None:
        _train(workspace, TrainingData(pairs), draft, checkpoints, select_device(device), progress)

    return build(
        workspace.run("tabular"), write, kind="tabular", settings=stage_settings(workspace),
        inputs=stage_inputs(workspace), seed=workspace.settings.workspace.seed, force=force,
        overrides=workspace.overrides,
    )  # fmt: skip


def _train(
    workspace: Workspace,
    data: TrainingData,
    draft: Draft,
    checkpoints: Path,
    device: torch.device,
    progress: Progress | None,
) -> None:
    settings, seed = workspace.settings.tabular, workspace.settings.workspace.seed
    profiles = data.run.table("profiles.parquet").filter(data.pairs["split"] == "train")
    columns = ProfileCodes.fit(profiles, profile_columns(workspace.settings.profile), bins=settings.bins)
    codes, fractions = (torch.from_numpy(array).to(device) for array in columns.encode(profiles))
    made_of = {
        "cardinalities": columns.cardinalities, "d_token": settings.d_token, "layers": settings.layers,
        "heads": settings.heads, "dropout": settings.dropout,
    }  # fmt: skip
    encoder = new_module(TabularEncoder, made_of, seed=seed).to(device)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step_seed(seed, step))
        rows = torch.from_numpy(rng.choice(len(codes), min(settings.batch_size, len(codes)), replace=False)).to(device)
        generator = torch.Generator(device).manual_seed(step_seed(seed, step))
        return corrupted_value_losses(encoder, codes[rows], fractions[rows], settings, generator)

    history = fit(
        loss, {"encoder": encoder}, steps=settings.steps, lr=settings.lr, weight_decay=settings.weight_decay,
        warmup=settings.warmup, clip=settings.clip, seed=seed, progress=progress,
        checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every,
    )  # fmt: skip
    draft.json("columns.json", columns.to_json())
    save_module(draft, "encoder", encoder, made_of)
    draft.table("history.parquet", history.table())
    with torch.no_grad():
        vectors = encoder(codes[:1000], fractions[:1000])[1]
    draft.metrics |= history.summary() | {"warning": collapse_warning(vectors)}


def corrupted_value_losses(
    encoder: TabularEncoder, codes: Tensor, fractions: Tensor, settings: Tabular, generator: torch.Generator
) -> dict[str, Tensor]:
    """Compute the stage's weighted losses on one batch.

    Args:
        encoder: the module in training.
        codes: int64 (B, F).
        fractions: (B, F).
        settings: weights, shares and how replacements are drawn.
        generator: source of randomness, on the device of the codes.

    Returns:
        "mlm", masked values (Eq 8), and "rtd", replaced values (section 1.4): () each.
    """
    reduction: Literal["mean", "sum"] = "sum" if settings.paper_exact else "mean"
    masked = choose_values(codes, settings.mask, generator=generator)
    tokens, _ = encoder(codes.masked_fill(masked, MASK), fractions)
    logits = encoder.value_logits(tokens)  # (B, F, C)
    chosen = choose_values(codes, settings.mask, generator=generator)
    replaced_codes, replaced_fractions, replaced = replace_values(
        codes, fractions, chosen, logits, how=settings.generator, generator=generator
    )
    seen, _ = encoder(replaced_codes, replaced_fractions)
    present = codes > MASK
    return {
        "mlm": settings.mlm_weight * masked_value_loss(logits, codes, masked, reduction=reduction),
        "rtd": settings.rtd_weight
        * replaced_value_loss(encoder.replaced_logits(seen), replaced, present, reduction=reduction),
    }
