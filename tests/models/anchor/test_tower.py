"""The tower of Query-as-Anchor through every stage, on sixty users."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from findcli import pipeline
from findcli.audiences.target import target
from findcli.data import events
from findcli.data.questions import Question
from findcli.errors import FindCLIError
from findcli.metrics import auc_by_column
from findcli.models.align import align
from findcli.models.anchor.decoder import read_suffixes
from findcli.models.anchor.fit import AnchorTraining
from findcli.models.anchor.tower import AnchorTower
from findcli.models.trained import TrainedModel
from findcli.scoring.engine import Engine, open_engine
from findcli.scoring.population import partitions
from findcli.scoring.tower_scores import TowerScorer, any_of
from findcli.scoring.user_vectors import Embedder
from findcli.training.batches import UserBatch
from findcli.training.loop import fit
from findcli.workspace.folder import Workspace, load_workspace
from findcli.workspace.runs import read_manifest

TINY = {
    "decoder": "scratch", "layers": 2, "d_model": 16, "heads": 2, "d_embedding": 16, "events": 12, "questions": 8,
    "steps": 30, "batch_size": 32, "validate_every": 15, "lr": 5e-3,
}  # fmt: skip
ANCHOR = {"align": {"user_tower": "qanchor"}, "qanchor": TINY}
NAMES = ("tea", "bread", "cheese", "soap", "candles", "towels")
TEA = "The user purchased tea."


def anchored(folder: Path, **qanchor: object) -> Workspace:
    return load_workspace(folder, overrides={**ANCHOR, "qanchor": TINY | qanchor})


@pytest.fixture(scope="module")
def template(trained_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny workspace with this tower trained and its users embedded; tests leave it alone."""
    folder = shutil.copytree(trained_template, tmp_path_factory.mktemp("anchor") / "workspace")
    workspace = anchored(folder)
    pipeline.run(workspace, as_of=workspace.train_until, device="cpu")
    return folder


@pytest.fixture(scope="module")
def engine(template: Path) -> Engine:
    workspace = anchored(template)
    return open_engine(workspace, as_of=workspace.train_until, device="cpu")


def batches(engine: Engine) -> Iterator[UserBatch]:
    log, embedder = events.build_events(engine.workspace), Embedder.of(engine.model)
    for partition in partitions(log, engine.as_of):
        yield from embedder.batches(engine.workspace, partition.log, partition.users, engine.as_of)


@pytest.fixture
def batch(engine: Engine) -> UserBatch:
    return next(batches(engine))


def test_the_default_scorer_of_the_tower_ranks_with_probabilities(engine: Engine, template: Path) -> None:
    assert isinstance(engine.model.tower, AnchorTower)
    assert isinstance(engine.scorer, TowerScorer)
    (audience,) = target(anchored(template), ["people who will buy tea"], as_of=engine.as_of, device="cpu")
    assert audience.ranking.height == 60
    assert audience.ranking["score"].n_unique() > 30
    assert audience.ranking["probability"].is_between(0, 1).all()
    manifest = read_manifest(anchored(template).run("aligned"))
    assert manifest is not None
    assert manifest.settings["scorer"] == "anchor"
    assert "fusion" not in manifest.settings
    assert {"sequence", "tabular"}.isdisjoint(manifest.inputs)


def test_stored_users_are_asked_as_if_read_again(engine: Engine) -> None:
    tower, query = engine.model.tower, torch.from_numpy(engine.scorer._vectors([TEA]))  # type: ignore[attr-defined]
    read_again = np.concatenate([tower.score(tower.prefix(each), query).numpy() for each in batches(engine)])
    stored = engine.scorer._asked(query.numpy())  # type: ignore[attr-defined]
    assert len(stored) == 60
    apart = np.abs(stored - read_again.T).min(1)  # the last batch is filled up with its last user
    assert apart.max() < 5e-3, "kept in half precision"


def test_a_batchs_neighbours_change_no_score(engine: Engine, batch: UserBatch) -> None:
    tower, query = engine.model.tower, torch.from_numpy(engine.scorer._vectors([TEA]))  # type: ignore[attr-defined]
    assert batch.window is not None
    whole = tower.score(tower.prefix(batch), query)
    for row in (0, 3):
        one = slice(row, row + 1)
        window = replace(batch.window, users=batch.window.users[one], ends=batch.window.ends[one])
        alone = replace(batch, codes=batch.codes[one], fractions=batch.fractions[one], window=window)
        torch.testing.assert_close(tower.score(tower.prefix(alone), query), whole[one], atol=1e-5, rtol=0)


def planted(texts: pl.Series) -> torch.Tensor:
    """Vectors that tell categories apart, as a trained text encoder's do."""
    vectors = 0.2 * np.random.default_rng(0).normal(size=(len(texts), 12))
    vectors[:, :6] += np.stack([texts.str.contains(name).to_numpy() for name in NAMES], 1)
    return torch.nn.functional.normalize(torch.from_numpy(vectors).float(), dim=1)


def test_users_permuted_within_a_batch_score_as_strangers(template: Path) -> None:
    """Within a question AUC falls to .50: neither the question nor the batch tells the answer."""
    training = AnchorTraining(anchored(template, patience=100), "cpu")
    training.sampler.texts = planted(training.data.run.table("texts.parquet")["text"])
    training.queries = planted(training.sentences["text"])
    fit(
        training._loss, {"encoder": training.encoder}, steps=150, lr=5e-3, weight_decay=0.01, warmup=0.05, clip=1.0,
        seed=0,
    )  # fmt: skip
    pairs = training.data.pairs
    things = [f"The user purchased {name}." for name in NAMES]
    rows = np.flatnonzero(training.sentences["text"].is_in(things).to_numpy())
    with torch.no_grad():
        read = [(chosen, training._odds(kept, rows)) for chosen, kept in training._reading(pairs)]
    odds = np.concatenate([each for _, each in read])
    truth = training.data.truth.dense(np.concatenate([chosen for chosen, _ in read]), rows)
    own = np.nanmean(auc_by_column(odds, truth))
    rng = np.random.default_rng(0)
    strangers = [np.nanmean(auc_by_column(odds[rng.permutation(len(odds))], truth)) for _ in range(30)]
    assert own > 0.6
    assert abs(np.mean(strangers) - 0.5) < 0.03


def test_another_question_moves_the_score_and_another_answer_moves_no_vector(engine: Engine, batch: UserBatch) -> None:
    tower = engine.model.tower
    prefix = tower.prefix(batch)
    queries = torch.from_numpy(engine.scorer._vectors([TEA, "The user purchased soap."]))  # type: ignore[attr-defined]
    scores = tower.score(prefix, queries)
    assert not torch.allclose(scores[:, 0], scores[:, 1], atol=1e-3)
    encoder = tower.encoder
    with torch.no_grad():
        pair = encoder.suffixes(queries[None, :1])
        answers = [torch.cat([pair, torch.randn(1, 1, 2, pair.shape[-1])], 2) for _ in range(2)]
        one, other = (read_suffixes(encoder.decoder, prefix.kept, each)[:, :, 0] for each in answers)
    assert torch.equal(one, other)


def test_slopes_are_those_of_the_log_odds(engine: Engine) -> None:
    scorer = engine.scorer
    sentence = scorer._vectors([TEA])[0].astype(np.float64)  # type: ignore[attr-defined]
    rows = np.arange(5)
    slopes = scorer.slopes(sentence.astype(np.float32), rows)
    move = np.random.default_rng(0).normal(size=sentence.shape)
    move /= np.linalg.norm(move)
    step = 1e-2
    apart = scorer._asked(np.stack([sentence + step * move, sentence - step * move]))[rows]  # type: ignore[attr-defined]
    np.testing.assert_allclose(slopes @ move, (apart[:, 0] - apart[:, 1]) / (2 * step), atol=5e-3)


def test_a_set_is_true_if_any_of_it_is_and_nothing_is_the_contrary(engine: Engine) -> None:
    odds = np.array([[0.0, 0.0], [-3.0, 2.0]])
    likely = 1 - (1 - 1 / (1 + np.exp(-odds))).prod(1)
    np.testing.assert_allclose(1 / (1 + np.exp(-any_of(odds))), likely)
    tea, none = engine.scorer.score([Question((TEA,)), Question((TEA,), "none")]).scores.T
    np.testing.assert_array_equal(tea, -none)


def test_the_single_vector_is_that_of_the_neutral_question(engine: Engine, batch: UserBatch) -> None:
    users = engine.population.tensors["embeddings"]
    np.testing.assert_allclose(np.linalg.norm(users, axis=1), 1, rtol=1e-5)
    vectors = engine.vector_scorer.score([Question((TEA,))])
    texts = engine.model.sentences.vectors([TEA])
    np.testing.assert_allclose(vectors.scores, users @ texts.numpy().T, atol=1e-5)
    anchored_vectors = engine.scorer.anchored(TEA)  # type: ignore[attr-defined]
    assert anchored_vectors.shape == users.shape
    assert not np.allclose(anchored_vectors, users, atol=1e-3)
    assert set(engine.model.tower.prefix(batch).tensors()) == {
        each for name in engine.model.tower.modalities for each in (name, f"has_{name}")
    }


def test_a_masked_modality_is_as_if_nobody_had_it(engine: Engine, batch: UserBatch) -> None:
    tower = engine.model.tower
    hidden = tower.prefix(batch, without=["search"])
    assert not hidden.tensors()["has_search"].any()
    assert not torch.equal(tower.embed(hidden), tower.embed(tower.prefix(batch)))


def test_an_empty_history_has_a_score(engine: Engine, batch: UserBatch) -> None:
    assert batch.window is not None
    nobody = replace(batch, window=replace(batch.window, ends=batch.window.ends * 0), codes=batch.codes * 0)
    tower, query = engine.model.tower, torch.from_numpy(engine.scorer._vectors([TEA]))  # type: ignore[attr-defined]
    scores = tower.score(tower.prefix(nobody), query)
    assert bool(scores.isfinite().all())
    assert scores.std() < 1e-6


def test_the_untrained_self_is_the_same_each_time(engine: Engine) -> None:
    blank, again = (engine.model.load_tower(trained=False).encoder.state_dict() for _ in range(2))
    assert all(torch.equal(blank[name], again[name]) for name in blank)
    assert any(not torch.equal(blank[name], value) for name, value in engine.model.tower.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"align": {"user_tower": "fusion", "scorer": "anchor"}}, "'fusion' has no scorer 'anchor'"),
        ({"qanchor": {"ntp_weight": 1.0, "decoder": "llm", "mask": "ggsm"}}, "next word is there to be read"),
        ({"qanchor": {"ntp_weight": 1.0, "decoder": "llm", "mask": "bidirectional"}}, "next word is there to be read"),
        ({"qanchor": {"ntp_weight": 1.0}}, "from scratch has no words"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(template: Path, changes: dict[str, dict], said: str) -> None:
    tables = {name: ANCHOR.get(name, {}) | changes.get(name, {}) for name in ("align", "qanchor")}
    with pytest.raises(FindCLIError, match=said) as error:
        align(load_workspace(template, overrides=tables), device="cpu")
    assert "[align]" in error.value.hint or "[qanchor]" in error.value.hint


@pytest.mark.parametrize("mask", ["hybrid", "scheduler", "ggsm"])
def test_a_mask_that_opens_is_trained_to_the_end_and_says_how_it_opened(
    template: Path, tmp_path: Path, mask: str
) -> None:
    folder = shutil.copytree(template, tmp_path / "workspace")
    run = align(anchored(folder, mask=mask, steps=20), device="cpu")
    told = run.json("mask.json")
    assert told["kind"] == mask
    if mask == "ggsm":
        history = run.table("history.parquet")
        assert history["openness_sd"].max() > 0
        assert run.manifest.metrics["openness_sd"] == pytest.approx(history["openness_sd"][-1])
        assert sum(told["seen"]) > 3
    if mask != "hybrid":
        assert told["last_openness"] == 1
        assert run.manifest.metrics["steps"] == 20


def test_a_named_decoder_learns_by_lora_and_predicts_words(template: Path, tmp_path: Path, tiny_llama: Path) -> None:
    from transformers import LlamaConfig, LlamaModel

    tied = shutil.copytree(tiny_llama, tmp_path / "llama")
    config = LlamaConfig.from_pretrained(tied, tie_word_embeddings=True)
    torch.manual_seed(0)
    LlamaModel(config).save_pretrained(tied)
    folder = shutil.copytree(template, tmp_path / "workspace")
    named = {"decoder": str(tied), "layers": 1, "lora_rank": 2, "ntp_weight": 1.0, "steps": 6}
    workspace = anchored(folder, **named)
    run = align(workspace, device="cpu")
    assert "words" in run.table("history.parquet").columns
    assert json.loads((run.folder / "decoder/config.json").read_text())["num_hidden_layers"] == 1
    assert run.files("adapter/*.safetensors")
    model = TrainedModel(workspace, device="cpu")
    assert model.tower.encoder.decoder.config.num_hidden_layers == 1
    (audience,) = target(workspace, [TEA], as_of=workspace.train_until, device="cpu")
    assert audience.ranking["score"].n_unique() > 1
    with pytest.raises(FindCLIError, match="not its input's"):
        align(anchored(folder, **named | {"decoder": str(tiny_llama)}), device="cpu")


def test_a_model_of_another_workspace_reads_and_ranks_users(template: Path, tmp_path: Path) -> None:
    other = load_workspace(shutil.copytree(template, tmp_path / "other"))
    shutil.rmtree(other.runs)
    model = anchored(template)
    (audience,) = target(other, ["people who will buy tea"], as_of=other.train_until, model=model, device="cpu")
    assert audience.ranking["score"].n_unique() > 30
    assert audience.ranking["probability"].is_null().all()  # calibrated for other users
