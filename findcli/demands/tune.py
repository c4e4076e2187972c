"""`findcli tune-rewriter`: tune a language model on the workspace's domain, then on what demands ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from findcli.data import events
from findcli.data.splits import bucket, held_out_users
from findcli.data.vocabulary import build_vocabulary
from findcli.demands.language_model import EXAMPLES, SHELF_LABEL, LanguageModel, asked_for, shelf
from findcli.demands.retrieval import described
from findcli.demands.training_texts import Pair, Shelf, shelves_of, write_dialogue, write_pair
from findcli.errors import FindCLIError
from findcli.models.text.pretrained import load_language_model, quiet_transformers
from findcli.models.weights import select_device
from findcli.progress import Progress
from findcli.training.loop import fit, step_seed
from findcli.workspace import runs
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run
from findcli.workspace.settings import Rewriter

MERGED, ADAPTER = "model", "adapter"
HELD_ONE_IN, CHOICES, MOST_QUESTIONS = 5, 10, 40
LINES, LINE, TOGETHER = 2000, 12, 3


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings of the workspace file that the tuned rewriter depends on."""
    settings = asdict(workspace.settings.rewriter)
    return {key: value for key, value in settings.items() if key not in ("model", "weight", "checkpoint_every")}


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """The digest of the events before `train_until`."""
    log = runs.open_run(workspace.run("events"), "events")
    return {"events": log.manifest.digest("train/")}


def tune_rewriter(
    workspace: Workspace, *, device: str = "auto", force: bool = False, progress: Progress | None = None
) -> Run:
    """Write `runs/rewriter` if it is missing or out of date: the adapter, and the model with the adapter merged in.

    Args:
        workspace: gives the vocabulary and the training users, from events before `train_until` only.
        device: "auto", "cpu", "cuda" or "mps".
        force: tune even when the run is up to date.
        progress: called after every step.

    Raises:
        FindCLIError: the language model cannot be loaded, or the vocabulary has too few names.
    """
    log = events.build_events(workspace)
    seed = workspace.settings.workspace.seed

    def write(draft: Draft, checkpoints: Path) -> None:
        lessons = _Lessons.of(workspace, log)
        model, tokenizer = load_language_model(workspace.settings.rewriter.base, relative_to=workspace.folder)
        questions = lessons.held_out(seed)
        before = accuracy(questions, model, tokenizer, EXAMPLES)
        draft.metrics |= {"held_out": len(questions), "accuracy_before": before}
        tuned = _tune(model, tokenizer, lessons, workspace, draft, checkpoints, device, progress)
        draft.metrics["accuracy_after"] = accuracy(questions, tuned, tokenizer, ())
        _save(tuned, tokenizer, draft.path(MERGED))

    return runs.build(
        workspace.run("rewriter"), write, kind="rewriter", settings=stage_settings(workspace),
        inputs=stage_inputs(workspace), seed=seed, force=force,
        overrides=workspace.overrides,
    )  # fmt: skip


def load_tuned(workspace: Workspace, *, weight: float) -> LanguageModel:
    """Load the tuned rewriter.

    Raises:
        FindCLIError: there is none, or its workspace has changed since.
    """
    run = runs.open_run(workspace.run("rewriter"), "rewriter")
    reason = runs.why_stale(
        run.folder, kind="rewriter", settings=stage_settings(workspace), inputs=stage_inputs(workspace),
        seed=workspace.settings.workspace.seed,
    )  # fmt: skip
    if reason:
        hint = "tune it again with: findcli tune-rewriter; or set model = 'none' in [rewriter]"
        raise FindCLIError(f"the tuned rewriter is out of date ({reason})", hint=hint)
    model, tokenizer = load_language_model(str(run.folder / MERGED))
    return LanguageModel("tuned rewriter", model, tokenizer, weight=weight, examples=())


@dataclass(frozen=True)
class Question:
    """A demand that took no part in tuning, the thing it means, and the things to choose from."""

    pair: Pair
    things: tuple[str, ...]


def accuracy(
    questions: Sequence[Question], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[tuple[str, str]],
) -> float:  # fmt: skip
    """The share of demands for which a language model puts the right thing first; NaN without demands."""
    judge = LanguageModel("", model, tokenizer, weight=1.0, examples=examples)
    right = [
        question.things[int(judge.adjustments(question.pair.demand, question.things).argmax())] == question.pair.thing
        for question in questions
    ]
    return float(np.mean(right)) if right else float("nan")


@dataclass(frozen=True)
class _Lessons:
    """What the language model learns from.

    Attributes:
        shelves: the vocabulary.
        together: for each category, those that training users want with it.
        timelines: what training users wanted, in time order.
    """

    shelves: list[Shelf]
    together: dict[str, list[str]]
    timelines: list[list[str]]

    @classmethod
    def of(cls, workspace: Workspace, log: Run) -> _Lessons:
        until = workspace.train_until
        vocabulary = build_vocabulary(workspace, log, until, until - datetime.min)
        shelves = shelves_of(vocabulary)
        if len(shelves) < 2:
            hint = "name the columns of categories and items under [[sources]] in findcli.toml"
            raise FindCLIError(f"the vocabulary has too few names to tune on: {len(shelves)}", hint=hint)
        lines = _timelines(workspace, log)
        return cls(shelves, _together(lines), lines)

    def split(self, shelf: Shelf, *, held: bool) -> list[str]:
        """The items of a shelf: the one in five held out to measure accuracy, or those that tuning may name."""
        return [item for item in shelf.items if (bucket("item", item, salt="", buckets=HELD_ONE_IN) == 0) == held]

    def held_out(self, seed: int) -> list[Question]:
        """Demands for items that no tuning demand names."""
        rng = np.random.default_rng(step_seed(seed, -2))
        shelves = [each for each in self.shelves if len(each.items) > 1 and self.split(each, held=True)]
        questions = []
        for i in rng.permutation(len(shelves))[:MOST_QUESTIONS]:
            right, items = shelves[i], self.split(shelves[i], held=True)
            demand = write_pair(Shelf(items[0], right.family, (items[0],), 1.0), items, rng).demand
            pair = Pair(demand, described(right.name, self.split(right, held=False)))
            others = [each for j, each in enumerate(shelves) if each.family == right.family and j != i]
            drawn = [others[j] for j in rng.permutation(len(others))[: CHOICES - 1]]
            things = [described(each.name, self.split(each, held=False)) for each in drawn]
            questions.append(Question(pair, (pair.thing, *things)))
        return questions

    def texts(self, step: int, *, settings: Rewriter, seed: int) -> list[tuple[str, str]]:
        """The texts of one step, as pairs of a context and the target to learn."""
        rng = np.random.default_rng(step_seed(seed, step))
        if step < round(settings.dialogues * settings.steps):
            return [
                ("", write_dialogue(self.shelves, self.together, self.timelines, rng))
                for _ in range(settings.batch_size)
            ]
        weights = np.array([shelf.weight for shelf in self.shelves])
        drawn = rng.choice(len(self.shelves), settings.batch_size, p=weights / weights.sum())
        kept = [replace(self.shelves[i], items=tuple(self.split(self.shelves[i], held=False))) for i in drawn]
        pairs = [write_pair(each, each.items, rng) for each in kept]
        return [(SHELF_LABEL + shelf(pair.thing), asked_for(pair.demand)) for pair in pairs]


def _timelines(workspace: Workspace, log: Run) -> list[list[str]]:
    """The categories of training users in time order, before `train_until`, for a few thousand users at most."""
    timelines: list[list[str]] = []
    for part in events.parts(log):
        rows = events.read_part(log, part)
        if "category" not in rows.columns:
            return []
        held = held_out_users(workspace, rows["user_id"].unique())
        kept = rows.filter(~pl.col("user_id").is_in(list(held)), pl.col("category").is_not_null())
        lines = kept.group_by("user_id", maintain_order=True).agg(
            pl.col("category").str.to_lowercase().unique(maintain_order=True).tail(LINE)
        )
        timelines += [line for line in lines["category"].to_list() if len(line) > 1]
        if len(timelines) >= LINES:
            break
    return timelines[:LINES]


def _together(lines: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """For each category, those most over-represented in the same timelines."""
    alone = Counter(name for line in lines for name in line)
    pairs = Counter((one, other) for line in lines for one in line for other in line if one != other)
    together: dict[str, list[str]] = {}
    lift = {pair: count / (alone[pair[0]] * alone[pair[1]]) for pair, count in pairs.items() if count > 2}
    for one, other in sorted(lift, key=lambda pair: (-lift[pair], pair)):
        if len(together.setdefault(one, [])) < TOGETHER:
            together[one].append(other)
    return together


def _tune(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, lessons: _Lessons, workspace: Workspace, draft: Draft,
    checkpoints: Path, device: str, progress: Progress | None,
) -> PreTrainedModel:  # fmt: skip
    from findcli.models.text.lora import merged, with_lora

    settings, seed = workspace.settings.rewriter, workspace.settings.workspace.seed
    torch.manual_seed(step_seed(seed, -1))
    wrapped = with_lora(model, task="CAUSAL_LM", rank=settings.lora_rank, alpha=settings.lora_alpha)
    wrapped.to(select_device(device))

    def loss(step: int) -> dict[str, Tensor]:
        return {"lm": lm_loss(wrapped, tokenizer, lessons.texts(step, settings=settings, seed=seed))}

    history = fit(
        loss, {"model": wrapped}, steps=settings.steps, lr=settings.lr, weight_decay=settings.weight_decay,
        warmup=settings.warmup, clip=settings.clip, seed=seed, progress=progress,
        checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every,
    )  # fmt: skip
    draft.table("history.parquet", history.table())
    draft.metrics |= history.summary()
    tuned = merged(wrapped, draft.path(ADAPTER)).to("cpu").eval()
    assert isinstance(tuned, PreTrainedModel)
    return tuned


def lm_loss(model: Callable[..., Any], tokenizer: PreTrainedTokenizerBase, texts: Sequence[tuple[str, str]]) -> Tensor:
    """Cross-entropy of the next tokens, over the targets only, ().

    Args:
        model: a decoder.
        tokenizer: the model's tokenizer.
        texts: pairs of a context and the target to learn.
    """
    rows = [[tokenizer(part, add_special_tokens=False)["input_ids"] for part in text] for text in texts]
    longest = max(len(context) + len(target) for context, target in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id or 0)
    labels = torch.full((len(rows), longest), -100)
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for i, (context, target) in enumerate(rows):
        end = len(context) + len(target)
        ids[i, :end] = torch.tensor([*context, *target])
        labels[i, len(context) : end] = ids[i, len(context) : end]
        mask[i, :end] = 1
    device = next(model.parameters()).device  # type: ignore[attr-defined]
    logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten().to(device))


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the merged model in half precision."""
    with quiet_transformers():
        model.to(torch.float16).save_pretrained(folder)  # type: ignore[arg-type]
    tokenizer.save_pretrained(folder)
