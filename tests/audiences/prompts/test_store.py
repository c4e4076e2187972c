"""Learned prompts: begin as the sentence, pick up what seeds say, change nothing else, and serve their own model."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from findcli import pipeline
from findcli.audiences.eligible.who import WhoNot
from findcli.audiences.prompts.descent import PromptTuner
from findcli.audiences.prompts.seeds import Seeds, mine_hard_negatives, read_seeds
from findcli.audiences.prompts.store import leanings, learned_tokens, list_prompts, open_prompt
from findcli.audiences.prompts.tune import tune_prompt
from findcli.audiences.target import target
from findcli.cli.main import main
from findcli.errors import FindCLIError
from findcli.models.ranker.features import query_features, user_features
from findcli.models.ranker.queries import Pick, rates_of, weigh
from findcli.scoring.engine import open_engine
from findcli.scoring.scores import QueryScorer, Scorer
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Run, open_run
from findcli.workspace.settings import Prompt

SENTENCE = "people who will buy tea"
QUICK = Prompt(background=40, steps=6, strength=1.0)


def embeddings(workspace: Workspace) -> Run:
    return open_run(workspace.embeddings(workspace.train_until), "embeddings")


def scorers(workspace: Workspace) -> list[Scorer]:
    engine = open_engine(workspace, as_of=workspace.train_until, device="cpu")
    assert isinstance(engine.scorer, QueryScorer)
    return [engine.scorer, engine.vector_scorer]


def seed_file(path: Path, positives: list[int], negatives: list[int]) -> Path:
    rows = [(user, 1) for user in positives] + [(user, 0) for user in negatives]
    pl.DataFrame(rows, schema=["user_id", "label"], orient="row").write_csv(path)
    return path


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): hashlib.blake2b(path.read_bytes()).hexdigest() for path in files}


def planted(tuner: PromptTuner, n: int = 6) -> Seeds:
    """Seeds whom one direction of e^q sets apart, whatever the sentence says of them."""
    moves = np.eye(len(tuner.query), dtype=np.float32)[:1] * 0.05 + tuner.query
    moves /= np.linalg.norm(moves, axis=1, keepdims=True)
    change = (tuner.score(moves) - tuner.score(tuner.query[None]))[:, 0]
    order = np.argsort(-change, kind="stable")
    return Seeds(np.sort(order[:n]), np.sort(order[-n:]))


def test_a_prompt_that_took_no_step_is_the_sentence_on_both_models(trained_workspace: Workspace) -> None:
    by_sentence = target(trained_workspace, [SENTENCE], rewrite="off", device="cpu")[0].ranking.sort("user_id")["score"]
    for scorer, expected in zip(scorers(trained_workspace), (by_sentence, None), strict=True):
        tuner = PromptTuner(scorer, SENTENCE, users=60, without=np.arange(6), settings=replace(QUICK, steps=0), seed=0)
        (tuned,) = tuner.tune([Seeds(np.arange(3), np.arange(3, 6))])
        assert tuned.steps == 0
        np.testing.assert_array_equal(tuned.tokens, tuner.coordinates.start.numpy())
        assert tuned.weight == 1
        assert not tuned.reading.any()
        scores = tuner.rank([tuned])[:, 0]
        if expected is not None:
            np.testing.assert_allclose(scores, expected.to_numpy(), atol=1e-4)
        np.testing.assert_allclose(scores, tuner.score(tuner.query[None])[:, 0], atol=1e-4)


def test_slopes_are_those_of_the_networks_log_odds(trained_workspace: Workspace) -> None:
    """In double precision, by differences of what the numpy scoring itself computes."""
    scorer = scorers(trained_workspace)[0]
    assert isinstance(scorer, QueryScorer)
    snapshot, learned = scorer.snapshot, scorer.model.co_occurrence
    users = user_features(snapshot.habits, snapshot.concepts, learned, factors=snapshot.factors)
    side = scorer.sentences
    (query,) = side.query(side.encoder.embed(["The user purchased tea."])).detach().numpy()
    move = np.random.default_rng(0).normal(size=(1, len(query))).astype(np.float32)
    slopes = scorer.slopes(query, np.arange(60)) @ move[0]
    ranker = copy.deepcopy(scorer.model.network).double()

    def odds(vector: np.ndarray) -> np.ndarray:
        pick = Pick(vector[None])
        query = weigh([pick], snapshot.concepts, rates=rates_of([pick], snapshot.concepts, snapshot.habits))
        with torch.no_grad():
            return ranker(query_features(users, query, learned).double())[:, 0].numpy()

    step = 2e-4
    found = (odds(query + step * move[0]) - odds(query - step * move[0])) / (2 * step)
    assert np.abs(slopes).max() > 0.01
    np.testing.assert_allclose(slopes, found, atol=0.05 * np.abs(found).max())


def test_planted_seeds_are_learned_and_rank_higher_on_both_models(trained_workspace: Workspace) -> None:
    for scorer in scorers(trained_workspace):
        plain = PromptTuner(scorer, SENTENCE, users=60, without=np.zeros(0, np.int64), settings=QUICK, seed=0)
        seeds = planted(plain)
        tuner = PromptTuner(scorer, SENTENCE, users=60, without=seeds.rows, settings=QUICK, seed=0)
        (tuned,) = tuner.tune([seeds])
        assert tuned.steps > 0
        before, after = tuner.score(tuner.query[None])[:, 0], tuner.rank([tuned])[:, 0]
        gap = [np.mean(s[seeds.positives]) - np.mean(s[seeds.negatives]) for s in (before, after)]
        assert gap[1] > gap[0]
        assert tuned.auc >= tuned.sentence_auc


def test_hard_negatives_part_those_who_look_alike(trained_workspace: Workspace) -> None:
    """Positives and hard negatives whom the sentence ranks alike, and whom the summary sets apart.

    Each half of those who look alike is the positives once: what the trained model thinks of either half cancels out.
    """
    scorer = scorers(trained_workspace)[0]
    plain = PromptTuner(scorer, SENTENCE, users=60, without=np.zeros(0, np.int64), settings=QUICK, seed=0)
    likely = np.argsort(-plain.score(plain.query[None])[:, 0], kind="stable")[:24]
    settings, apart = replace(QUICK, steps=12, strength=0.2), []
    for positives, hard in ((likely[::2], likely[1::2]), (likely[1::2], likely[::2])):
        summary = scorer.summary.copy()
        summary[:, 0] = np.random.default_rng(0).normal(size=60)
        summary[positives, 0] += 4
        summary[hard, 0] -= 4
        scorer.summary = summary
        tuner = PromptTuner(scorer, SENTENCE, users=60, without=likely, settings=settings, seed=0)
        tuned = tuner.tune([Seeds(positives[::2], hard[::2]), Seeds(positives[::2], np.zeros(0, np.int64))])
        scores = tuner.rank(tuned)
        apart.append((scores[positives[1::2]].mean(0) - scores[hard[1::2]].mean(0)) / scores.std(0))
    with_hard, without = np.mean(apart, 0)
    assert with_hard > without + 0.1


def test_a_sentence_that_says_the_contrary_is_turned(trained_workspace: Workspace) -> None:
    for scorer in scorers(trained_workspace):
        plain = PromptTuner(scorer, SENTENCE, users=60, without=np.zeros(0, np.int64), settings=QUICK, seed=0)
        sentence = plain.score(plain.query[None])[:, 0]
        order = np.argsort(sentence, kind="stable")
        tuner = PromptTuner(scorer, SENTENCE, users=60, without=order[:5], settings=replace(QUICK, steps=12), seed=0)
        none = np.zeros(0, np.int64)
        turned, kept = tuner.tune([Seeds(np.sort(order[:5]), none), Seeds(np.sort(order[-5:]), none)])
        assert -1 <= turned.weight < 0.5
        assert kept.weight == 1
        assert np.corrcoef(sentence, tuner.rank([turned])[:, 0])[0, 1] < 0.5


def test_a_saved_prompt_ranks_as_the_tuned_one(trained_workspace: Workspace, tmp_path: Path) -> None:
    positives, negatives = [0, 6, 12, 18], [1, 7, 13, 19]
    tune_prompt(trained_workspace, SENTENCE, seed_file(tmp_path / "s.csv", positives, negatives), "tea", device="cpu")
    seeds = Seeds(np.array(positives), np.array(negatives))
    settings = trained_workspace.settings
    tuner = PromptTuner(
        scorers(trained_workspace)[0], SENTENCE, users=60, without=seeds.rows, settings=settings.prompt,
        seed=settings.workspace.seed,
    )  # fmt: skip
    (tuned,) = tuner.tune([seeds])
    assert tuned.reading.any()
    (audience,) = target(trained_workspace, prompt="tea", who_not=WhoNot(keep_seeds=True), device="cpu")
    found = audience.ranking.sort("user_id")["score"]
    np.testing.assert_allclose(found.to_numpy(), tuner.rank([tuned])[:, 0], rtol=1e-4, atol=1e-4)


def test_seeds_are_left_out_of_their_own_audience_and_their_ids_are_not_stored(
    trained_workspace: Workspace, tmp_path: Path
) -> None:
    positives, negatives = [0, 6, 12, 18], [1, 7, 13, 19]
    tune_prompt(trained_workspace, SENTENCE, seed_file(tmp_path / "s.csv", positives, negatives), "tea", device="cpu")
    (audience,) = target(trained_workspace, prompt="tea", device="cpu")
    (whole,) = target(trained_workspace, prompt="tea", who_not=WhoNot(keep_seeds=True), device="cpu")
    assert set(whole.ranking["user_id"]) - set(audience.ranking["user_id"]) == {*positives, *negatives}
    assert [(drop.kind, drop.users) for drop in audience.counts.drops] == [("seeds", 8)]
    left = whole.ranking.filter(~pl.col("user_id").is_in([*positives, *negatives]))
    assert audience.ranking["user_id"].to_list() == left["user_id"].to_list()
    stored = json.loads((trained_workspace.prompts / "tea/seeds.json").read_text())
    assert len(stored["hashes"]) == 8
    assert all(len(each) == 32 for each in stored["hashes"])
    (trained_workspace.prompts / "tea/seeds.json").unlink()  # as an older version left it
    (older,) = target(trained_workspace, prompt="tea", device="cpu")
    assert older.ranking.equals(whole.ranking)
    assert "tune it again" in older.warnings[0]


def test_a_descent_stops_where_seeds_left_out_speak_against_it(trained_workspace: Workspace) -> None:
    scorer, rng = scorers(trained_workspace)[0], np.random.default_rng(0)
    draws = [rng.permutation(60)[:10] for _ in range(12)]
    tuner = PromptTuner(scorer, SENTENCE, users=60, without=np.zeros(0, np.int64), settings=QUICK, seed=0)
    tuned = tuner.tune([Seeds(np.sort(rows[:5]), np.sort(rows[5:])) for rows in draws])
    assert any(each.steps == 0 for each in tuned)
    for each in tuned:
        if each.steps == 0:
            np.testing.assert_array_equal(each.tokens, tuner.coordinates.start.numpy())
            assert each.auc == each.sentence_auc


def test_tuning_changes_nothing_but_the_prompt(trained_workspace: Workspace, tmp_path: Path) -> None:
    seeds = seed_file(tmp_path / "s.csv", [0, 6, 12, 18], [1, 7, 13, 19])
    before = content(trained_workspace.folder)
    tune_prompt(trained_workspace, SENTENCE, seeds, "tea", device="cpu")
    after = content(trained_workspace.folder)
    assert {name: digest for name, digest in after.items() if not name.startswith("runs/prompts/")} == before
    first = content(trained_workspace.prompts)
    tune_prompt(trained_workspace, SENTENCE, seeds, "tea", device="cpu", force=True)
    again = content(trained_workspace.prompts)
    assert [first[n] for n in first if "safetensors" in n] == [again[n] for n in again if "safetensors" in n]


def test_a_prompt_works_where_only_artifacts_are(trained_workspace: Workspace, tmp_path: Path) -> None:
    seeds = seed_file(tmp_path / "s.csv", [0, 6, 12, 18], [1, 7, 13, 19])
    tune_prompt(trained_workspace, SENTENCE, seeds, "tea", device="cpu")
    expected = target(trained_workspace, prompt="tea", device="cpu")[0]
    shutil.rmtree(trained_workspace.path("data"))
    seeds.unlink()
    for unneeded in ("events", "pairs", "sequence", "tabular", "cache"):
        shutil.rmtree(trained_workspace.run(unneeded))
    found = target(trained_workspace, prompt="tea", device="cpu")[0]
    assert found.ranking.equals(expected.ranking)
    assert found.prompt == "tea"
    assert found.demand == SENTENCE
    assert found.ranking["probability"].null_count() == 60 - 8  # the seeds are not ranked
    words = [token.word for token in learned_tokens(trained_workspace, "tea")]
    assert len(words) == open_prompt(trained_workspace, "tea")[0].metrics["learned_tokens"]
    more, less = leanings(trained_workspace, "tea")
    assert len(more) == len(less)


def test_a_prompt_of_another_model_is_refused_listed_and_cleaned(trained_workspace: Workspace, tmp_path: Path) -> None:
    seeds = seed_file(tmp_path / "s.csv", [0, 6, 12], [1, 7, 13])
    tune_prompt(trained_workspace, SENTENCE, seeds, "tea", device="cpu")
    assert [prompt.current for prompt in list_prompts(trained_workspace)] == [True]
    path = trained_workspace.run("aligned") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["user.safetensors"] = "another"
    path.write_text(json.dumps(manifest))
    with pytest.raises(FindCLIError, match="tuned for another model: aligned") as error:
        open_prompt(trained_workspace, "tea")
    assert "findcli tune-prompt" in error.value.hint
    assert [prompt.current for prompt in list_prompts(trained_workspace)] == [False]
    removed = [path for path, _ in pipeline.clean(trained_workspace)]
    assert trained_workspace.prompts / "tea" in removed
    assert list_prompts(trained_workspace) == []


def test_without_hard_negatives_they_are_mined(trained_workspace: Workspace, tmp_path: Path) -> None:
    seeds = seed_file(tmp_path / "s.csv", [0, 6, 12], [])
    run = tune_prompt(trained_workspace, SENTENCE, seeds, "tea", device="cpu")
    assert run.manifest.metrics["mined"]
    assert run.manifest.metrics["hard_negatives"] == 3


def test_mined_are_the_least_like_the_seeds_of_those_ranked_highest() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 0, 1, 2, 3]]
    scores = np.array([9.0, 8, 7, 6, 1, 0])
    found = mine_hard_negatives(scores, vectors, np.array([0]), most=3)
    assert found.tolist() == [1, 2, 3]  # a tenth of five is none: as many as are wanted, by score
    many = np.tile(vectors, (10, 1))
    found = mine_hard_negatives(np.tile(scores, 10), many, np.array([0, 6]), most=1)
    assert many[found[0]] @ vectors[0] <= 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user,label\n1,1\n", "no column user_id"),
        ("user_id,label\n1,1\n2,2\n", r"labels are \['2'\]"),
        ("user_id,label\n1,1\n1,0\n", "user 1 more than once"),
        ("user_id,label\n1,1\n99,1\n", "1 seeds are not embedded, such as '99'"),
        ("user_id,label\n1,1\n2,0\n", "names 1 positive seeds"),
        ("user_id,label\n1.9,1\n2.7,1\n", "no exact whole numbers, such as '1.9', '2.7'"),
        ("user_id,label\n007,1\n2,1\n", "1 seeds are not embedded, such as '007'"),
    ],
)
def test_seeds_that_cannot_be_used_are_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(FindCLIError, match=told) as error:
        read_seeds(tmp_path / "s.csv", pl.Series(range(60)))
    assert error.value.hint


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_seeds_are_read_from_every_form_of_file(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"user_id": [7, 3, 5], "label": [1, 1, 0]})
    path = tmp_path / f"s{suffix}"
    {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}[suffix](path)
    found = read_seeds(path, pl.Series([1, 3, 5, 7]))
    assert (found.positives.tolist(), found.negatives.tolist()) == ([1, 3], [2])


def test_the_commands_tune_list_show_and_rank(
    trained_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = seed_file(tmp_path / "s.csv", [0, 6, 12], [1, 7, 13])
    where = ["--workspace", str(trained_workspace.folder)]
    for args in (
        ["tune-prompt", SENTENCE, "--seeds", str(seeds), "--name", "tea"],
        ["prompts", "list"],
        ["prompts", "show", "tea"],
        ["target", "--prompt", "tea", "--top-k", "3"],
        ["status"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*args, *where])
        assert ended.value.code == 0
        assert "tea" in capsys.readouterr().out
    for args, code in ((["prompts", "show", "no"], 1), (["target", "x", "--prompt", "tea"], 2)):
        with pytest.raises(SystemExit) as ended:
            main([*args, *where])
        assert ended.value.code == code
