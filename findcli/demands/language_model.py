"""Weigh what a demand may mean by a language model: by the likelihood of the demand itself, never by free text.

A model of 135 M parameters writes badly, but it can tell that "travellers who need a bed" more likely means "hotel
night" than "bird seed". So it works as a noisy channel: for each thing that retrieval proposes it says how likely the
demand is, and writes nothing. The prefix that all texts share goes through the model once.

Tested in tests/demands/test_tune.py.
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

# These show the format to a model that was not tuned on it; they come from no workspace.
EXAMPLES = (
    ("bicycle tools: wrenches, chain oil, tyre levers", "people who mend their own bicycle"),
    ("wedding dresses: veil, bridal gown", "brides to be"),
    ("dinosaur figures: t-rex, triceratops", "kids that are mad about dinosaurs"),
    ("mattresses & pillows: foam mattress, duvet", "those who sleep badly and want a softer bed"),
    ("musical instruments: guitar, piano", "who plays the guitar?"),
)
SHELF_LABEL = "Shelf:"


def shelf(thing: str) -> str:
    """A thing as the model reads it, after `SHELF_LABEL`."""
    return f" {thing}\nFor:"


def asked_for(demand: str) -> str:
    """A demand as the model reads it, after a thing."""
    return f" {demand}\n"


@dataclass(frozen=True)
class Prefix:
    """A text that went through the model once: its cache, and its length in tokens."""

    cache: DynamicCache
    length: int


class LanguageModel:
    """Weighs things for a demand.

    Args:
        name: its name in reports.
        model: a decoder, in eval mode.
        tokenizer: the model's tokenizer.
        weight: log odds per nat of log likelihood.
        examples: things with a demand each, which show the model the format.
    """

    def __init__(
        self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, weight: float,
        examples: Sequence[tuple[str, str]] = EXAMPLES,
    ) -> None:  # fmt: skip
        self.name, self.model, self.tokenizer, self.weight = name, model, tokenizer, weight
        self._body: Any = model.model
        parameters = inspect.signature(self._body.forward).parameters
        self._cache_name = (
            "cache" if "cache" in parameters else "past_key_values"
        )  # the older name warns when the model takes both
        shots = "".join(f"{SHELF_LABEL}{shelf(thing)}{asked_for(demand)}\n" for thing, demand in examples)
        self._prefix = self._read(shots + SHELF_LABEL)

    def adjustments(self, demand: str, things: Sequence[str]) -> np.ndarray:
        """Log odds to add to those of each thing, up to a constant: weight * log P(demand | thing), float64 (n,).

        Args:
            demand: the words that describe customers.
            things: n things of the workspace, each as `retrieval.described` writes it.
        """
        return self.weight * np.array(self.log_likelihoods(demand, things))

    @torch.inference_mode()
    def log_likelihoods(self, demand: str, things: Sequence[str]) -> list[float]:
        """Log P(demand | thing) for n things, in nats."""
        thing_ids, demand_ids = [self._ids(shelf(thing)) for thing in things], self._ids(asked_for(demand))
        longest = max(map(len, thing_ids)) + len(demand_ids)
        ids = torch.full((len(things), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros(len(things), self._prefix.length + longest, dtype=torch.int64)
        for i, start in enumerate(thing_ids):
            row = [*start, *demand_ids]
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : self._prefix.length + len(row)] = 1
        cache = copy.deepcopy(self._prefix.cache)
        cache.batch_repeat_interleave(len(things))
        states = self._run(ids, cache, mask)
        demand_states = torch.stack(
            [states[i, len(start) - 1 : len(start) + len(demand_ids) - 1] for i, start in enumerate(thing_ids)]
        )
        log_p = self.model.lm_head(demand_states).log_softmax(-1)  # (n, tokens of the demand, V)
        targets = torch.tensor(demand_ids).expand(len(things), -1)[..., None]
        nats: list[float] = log_p.gather(-1, targets).sum((1, 2)).tolist()
        return nats

    @torch.inference_mode()
    def _read(self, text: str) -> Prefix:
        """Put a text through the model once, for every text that continues it."""
        ids = self._ids(text)
        cache = DynamicCache(config=self.model.config)
        self._run(torch.tensor([ids]), cache, torch.ones(1, len(ids), dtype=torch.int64))
        return Prefix(cache, len(ids))

    def _run(self, ids: torch.Tensor, cache: DynamicCache, mask: torch.Tensor) -> torch.Tensor:
        past = {self._cache_name: cache}
        states: torch.Tensor = self._body(input_ids=ids, attention_mask=mask, use_cache=True, **past).last_hidden_state
        return states

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
