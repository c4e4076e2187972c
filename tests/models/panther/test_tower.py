"""PANTHER as a user tower and as a modality of fusion: trained, embedded and ranked by the same commands."""

from __future__ import annotations

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from findcli import pipeline
from findcli.audiences.target import target
from findcli.models.next_event.encoder import NextEventEncoder
from findcli.models.trained import TrainedModel
from findcli.models.weights import load_module
from findcli.scoring.engine import open_engine
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import open_run
from tests.models.next_event.test_pretrain import TINY

WORDS = ["people who will buy tea"]
FORMS = {
    "panther": {"user_tower": "panther", "scorer": "vector"},
    "fusion": {"modalities": ["sequence", "tabular", "search", "next_event"], "scorer": "vector"},
}


def opened(workspace: Workspace, form: str) -> Workspace:
    return load_workspace(workspace.folder, overrides={"next_event": TINY, "align": FORMS[form]})


@pytest.mark.parametrize("form", FORMS)
def test_the_commands_take_it_as_any_other(trained_workspace: Workspace, form: str) -> None:
    workspace = opened(trained_workspace, form)
    at = workspace.train_until
    made = [run.manifest.kind for run in pipeline.run(workspace, as_of=at, device="cpu")]
    assert made == ["next_event", "aligned", "embeddings"]
    model = TrainedModel(workspace, device="cpu")
    assert "next_event" in model.tower.modalities
    assert (model.tower.modalities == ("next_event",)) == (form == "panther")
    vectors = open_run(workspace.embeddings(at), "embeddings").tensors("users.safetensors")
    assert vectors["has_next_event"].all()
    np.testing.assert_allclose(np.linalg.norm(vectors["next_event"], axis=1), 1, atol=1e-5)
    engine = open_engine(workspace, as_of=at, device="cpu")
    ranking = target(workspace, WORDS, as_of=at, device="cpu")[0].ranking
    assert ranking.height == 60
    assert engine.score(WORDS).scores.std() > 0
    assert_frame_equal(ranking, target(workspace, WORDS, as_of=at, device="cpu")[0].ranking)


def test_alignment_trains_the_encoder_on(trained_workspace: Workspace) -> None:
    workspace = opened(trained_workspace, "panther")
    pipeline.run(workspace, as_of=workspace.train_until, device="cpu")
    before = load_module(open_run(workspace.run("next_event"), "next_event"), "encoder", NextEventEncoder).state_dict()
    after = TrainedModel(workspace, device="cpu").tower.encoder.next_event.state_dict()
    moved = [name for name in before if not np.array_equal(before[name].numpy(), after[name].numpy())]
    assert any(name.startswith("blocks.") for name in moved)


def test_without_it_nothing_changes(trained_workspace: Workspace) -> None:
    workspace = load_workspace(trained_workspace.folder)
    assert {status.state for status in pipeline.plan(workspace, as_of=workspace.train_until)} == {"current"}
    assert "next_event" not in {status.name for status in pipeline.plan(workspace)}
    assert TrainedModel(workspace, device="cpu").token_reader is None
