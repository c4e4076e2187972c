"""FIND's joint training: the objective of each setting, and what a batch of pairs holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from findcli.models.find.fit import Objective, alone, some_hidden
from findcli.training import losses
from findcli.training.examples import TrainingData
from findcli.training.pair_sampler import PairSampler
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import open_run
from findcli.workspace.settings import Align


@pytest.fixture
def sampler(trained_workspace: Workspace) -> PairSampler:
    data = TrainingData(open_run(trained_workspace.run("pairs"), "pairs"))
    n = len(data.pairs)
    codes = np.arange(n)[:, None] + 2, np.zeros((n, 1), np.float32)  # so that a row of codes tells its pair
    texts = open_run(trained_workspace.run("text"), "text").tensors("texts.safetensors")["vectors"]
    return PairSampler(trained_workspace, data, codes, torch.from_numpy(texts))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_batch_holds_pairs_of_its_split_with_a_true_sentence_each(sampler: PairSampler, split: str) -> None:
    for seed in range(5):
        batch = sampler.draw(split, users=16, sentences=8, seed=seed)
        pairs = batch.users.codes[:, 0].numpy() - 2
        assert set(sampler.data.pairs["split"].to_numpy()[pairs]) == {split}
        assert len(set(batch.sentences)) == 8
        np.testing.assert_array_equal(batch.true, sampler.data.truth.dense(pairs, batch.sentences))
        assert batch.true[torch.arange(len(pairs)), batch.positive].all()


def test_a_share_of_the_sentences_is_about_profiles(trained_workspace: Workspace) -> None:
    data = TrainingData(open_run(trained_workspace.run("pairs"), "pairs"))
    n, ahead = len(data.pairs), len(data.run.table("sentences.parquet"))
    true = np.random.default_rng(0).random((n, 3)) < 0.5
    settings = replace(
        trained_workspace.settings, align=replace(trained_workspace.settings.align, profile_sentences=0.9)
    )
    sampler = PairSampler(
        replace(trained_workspace, settings=settings), data,
        (np.arange(n)[:, None] + 2, np.zeros((n, 1), np.float32)),
        torch.from_numpy(open_run(trained_workspace.run("text"), "text").tensors("texts.safetensors")["vectors"]),
        true,
    )  # fmt: skip
    batch = sampler.draw("train", users=16, sentences=8, seed=0)
    pairs, about = batch.users.codes[:, 0].numpy() - 2, batch.sentences >= ahead
    assert about.sum() == 3, "they are most of what is drawn"
    np.testing.assert_array_equal(batch.true[:, about], true[np.ix_(pairs, batch.sentences[about] - ahead)])
    np.testing.assert_array_equal(batch.true[:, ~about], data.truth.dense(pairs, batch.sentences[~about]))


def test_a_batch_depends_on_its_seed_alone(sampler: PairSampler) -> None:
    first, again, other = (sampler.draw("train", users=8, sentences=8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.users.codes, again.users.codes)
    assert np.array_equal(first.sentences, again.sentences)
    assert not np.array_equal(first.sentences, other.sentences)


def test_each_setting_has_its_loss() -> None:
    torch.manual_seed(0)
    users, texts = (torch.nn.functional.normalize(torch.randn(n, 6), dim=1) for n in (4, 5))
    true = torch.eye(4, 5, dtype=torch.bool)
    true[0, 3] = True
    positive, scale = torch.arange(4), torch.tensor(losses.INITIAL_LOGIT_SCALE)
    wanted = {
        "contrastive": losses.contrastive_loss(users, texts, true, scale),
        "infonce": losses.infonce_loss(users, texts, positive, true, scale),
        "sigmoid": losses.sigmoid_loss(users, texts, true, scale, torch.tensor(-10.0)),
    }
    for kind, value in wanted.items():
        torch.testing.assert_close(Objective(Align(loss=kind))(users, texts, true, positive), value)
    paper = Objective(replace(Align(), paper_exact=True))(users, texts, true, positive)
    torch.testing.assert_close(paper, losses.paper_infonce(users, texts[positive]))


def test_the_temperature_stays_within_its_bound() -> None:
    objective = Objective(Align())
    objective.logit_scale.data.fill_(99.0)
    objective(torch.eye(3), torch.eye(3), torch.eye(3, dtype=torch.bool), torch.arange(3))
    assert objective.logit_scale.item() == pytest.approx(losses.MAX_LOGIT_SCALE)


def test_each_modality_stands_alone_once() -> None:
    has = torch.tensor([True, False])
    views = alone({"sequence": (torch.ones(2, 1), has), "tabular": (torch.ones(2, 1), ~has)})
    assert [{name: there.tolist() for name, (_, there) in view.items()} for view in views] == [
        {"sequence": [True, False], "tabular": [False, False]},
        {"sequence": [False, False], "tabular": [False, True]},
    ]


@given(
    present=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8),
    share=st.floats(0, 1), seed=st.integers(0, 99),
)  # fmt: skip
def test_hidden_modalities_were_there_and_one_always_stays(present: Any, share: float, seed: int) -> None:
    torch.manual_seed(seed)
    has = torch.tensor(present)
    names = ("sequence", "tabular", "search")
    seen = some_hidden({name: (torch.ones(len(has), 2), has[:, i]) for i, name in enumerate(names)}, share)
    kept = torch.stack([seen[name][1] for name in names], 1)
    assert not (kept & ~has).any()
    assert torch.equal(kept.any(1), has.any(1))
    if share == 0:
        assert torch.equal(kept, has)


def test_a_third_of_the_modalities_is_hidden() -> None:
    torch.manual_seed(0)
    everyone = torch.ones(3000, dtype=torch.bool)
    seen = some_hidden({name: (torch.ones(3000, 1), everyone) for name in ("sequence", "tabular", "search")}, 0.33)
    hidden = 1 - torch.stack([has for _, has in seen.values()]).double().mean()
    assert hidden.item() == pytest.approx(0.33 - 0.33**3 / 3, abs=0.02)  # the last one stays
