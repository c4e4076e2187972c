"""FIND's user encoder out of the pre-trained encoders: what takes part, and what it starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from findcli.errors import FindCLIError
from findcli.models.find.assemble import ENCODERS, StageRuns, encoder_names, modalities_of, new_user_encoder
from findcli.models.weights import load_module
from findcli.workspace.folder import Workspace


def with_modalities(workspace: Workspace, *modalities: str) -> Workspace:
    align = replace(workspace.settings.align, modalities=modalities)
    return replace(workspace, settings=replace(workspace.settings, align=align))


def test_the_modalities_are_those_named_that_have_data(trained_workspace: Workspace) -> None:
    assert modalities_of(trained_workspace, StageRuns.open(trained_workspace)) == ["sequence", "tabular", "search"]
    narrow = with_modalities(trained_workspace, "tabular")
    assert encoder_names(narrow) == ["tabular"]
    assert modalities_of(narrow, StageRuns.open(narrow)) == ["tabular"]


def test_without_data_for_any_modality_the_error_names_them(trained_workspace: Workspace) -> None:
    settings = replace(trained_workspace.settings, sources=trained_workspace.settings.sources[1:])  # searches alone
    workspace = with_modalities(replace(trained_workspace, settings=settings), "sequence")
    with pytest.raises(FindCLIError, match=r"no data for any modality of \[align\]: sequence") as error:
        modalities_of(workspace, StageRuns.open(workspace))
    assert "modalities in [align]" in error.value.hint


def test_alignment_starts_from_the_pretrained_encoders(trained_workspace: Workspace) -> None:
    runs = StageRuns.open(trained_workspace)
    align = trained_workspace.settings.align
    _, encoder = new_user_encoder(align, runs, ["sequence", "tabular", "search"], seed=0)
    for name, run in runs.encoders.items():
        for key, weight in load_module(run, "encoder", ENCODERS[name]).state_dict().items():
            assert torch.equal(getattr(encoder, name).state_dict()[key], weight)


def test_a_share_of_the_vector_is_parted_among_the_modalities(trained_workspace: Workspace) -> None:
    align = replace(trained_workspace.settings.align, skip=0.75, d_embedding=16)
    made_of, encoder = new_user_encoder(
        align, StageRuns.open(trained_workspace), ["sequence", "tabular", "search"], seed=0
    )
    assert made_of["fusion"]["skip"] == 4
    assert {name: layer[1].out_features for name, layer in encoder.fusion.beside.items()} == {
        "sequence": 4, "tabular": 4, "search": 4,
    }  # fmt: skip
    plain, _ = new_user_encoder(replace(align, skip=0.0), StageRuns.open(trained_workspace), ["sequence"], seed=0)
    assert plain["fusion"]["skip"] == 0
