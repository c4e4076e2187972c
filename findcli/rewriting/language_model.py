"""A language model's say on which sentence a demand means: likelihoods of what retrieval has found, never free text.

A model of 135 M parameters writes badly, but it can tell whether "hotel night" goes on from "travellers who need a
hotel want". So its output is checked by construction: it weighs names of the workspace, and writes nothing. The common
beginning of all texts goes through the model once.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

# What the form of the question is, for a model that was not tuned for it; of no workspace.
EXAMPLES = (
    ("people who mend their own bicycle", "bicycle tools"),
    ("brides to be", "wedding dresses"),
    ("kids that are mad about dinosaurs", "dinosaur figures"),
    ("those who sleep badly and want a softer bed", "mattresses & pillows"),
    ("who plays the guitar?", "musical instruments"),
)
ANYONE = "customers"
ASK, ANSWER = "Customers:", "\nThey want:"


def question(demand: str) -> str:
    """How a demand is put to the model."""
    return f"{ASK} {demand}{ANSWER}"


def answer(name: str) -> str:
    """How a name answers it."""
    return f" {name}\n"


@dataclass(frozen=True)
class Prefix:
    """A text that went through the model once: its cache, and how many tokens it has."""

    cache: DynamicCache
    length: int


class LanguageModel:
    """Weighs names for a demand.

    Args:
        name: what reports call it.
        model: a decoder, in eval mode.
        tokenizer: its own.
        weight: what a nat of its log likelihood counts, in log odds.
        examples: demands with their answers, which show it the form of the question.
    """

    def __init__(
        self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, weight: float,
        examples: Sequence[tuple[str, str]] = EXAMPLES,
    ) -> None:  # fmt: skip
        self.name, self.model, self.tokenizer, self.weight = name, model, tokenizer, weight
        self._body: Any = model.model
        known = inspect.signature(self._body.forward).parameters
        self._cache_name = (
            "cache" if "cache" in known else "past_key_values"
        )  # the older name warns where both are known
        self._shown = self._read("".join(f"{question(d)}{answer(n)}\n" for d, n in examples) + ASK)
        self._blank: dict[str, float] = {}

    def adjustments(self, demand: str, names: Sequence[str]) -> np.ndarray:
        """Log odds to be added to each name's: weight * (log P(name | demand) - log P(name | anyone)), float64 (n,).

        Args:
            demand: what customers are like.
            names: n names of the workspace.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self._blank]
        if missing:
            self._blank |= dict(zip(missing, self.log_likelihoods(ANYONE, missing), strict=True))
        given = np.array(self.log_likelihoods(demand, names))
        gained: np.ndarray = self.weight * (given - np.array([self._blank[name] for name in names]))
        return gained

    @torch.inference_mode()
    def log_likelihoods(self, demand: str, names: Sequence[str]) -> list[float]:
        """Log P(name | demand) of n names, in nats."""
        prefix = self._read(f" {demand}", after=self._shown)
        before, after = self._ids(ANSWER), [self._ids(answer(name)) for name in names]
        longest = len(before) + max(map(len, after))
        ids = torch.full((len(names), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros(len(names), prefix.length + longest, dtype=torch.int64)
        for i, end in enumerate(after):
            row = [*before, *end]
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : prefix.length + len(row)] = 1
        cache = copy.deepcopy(prefix.cache)
        cache.batch_repeat_interleave(len(names))
        states = self._run(ids, cache, mask)
        found = []
        for i, end in enumerate(after):
            predicted = self.model.lm_head(states[i, len(before) - 1 : len(before) + len(end) - 1])  # (tokens, V)
            log_p = predicted.log_softmax(-1)
            found.append(float(log_p[torch.arange(len(end)), torch.tensor(end)].sum()))
        return found

    @torch.inference_mode()
    def _read(self, text: str, *, after: Prefix | None = None) -> Prefix:
        """Put a text through the model once, for all that follow it."""
        ids = self._ids(text)
        cache = DynamicCache(config=self.model.config) if after is None else copy.deepcopy(after.cache)
        length = (after.length if after is not None else 0) + len(ids)
        self._run(torch.tensor([ids]), cache, torch.ones(1, length, dtype=torch.int64))
        return Prefix(cache, length)

    def _run(self, ids: torch.Tensor, cache: DynamicCache, mask: torch.Tensor) -> torch.Tensor:
        past = {self._cache_name: cache}
        states: torch.Tensor = self._body(input_ids=ids, attention_mask=mask, use_cache=True, **past).last_hidden_state
        return states

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
