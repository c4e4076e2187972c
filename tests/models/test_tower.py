"""The seam of user towers: FIND's fusion keeps to it, and nothing above asks which tower it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from findcli.data import events
from findcli.models import trained
from findcli.models.find.tower import FusionTower, ModalityVectors
from findcli.models.trained import TrainedModel
from findcli.scoring.embedder import Embedder
from findcli.scoring.engine import describe_engine
from findcli.scoring.population import partitions
from findcli.training.batches import UserBatch
from findcli.workspace.folder import Workspace


def batches(workspace: Workspace, model: TrainedModel) -> Iterator[UserBatch]:
    at = workspace.train_until
    for partition in partitions(events.build_events(workspace), at):
        yield from Embedder.of(model).batches(workspace, partition.log, partition.users, at)


@pytest.fixture
def model(trained_workspace: Workspace) -> TrainedModel:
    return TrainedModel(trained_workspace, device="cpu")


def test_fusion_gives_unit_vectors_and_scores_by_their_cosine(
    trained_workspace: Workspace, model: TrainedModel
) -> None:
    tower, batch = model.tower, next(batches(trained_workspace, model))
    prefix = tower.prefix(batch)
    users, queries = tower.embed(prefix), torch.eye(16)[:3]
    torch.testing.assert_close(users.norm(dim=1), torch.ones(len(users)))
    torch.testing.assert_close(tower.score(prefix, queries), users @ queries.T)
    assert tower.unit == "cosine"
    assert tower.scorers[0] == model.scorer
    assert set(prefix.tensors()) == {each for name in tower.modalities for each in (name, f"has_{name}")}


def test_a_masked_modality_is_as_if_nobody_had_it(trained_workspace: Workspace, model: TrainedModel) -> None:
    tower, batch = model.tower, next(batches(trained_workspace, model))
    hidden = tower.prefix(batch, without=["search"])
    assert not hidden.tensors()["has_search"].any()
    assert not hidden.tensors()["search"].any()
    assert not torch.equal(tower.embed(hidden), tower.embed(tower.prefix(batch)))


def test_the_untrained_self_is_the_same_each_time_and_another_than_the_trained(model: TrainedModel) -> None:
    blank, again = (model.load_tower(trained=False) for _ in range(2))
    weights = [tower.encoder.state_dict() for tower in (blank, again, model.tower)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(not torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


class Turned(FusionTower):
    """A tower of its own: FIND's vectors, turned round."""

    def embed(self, prefix: ModalityVectors) -> Tensor:
        return -super().embed(prefix)


def test_another_tower_embeds_and_ranks_through_the_same_commands(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, words = trained_workspace.train_until, ["people who will buy tea"]
    plain = describe_engine(trained_workspace, as_of=at, device="cpu")
    scores = plain.vector_scorer.score(words).scores
    monkeypatch.setitem(trained.TOWERS, "fusion", Turned)
    turned = TrainedModel(trained_workspace, device="cpu")
    assert isinstance(turned.tower, Turned)
    monkeypatch.setattr("findcli.scoring.engine.open_model", lambda *_, **__: turned)
    other = describe_engine(trained_workspace, as_of=at, device="cpu")
    np.testing.assert_allclose(other.vector_scorer.score(words).scores, -scores, atol=1e-6)
    assert other.users.equals(plain.users)
    assert isinstance(other.users, pl.Series)
