"""The seam of user towers: FIND's fusion keeps to it, and nothing above asks which tower it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from findcli import pipeline
from findcli.audiences.target import target
from findcli.data import events
from findcli.errors import FindCLIError
from findcli.models import trained
from findcli.models.align import align
from findcli.models.find.tower import FusionTower, ModalityVectors
from findcli.models.trained import TrainedModel
from findcli.progress import Progress
from findcli.scoring.engine import open_engine
from findcli.scoring.population import partitions
from findcli.scoring.user_vectors import Embedder
from findcli.training.batches import UserBatch
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import Draft


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

    name = "turned"
    scorers = ("vector",)

    @classmethod
    def fit(
        cls, workspace: Workspace, draft: Draft, checkpoints: Path, *, device: str, progress: Progress | None
    ) -> None:
        super().fit(workspace, draft, checkpoints, device=device, progress=progress)
        draft.json("turned.json", {})  # what another tower leaves is another model

    def embed(self, prefix: ModalityVectors) -> Tensor:
        return -super().embed(prefix)


def test_a_tower_is_declared_once_and_trained_embedded_and_ranked_by_the_same_commands(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, words = trained_workspace.train_until, ["people who will buy tea"]
    monkeypatch.setitem(trained.TOWERS, "turned", Turned)
    scores = {}
    for name in ("fusion", "turned"):
        chosen = {"align": {"user_tower": name, "scorer": "vector"}}
        workspace = load_workspace(trained_workspace.folder, overrides=chosen)
        pipeline.run(workspace, as_of=at, device="cpu")
        engine = open_engine(workspace, as_of=at, device="cpu")
        assert engine.model.tower.name == name
        assert engine.scorer.unit == "cosine"
        assert target(workspace, words, as_of=at, device="cpu")[0].ranking.height == 60
        scores[name] = engine.score(words).scores
    np.testing.assert_allclose(scores["turned"], -scores["fusion"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user_tower": "babel"}, "there is no user tower 'babel'"),
        ({"user_tower": "turned", "scorer": "query_aware"}, "'turned' has no scorer 'query_aware'"),
    ],
)
def test_an_unknown_tower_and_an_impossible_pair_are_refused_with_the_possible_ones(
    trained_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    monkeypatch.setitem(trained.TOWERS, "turned", Turned)
    workspace = load_workspace(trained_workspace.folder, overrides={"align": changes})
    with pytest.raises(FindCLIError, match=said) as error:
        align(workspace, device="cpu")
    assert "in [align]" in error.value.hint
